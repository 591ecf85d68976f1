"""Searching lists: ``query`` reads `q`, ``pages`` sorts, cuts and remembers where a page ended.

Pure. Both work on plain records (names to values) and know nothing of runs.
"""
