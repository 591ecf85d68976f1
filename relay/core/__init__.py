"""Decisions only: no I/O, no clock, no dice, no environment, no logging.

Whatever decides lives here and takes time and chance as arguments, so that the same code runs in
production, in a property test and in a simulation. One module per noun.
"""
