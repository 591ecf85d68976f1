"""What people type: one module per group of verbs.

Owns arguments, exit codes and what is printed; does nothing that an HTTP client or a library could not.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 partly done.
"""

from relay.cli.main import main

__all__ = ["main"]
