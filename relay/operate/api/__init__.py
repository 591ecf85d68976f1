"""Actions over HTTP: one module for each resource. Decides nothing; knows not where it is served.

Whoever serves these routes answers for who may call them: the socket by its file's mode.
"""
