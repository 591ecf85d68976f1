"""The relay's configuration in rendered manifests, put where a relay of this machine can read it."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.chart.helm import Manifest
from tests.chart.things import containers, found, named

__all__ = ["SECRET", "configuration", "lay_out", "text_of"]

#: Good for every kind of key.
SECRET = "whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM="


def text_of(things: Sequence[Manifest]) -> str:
    """The file that the relay's pods read."""
    [deployment] = found(things, "Deployment")
    [volume] = [
        one
        for one in deployment["spec"]["template"]["spec"]["volumes"]
        if one["name"] == "config"
    ]
    name = volume["configMap"]["name"]
    return str(named(things, "ConfigMap", name)["data"]["relay.yaml"])


def configuration(things: Sequence[Manifest]) -> Any:
    """The same, as data."""
    return YAML(typ="safe").load(text_of(things))


def lay_out(
    things: Sequence[Manifest], place: Path, *, authority: str = ""
) -> tuple[Path, dict[str, str]]:
    """Write the file and all that it names below a place; give its path, and the environment of the pods.

    Secrets of somebody else's are made up, the chart's own are what they are; `authority` is a certificate.
    """
    text = text_of(things)
    for inside in ("/var/lib/relay", "/run/secrets/relay", "/etc/authorities"):
        outside = place / inside.lstrip("/")
        outside.mkdir(parents=True)
        text = text.replace(inside, str(outside))
    secrets = place / "run/secrets/relay"
    for path in _named(configuration(things)):
        file = place / path.lstrip("/")
        if file.suffix == ".crt":
            file.write_text(authority)
        elif file.parent == secrets:
            file.write_text(SECRET)
    store = place / "run/secrets/store"
    store.mkdir()
    (store / "uri").write_text("postgresql://relay:hidden@db.data.svc/relay")
    text = text.replace("/run/secrets/store", str(store))
    for secret in found(things, "Secret"):
        for name, encoded in secret["data"].items():
            (secrets / name).write_bytes(base64.b64decode(encoded, validate=True))
    config = place / "relay.yaml"
    config.write_text(text)
    return config, _environment(things)


def _named(node: Any) -> list[str]:
    """Every path of a file in a configuration."""
    if isinstance(node, dict):
        return [path for value in node.values() for path in _named(value)]
    if isinstance(node, list):
        return [path for item in node for path in _named(item)]
    is_path = isinstance(node, str) and node.startswith(("/run/secrets", "/etc/"))
    return [node] if is_path else []


def _environment(things: Sequence[Manifest]) -> dict[str, str]:
    [deployment] = found(things, "Deployment")
    [container] = containers(deployment["spec"]["template"])
    given = {one["name"]: one.get("value", SECRET) for one in container["env"]}
    if "envFrom" in container:
        text = json.dumps(configuration(things))
        names = ("ACME_SECRET", "RUNFLOW_TOKEN", "ORDERS_SECRET")
        given |= {name: SECRET for name in names if name in text}
    return given
