"""Beside the path: what people ask a relay to do, each verb once, and how it is asked.

``actions`` does it and knows no HTTP; ``api`` serves it, one module for each resource; ``socket`` is where
the running relay of a SQLite store is spoken to. Who does the work is handed in by ``app``.
"""
