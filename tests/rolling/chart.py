"""The chart, rendered for two replicas behind the ingresses of this test.

Owns the values that a platform team would give, and what each ingress controller is told by the annotations that
come of them. Must not know what is done with the objects.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.acceptance.relays import SECRET, SINK_SECRET
from tests.rolling.manifests import Manifest
from tests.rolling.proxies import Limits

__all__ = ["CONTROLLERS", "limits_of", "render", "values"]

_CHART: Final = Path(__file__).parents[2] / "helm" / "relay"
#: What the chart calls the controllers whose proxies are used here.
CONTROLLERS: Final = {"nginx": "nginx", "haproxy": "haproxy-ingress"}
_DATABASE: Final = "relay-db"


def values(*, controller: str, sink_port: int) -> dict[str, Any]:
    """What is asked of the chart: two replicas on PostgreSQL, one source, one destination."""
    return {
        "host": "relay.example.com",
        "replicas": 2,
        "store": {
            "kind": "postgresql",
            "postgresql": {"urlSecret": {"name": _DATABASE}},
        },
        "ingress": {"controller": controller},
        "config": {
            "public": {"trusted_proxies": ["127.0.0.0/8"]},
            "sources": [{"name": "acme", "secret": SECRET}],
            "destinations": [
                {
                    "name": "sink",
                    "kind": "http",
                    "url": f"http://127.0.0.1:{sink_port}/",
                    "private": True,
                    "secret": SINK_SECRET,
                }
            ],
        },
    }


def render(said: Mapping[str, Any], *, database: str) -> list[Manifest]:
    """What helm makes of the chart, and the Secret that the database's operator would have made."""
    done = subprocess.run(
        ["helm", "template", "relay", str(_CHART), "--values", "-"],
        check=True,
        input=json.dumps(said),
        capture_output=True,
        text=True,
    )
    rendered = YAML(typ="safe").load_all(done.stdout)
    secret = {
        "kind": "Secret",
        "metadata": {"name": _DATABASE},
        "stringData": {"uri": database},
    }
    return [one for one in (*rendered, secret) if one]


def limits_of(objects: Sequence[Manifest]) -> Limits:
    """What the Ingress tells its controller to let through; what it leaves open is the controller's default."""
    [ingress] = [one for one in objects if one["kind"] == "Ingress"]
    said = {
        name.partition("/")[2]: str(text).removesuffix("s")
        for name, text in ingress["metadata"]["annotations"].items()
    }
    known = {
        "body_bytes": ("proxy-body-size",),
        "connect_s": ("proxy-connect-timeout", "timeout-connect"),
        "answer_s": ("proxy-read-timeout", "timeout-server"),
    }
    return Limits(
        **{
            limit: int(said[name])
            for limit, names in known.items()
            for name in names
            if name in said
        }
    )
