"""Stopping: how long each step of it may take.

Owns the budget, which somebody who ends the process from outside must wait for.
"""

from typing import Final

from relay.settings import Settings

__all__ = ["stop_budget_s"]

#: How long each step of stopping may take beyond `public.stop_timeout`, in seconds.
LISTENER_S: Final = 1.0
REFUSALS_S: Final = 2.0
OPERATOR_S: Final = 2.0
SENDERS_S: Final = 3.0
ASKS_S: Final = 2.0
CLIENTS_S: Final = 2.0
COMMITS_S: Final = 5.0
STORE_S: Final = 5.0
RETENTION_S: Final = 1.0
REPLAYS_S: Final = 1.0
SOCKET_S: Final = 2.0
HOLDS_S: Final = 1.0


def stop_budget_s(settings: Settings) -> float:
    """The longest that stopping can take, in seconds; a pod's grace period must be longer."""
    public = settings.public
    return (
        public.drain_delay.seconds
        # Requests under way and deliveries under way end one after the other.
        + 2 * public.stop_timeout.seconds
        + LISTENER_S
        + REFUSALS_S
        + OPERATOR_S
        + SENDERS_S
        + ASKS_S
        + CLIENTS_S
        + COMMITS_S
        + STORE_S
        + RETENTION_S
        + REPLAYS_S
        + SOCKET_S
        + HOLDS_S
    )
