"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

Owns how each is started and that its clients are let in. There is no scheduler and no kubelet: what is admitted is
stored and watched over by the real controllers, and no container ever runs. Must not know what is installed.

Sources: the reference of each program (https://kubernetes.io/docs/reference/command-line-tools-reference/,
https://etcd.io/docs/v3.5/op-guide/configuration/).
"""

import asyncio
import json
import secrets
import signal
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import ClassVar, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.programs import programs
from tests.daemon import Daemon, DaemonUnavailableError
from tests.places import HOST, free_port

__all__ = ["ControlPlane", "running"]

_START_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Where it is, for kubectl and helm."""

    kubeconfig: Path


class _Etcd(Daemon):
    name: ClassVar[str] = "etcd"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    drops_rights: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(start_limit_s=_START_S)
        self._peers = free_port()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def _prepare(self) -> None:
        """Its directory is all that it needs."""

    def _command(self) -> Sequence[str]:
        peers = f"http://{HOST}:{self._peers}"
        return [
            str(programs("etcd") / "server"),
            f"--data-dir={self._directory / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            # It is thrown away in the end.
            "--unsafe-no-fsync",
        ]

    async def _check(self) -> None:
        await _ask(HTTPConnection(HOST, self._port, timeout=1), "/health")


class _ApiServer(Daemon):
    name: ClassVar[str] = "kube-apiserver"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    drops_rights: ClassVar[bool] = False

    def __init__(self, etcd: _Etcd) -> None:
        super().__init__(start_limit_s=_START_S)
        self._etcd = etcd
        # Others on this machine can reach loopback too.
        self._token = secrets.token_hex(16)

    @property
    def key(self) -> Path:
        """What service accounts' tokens are signed with."""
        return self._directory / "service-accounts.pem"

    @property
    def certificate(self) -> Path:
        """Its own, which it makes at the first start."""
        return self._directory / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        return self._directory / "kubeconfig"

    def _prepare(self) -> None:
        self._write(self.key, _new_key())
        who = f'{self._token},administrator,administrator,"system:masters"\n'
        self._write(self._directory / "tokens.csv", who)
        self._write(self.kubeconfig, json.dumps(self._access()))

    def _write(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)

    def _access(self) -> dict[str, object]:
        server = {
            "server": f"https://{HOST}:{self._port}",
            "certificate-authority": str(self.certificate),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }  # fmt: skip

    def _command(self) -> Sequence[str]:
        return [
            str(programs("kubernetes") / "kube-apiserver"),
            f"--etcd-servers={self._etcd.url}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            f"--secure-port={self._port}",
            f"--cert-dir={self._directory}",
            f"--token-auth-file={self._directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.key}",
            f"--service-account-signing-key-file={self.key}",
            "--service-cluster-ip-range=10.96.0.0/24",
            # Nobody is to reach it from inside the cluster, and loopback would be refused.
            "--endpoint-reconciler-type=none",
        ]

    async def _check(self) -> None:
        trust = ssl.create_default_context(cafile=self.certificate)
        server = HTTPSConnection(HOST, self._port, timeout=1, context=trust)
        await _ask(server, "/readyz", Authorization=f"Bearer {self._token}")


class _ControllerManager(Daemon):
    name: ClassVar[str] = "kube-controller-manager"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    drops_rights: ClassVar[bool] = False

    def __init__(self, server: _ApiServer) -> None:
        super().__init__(start_limit_s=_START_S)
        self._server = server

    def _prepare(self) -> None:
        """The server's files are all that it needs."""

    def _command(self) -> Sequence[str]:
        return [
            str(programs("kubernetes") / "kube-controller-manager"),
            f"--kubeconfig={self._server.kubeconfig}",
            f"--bind-address={HOST}",
            f"--secure-port={self._port}",
            f"--cert-dir={self._directory}",
            f"--service-account-private-key-file={self._server.key}",
            f"--root-ca-file={self._server.certificate}",
            "--leader-elect=false",
        ]

    async def _check(self) -> None:
        # Its certificate is its own, and /healthz is open to everybody.
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE
        server = HTTPSConnection(HOST, self._port, timeout=1, context=anybody)
        await _ask(server, "/healthz")


async def _ask(server: HTTPConnection, path: str, **headers: str) -> None:
    """Return if it says that it is well."""

    def ask() -> int:
        with closing(server):
            server.request("GET", path, headers=headers)
            return server.getresponse().status

    if (status := await asyncio.to_thread(ask)) != 200:
        raise DaemonUnavailableError(f"{path} is answered {status}")


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@contextmanager
def running() -> Iterator[ControlPlane]:
    """All three, ready; stopped in reverse."""
    with ExitStack() as stack:
        etcd = stack.enter_context(_Etcd())
        server = stack.enter_context(_ApiServer(etcd))
        stack.enter_context(_ControllerManager(server))
        yield ControlPlane(kubeconfig=server.kubeconfig)
