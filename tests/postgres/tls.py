"""A local PostgreSQL with a certificate, which lets nobody but its administrator in without TLS.

Owns the certificates and who may enter how: ``relay`` by password, or into the database ``certified`` by
a certificate of its own and nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import trustme

from tests.places import HOST
from tests.postgres import binaries, releases
from tests.postgres.local_postgres import USERNAME, LocalPostgres

__all__ = ["CERTIFIED", "Client", "TlsPostgres"]

#: Who enters this one shows a certificate.
CERTIFIED: Final = "certified"
_ENTRANCE: Final = f"""
host    all          postgres    {HOST}/32  scram-sha-256
hostssl {CERTIFIED}  {USERNAME}  {HOST}/32  cert
hostssl all          {USERNAME}  {HOST}/32  scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Client:
    """Files of one who dials, as its URL names them."""

    sslrootcert: Path
    sslcert: Path
    sslkey: Path

    @classmethod
    def of(cls, authority: trustme.CA, directory: Path, *, name: str) -> Self:
        """Write an authority's certificate, and one that it gives ``name``."""
        directory.mkdir(parents=True, exist_ok=True)
        files = cls(*(directory / part for part in ("ca.pem", "cert.pem", "key.pem")))
        issued = authority.issue_cert(common_name=name)
        authority.cert_pem.write_to_path(str(files.sslrootcert))
        issued.cert_chain_pems[0].write_to_path(str(files.sslcert))
        issued.private_key_pem.write_to_path(str(files.sslkey))
        return files


class TlsPostgres(LocalPostgres):
    """One server on loopback; its certificate is of ``authority`` and for its address alone."""

    def __init__(self, major: int) -> None:
        # The wheel is built without TLS.
        listed = releases.MAJORS[-1] if major == binaries.NEWEST else major
        settings = {
            "ssl": "on",
            "ssl_cert_file": "server.pem",
            "ssl_key_file": "server.key",
            "ssl_ca_file": "ca.pem",
        }
        super().__init__(programs=releases.programs(listed), settings=settings)
        self.authority = trustme.CA()
        self._issued = self.authority.issue_cert(HOST)

    def _prepare(self) -> None:
        super()._prepare()
        self._keep("ca.pem", self.authority.cert_pem.bytes())
        self._keep("server.pem", self._issued.cert_chain_pems[0].bytes())
        self._keep("server.key", self._issued.private_key_pem.bytes())
        self._keep("pg_hba.conf", _ENTRANCE.encode())

    def _keep(self, name: str, content: bytes) -> None:
        path = self._data / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._account:
            self._account.give(path)
