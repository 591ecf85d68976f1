"""What a connection that did not come about is said to be, in words that say what to mend."""

import errno
import socket

import asyncpg
import pytest

from relay.core.errors import MisconfiguredError, RelayError, StoreBusyError
from relay.record.postgres.dialling import not_connected


@pytest.mark.parametrize(
    "error,kind,said",
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            StoreBusyError,
            "the database does not answer (Name or service not known)",
        ),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "said by the client, with more"),
            StoreBusyError,
            "the database does not answer (Connection refused)",
        ),
        (
            TimeoutError(),
            StoreBusyError,
            "the database does not answer (no answer in time)",
        ),
        (
            OSError("Multiple exceptions: whatever these say"),
            StoreBusyError,
            "the database does not answer",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory"),
            MisconfiguredError,
            (
                "a file of the connection's TLS cannot be read: No such file or directory"
                " (see sslrootcert, sslcert and sslkey)"
            ),
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/run/ca.crt"),
            MisconfiguredError,
            (
                "a file of the connection's TLS cannot be read: /run/ca.crt: No such file or"
                " directory (see sslrootcert, sslcert and sslkey)"
            ),
        ),
        (
            asyncpg.InvalidPasswordError("password authentication failed"),
            MisconfiguredError,
            (
                "cannot use the database: password authentication failed (in the URL a password"
                " is percent-encoded, in PGPASSWORD it stands as it is)"
            ),
        ),
        (
            asyncpg.InvalidCatalogNameError('database "x" does not exist'),
            MisconfiguredError,
            'cannot use the database: database "x" does not exist',
        ),
        (
            asyncpg.DiskFullError("could not extend file: No space left on device"),
            StoreBusyError,
            "the database takes nobody now: could not extend file: No space left on device",
        ),
    ],
)
def test_the_words_say_what_to_mend(
    error: Exception, kind: type[RelayError], said: str
) -> None:
    told = not_connected(error)
    assert (type(told), str(told)) == (kind, said)
