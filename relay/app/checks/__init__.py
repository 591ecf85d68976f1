"""Checks: what a configuration names is looked at, all at once, each look within its time.

``checkup`` runs them, ``store``, ``api``, ``way`` and ``outgoing`` are the looks: at the store, at Runflow, through
``public.url`` at ourselves, and at each destination. What is made of an answer is decided in ``core``.
"""

from relay.app.checks.checkup import LIMIT_S, check_online

__all__ = ["LIMIT_S", "check_online"]
