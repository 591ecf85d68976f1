"""The chart, rendered for two replicas behind the ingresses of this test.

Owns the values that a platform team would give, and what each ingress controller is told by the annotations that
come of them. Must not know what is done with any of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.acceptance.relays import SECRET, SINK_SECRET
from tests.chart.helm import Helm, parse
from tests.rolling.manifests import Manifest, PodPlan, plan_pod
from tests.rolling.proxies import Limits

__all__ = ["Rendered", "render"]

#: The newer one; that both render the same is a test of the chart's.
_HELM: Final = 4
#: The proxies of this test, and what the chart calls controllers that run them.
_CONTROLLERS: Final = {"nginx": "nginx", "haproxy": "haproxy-ingress"}
_DATABASE: Final = "relay-db"
#: What the image's entrypoint comes to.
_ENTRYPOINT: Final = ("relay",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What the chart says of its pods, and of each ingress by the name of its proxy."""

    relay: PodPlan
    migration: PodPlan
    limits: Mapping[str, Limits]


def render(
    *,
    database: str,
    sink_port: int,
    directory: Path,
    readiness: Mapping[str, int] | None = None,
) -> Rendered:
    """Render the same values for each controller: pods are the same, what is said to the controllers is not.

    Args:
        database: the URL of the replicas' database.
        sink_port: where events go, on loopback.
        directory: for files of values.
        readiness: what is to be another than the chart's own readiness probe.
    """
    values = _values(sink_port) | {"probes": {"readiness": readiness or {}}}
    limits: dict[str, Limits] = {}
    pods: list[tuple[PodPlan, PodPlan]] = []
    for proxy, controller in _CONTROLLERS.items():
        path = directory / f"{controller}.json"
        path.write_text(json.dumps(values | {"ingress": {"controller": controller}}))
        objects = [*parse(Helm(_HELM).render(path)), _secret(database)]
        limits[proxy] = _limits_of(objects)
        relay = plan_pod(objects, entrypoint=_ENTRYPOINT)
        # Hooks come before the rest: they have objects of their own.
        pods.append((relay, plan_pod(objects, entrypoint=_ENTRYPOINT, kind="Job")))
    [(relay, migration), *others] = pods
    assert all(other == (relay, migration) for other in others)
    return Rendered(relay=relay, migration=migration, limits=limits)


def _values(sink_port: int) -> dict[str, object]:
    """What is asked of the chart: two replicas on PostgreSQL, one source, one destination."""
    sink = {
        "name": "sink",
        "kind": "http",
        "url": f"http://127.0.0.1:{sink_port}/",
        "private": True,
        "secret": SINK_SECRET,
    }
    database = {"urlSecret": {"name": _DATABASE}}
    return {
        "host": "relay.example.com",
        "replicas": 2,
        "store": {"kind": "postgresql", "postgresql": database},
        "config": {
            "public": {"trusted_proxies": ["127.0.0.0/8"]},
            "sources": [{"name": "acme", "secret": SECRET}],
            "destinations": [sink],
        },
    }


def _secret(database: str) -> Manifest:
    """What an operator of PostgreSQL would have made."""
    return {
        "kind": "Secret",
        "metadata": {"name": _DATABASE},
        "stringData": {"uri": database},
    }


def _limits_of(objects: Sequence[Manifest]) -> Limits:
    """What the Ingress tells its controller to let through; what it leaves open is the controller's default."""
    [ingress] = [one for one in objects if one["kind"] == "Ingress"]
    said = {
        name.partition("/")[2]: int(str(text).removesuffix("s"))
        for name, text in ingress["metadata"]["annotations"].items()
    }
    known = {
        "body_bytes": ("proxy-body-size",),
        "connect_s": ("proxy-connect-timeout", "timeout-connect"),
        "answer_s": ("proxy-read-timeout", "timeout-server"),
    }
    found = {
        limit: said[name]
        for limit, names in known.items()
        for name in names
        if name in said
    }
    return Limits(**found)
