"""Who the token belongs to ("concepts/authentication")."""

from relay.runflow.asking import path
from relay.runflow.calling import Caller
from relay.runflow.models import Me

__all__ = ["Auth"]


class Auth:
    """``/v1/auth``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def me(self) -> Me:
        """Check the token. What it says is documented nowhere: see the answer's own fields.

        Raises:
            UnauthorizedError: The token is not known.
            RunflowError: No usable answer.
        """
        return (await self._caller.ask("GET", path("auth", "me"))).parse(Me)
