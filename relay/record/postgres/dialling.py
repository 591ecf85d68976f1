"""Dialling: what a connection that did not come about means, in words for who can mend it.

Owns telling a database that is away from one that will never let us in as we are configured. Dials
nothing. No message holds a password: the server's do not, and the client's own are not passed on.

Sources: PostgreSQL, "Error Codes"; libpq, "SSL Support" (the parameters' names).
"""

import os
import socket
import ssl
from typing import Final

import asyncpg

from relay.core.errors import MisconfiguredError, RelayError, StoreBusyError

__all__ = ["not_connected"]

#: Invalid authorization; no such database or schema; access rules and unknown names; bad parameters.
_WRONG: Final = ("28", "3D", "3F", "42", "22")
_OWN_PLACE: Final = " (the relay's role needs a database or a schema of its own)"
#: What the server cannot know: wrong password; no privilege; a table of our name is somebody else's.
_HINTS: Final = {
    "28P01": " (in the URL a password is percent-encoded, in PGPASSWORD it stands as it is)",
    "42501": _OWN_PLACE,
    "42703": _OWN_PLACE,
}
#: Of OpenSSL's words: the server wants to know who we are, or does not believe it.
_REFUSED: Final = ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE")
#: Files that are there and hold something else, or not what belongs together.
_UNUSABLE: Final = ("KEY", "PEM", "X509", "NO_CERTIFICATE")


def not_connected(error: Exception) -> RelayError:
    """What to tell, and to whom: StoreBusyError is tried again, MisconfiguredError is to be mended."""
    if isinstance(error, asyncpg.PostgresError):
        return _of_server(error)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, asyncpg.ClientConfigurationError):
        # Of a root certificate it names the file; the rest is of a URL that was looked at before.
        return MisconfiguredError(f"cannot use the database: {error}")
    if isinstance(error, asyncpg.InterfaceError):
        return StoreBusyError(f"the database does not answer as one: {error}")
    return MisconfiguredError("cannot use the database: its URL cannot be understood")


def _of_system(error: OSError) -> RelayError:
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        name = f"{error.filename}: " if error.filename else ""
        return MisconfiguredError(
            f"a file of the connection's TLS cannot be read: {name}{error.strerror}"
            " (see sslrootcert, sslcert and sslkey)"
        )
    if "rejected SSL upgrade" in str(error):
        return MisconfiguredError("the database offers no TLS, and sslmode asks for it")
    return StoreBusyError(f"the database does not answer{_why(error)}")


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        # Its numbers are not the system's.
        return f" ({error.strerror})"
    if isinstance(error, TimeoutError) and not error.errno:
        return " (no answer in time)"
    known = error.errno is not None and error.errno > 0
    return f" ({os.strerror(error.errno)})" if known and error.errno else ""


def _of_server(error: asyncpg.PostgresError) -> RelayError:
    state = error.sqlstate or ""
    said = str(error)
    if "server_login_retry" in said or "server_login_retry" in str(error.__cause__):
        return StoreBusyError("the database is away, says the pooler before it")
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        return StoreBusyError(
            "the database hangs up before it lets us in: its log says why"
            " (with sslcert: it may not trust that certificate)"
        )
    if "no encryption" in said:
        return MisconfiguredError(
            f"the database refuses who comes without TLS (see sslmode): {said}"
        )
    if state.startswith(_WRONG):
        return MisconfiguredError(
            f"cannot use the database: {said}{_HINTS.get(state, '')}"
        )
    # Starting, stopping, full, or a pooler that does not reach it: all of it passes.
    return StoreBusyError(f"the database takes nobody now: {said}")


def _of_tls(error: ssl.SSLError) -> RelayError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return MisconfiguredError(
            "the database's certificate is refused: "
            f"{error.verify_message} (see sslrootcert and sslmode)"
        )
    reason = error.reason or error.strerror or type(error).__name__
    if any(word in reason for word in _REFUSED):
        return MisconfiguredError(
            f"the database refuses our certificate: {reason} (see sslcert and sslkey)"
        )
    if any(word in reason for word in _UNUSABLE):
        return MisconfiguredError(
            "a certificate or key of the connection cannot be used: "
            f"{reason} (see sslrootcert, sslcert and sslkey)"
        )
    return StoreBusyError(f"no TLS with the database: {reason}")
