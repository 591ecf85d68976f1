"""Connector: what the session of every HTTP destination is built on.

Owns putting together the guard (:mod:`relay.deliver.egress`), the hardened client side of a connection
(:mod:`relay.deliver.answers`) and, where there is one, the proxy (:mod:`relay.deliver.tunnel`). Must not
know what is sent.
"""

import ssl

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver

from relay.core.egress import EgressPolicy
from relay.deliver.answers import harden
from relay.deliver.egress import GuardedResolver, guarded_socket
from relay.deliver.http_options import Proxy
from relay.deliver.tunnel import TunnelConnector

__all__ = ["guarded_connector"]


def guarded_connector(
    policy: EgressPolicy,
    *,
    limit: int,
    resolver: AbstractResolver,
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
    force_close: bool = False,
) -> TCPConnector:
    """Make a connector that reaches nothing that ``policy`` does not permit.

    ``limit`` bounds its connections, ``force_close`` makes one that keeps none. To be called inside a
    running loop. ``resolver`` gives addresses, which are judged here; ``tls`` stands in for the
    context that trusts the system's authorities; with ``proxy`` everything goes through it.
    """
    guarded = GuardedResolver(policy=policy, inner=resolver)
    if proxy is not None:
        return harden(
            TunnelConnector(
                proxy=proxy,
                policy=policy,
                names=resolver,
                limit=limit,
                resolver=guarded,
                ssl=tls or True,
                force_close=force_close,
            )
        )
    return harden(
        TCPConnector(
            limit=limit,
            resolver=guarded,
            socket_factory=guarded_socket(policy),
            ssl=tls or True,
            force_close=force_close,
        )
    )
