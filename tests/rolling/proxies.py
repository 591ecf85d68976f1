"""Proxies: a real nginx and a real HAProxy as the ingress, which send each request once.

Owns their configuration. Both keep connections to the relay open, as an ingress controller has them do, and
neither tries a request again: what the relay fails, the sender sees. Who may be sent requests they are told from
outside (:meth:`Proxy.lead_to`); they judge nobody themselves. Must not know what a pod is.

Sources: nginx, "ngx_http_proxy_module" and "ngx_http_upstream_module" (https://nginx.org/en/docs/); HAProxy 2.6,
"Configuration Manual" and "Management Guide" (https://docs.haproxy.org/2.6/).
"""

import asyncio
import csv
import io
import os
import signal
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from tests import install_tools
from tests.daemon import Daemon, DaemonUnavailableError
from tests.places import HOST

__all__ = ["HAProxy", "Limits", "Nginx", "Proxy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an ingress lets through; the defaults are those of ingress-nginx."""

    body_bytes: int = 1024**2
    connect_s: int = 5
    answer_s: int = 60


class Proxy(Daemon):
    """One ingress before a fixed set of servers, none of which it uses until it is told to.

    Args:
        servers: their ports, by name.
        limits: what it lets through.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, servers: Mapping[str, int], limits: Limits) -> None:
        super().__init__(start_limit_s=20.0)
        self._servers = dict(servers)
        self._limits = limits
        self._used: frozenset[str] = frozenset()

    def url(self, path: str) -> str:
        return f"http://{HOST}:{self._port}{path}"

    def lead_to(self, names: Sequence[str]) -> None:
        """Use these servers from now on, and no others; before its start, from its start on."""
        self._used = frozenset(names)
        if self._process is not None:
            self._apply()

    @abstractmethod
    def _apply(self) -> None:
        """Do what was said, while requests are under way."""

    async def _check(self) -> None:
        _, writer = await asyncio.open_connection(HOST, self._port)
        writer.close()
        await writer.wait_closed()

    def _program(self) -> Path:
        program = install_tools.find(self.name)
        if program is None:
            raise DaemonUnavailableError(
                f"the system has no {self.name}: run tests/install_tools.py"
            )
        return Path(program)

    def _file(self, name: str, text: str) -> Path:
        path = self._directory / name
        path.write_text(text)
        if self._account:
            self._account.give(path)
        return path


_NGINX: Final = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  client_max_body_size {body_bytes};
  {upstream}
  server {{
    listen {host}:{port} backlog=1024;
    location /callbacks/ {{
      {answer}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout {connect_s}s;
      proxy_read_timeout {answer_s}s;
      proxy_next_upstream off;
    }}
    location / {{ return 404; }}
  }}
}}
"""


class Nginx(Proxy):
    """A change of servers is a new configuration and a reload: old workers end what they have begun."""

    name: ClassVar[str] = "nginx"

    def _prepare(self) -> None:
        servers = "\n".join(
            f"server {HOST}:{port} max_fails=0;"
            for name, port in self._servers.items()
            if name in self._used
        )
        upstream = f"upstream relay {{\n{servers}\nkeepalive 32;\n}}"
        self._file(
            "nginx.conf",
            _NGINX.format(
                directory=self._directory,
                host=HOST,
                port=self._port,
                upstream=upstream if servers else "",
                answer="proxy_pass http://relay;" if servers else "return 503;",
                body_bytes=self._limits.body_bytes,
                connect_s=self._limits.connect_s,
                answer_s=self._limits.answer_s,
            ),
        )

    def _command(self) -> Sequence[str]:
        conf = str(self._directory / "nginx.conf")
        # Before it has read where its log is, it would write to the system's.
        return [str(self._program()), "-e", "stderr", "-c", conf]

    def _apply(self) -> None:
        self._prepare()
        os.kill(self.pid, signal.SIGHUP)


_HAPROXY: Final = """
global
  stats socket {directory}/admin.sock level admin
defaults
  mode http
  option http-keep-alive
  option forwardfor
  timeout connect {connect_s}s
  timeout client {answer_s}s
  timeout server {answer_s}s
  timeout http-keep-alive 60s
  retries 0
  retry-on none
  no option redispatch
frontend public
  bind {host}:{port} backlog 1024
  http-request deny deny_status 404 unless {{ path_beg /callbacks/ }}
  http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {body_bytes} }}
  default_backend relay
backend relay
  balance roundrobin
  http-reuse always
  {servers}
"""


class HAProxy(Proxy):
    """A change of servers is a word over its socket: it is one process, and goes on as it was."""

    name: ClassVar[str] = "haproxy"

    @property
    def _socket(self) -> Path:
        return self._directory / "admin.sock"

    def _prepare(self) -> None:
        servers = [
            f"server {name} {HOST}:{port}{'' if name in self._used else ' disabled'}"
            for name, port in self._servers.items()
        ]
        self._file(
            "haproxy.cfg",
            _HAPROXY.format(
                directory=self._directory,
                host=HOST,
                port=self._port,
                servers="\n  ".join(servers),
                body_bytes=self._limits.body_bytes,
                connect_s=self._limits.connect_s,
                answer_s=self._limits.answer_s,
            ),
        )

    def _command(self) -> Sequence[str]:
        return [
            str(self._program()),
            "-db",
            "-f",
            str(self._directory / "haproxy.cfg"),
        ]

    def _apply(self) -> None:
        for name in self._servers:
            state = "ready" if name in self._used else "maint"
            self._say(f"set server relay/{name} state {state}")

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """What each server was sent, and how often a request was tried again: `stot`, `wretr`, `wredis`."""
        rows = csv.DictReader(io.StringIO(self._say("show stat").removeprefix("# ")))
        return {
            row["svname"]: {key: int(row[key]) for key in ("stot", "wretr", "wredis")}
            for row in rows
            if row["pxname"] == "relay" and row["svname"] in self._servers
        }

    def _say(self, command: str) -> str:
        return asyncio.run(self._spoken(command))

    async def _spoken(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        writer.write(command.encode() + b"\n")
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        if answer.strip() and not answer.startswith("#"):
            raise DaemonUnavailableError(f"haproxy on {command!r}: {answer.strip()}")
        return answer
