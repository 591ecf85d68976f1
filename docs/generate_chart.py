"""Writes what stands beside the chart's values, from the values themselves: ``python docs/generate_chart.py``.

``helm/relay/values.schema.json``: what the values look like (``values.yaml`` gives the types, this file what else they
must be), the relay's settings (from their models) and Kubernetes' own things (from its published schemas).
``helm/relay/README.md``: the table of values.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import importlib_resources
from ruamel.yaml import YAML

from relay.settings.json_schema import DEFINITIONS, json_schema

CHART: Final = Path(__file__).parent.parent / "helm" / "relay"
#: The newest release that the chart is checked against; an older one has a part of its words.
KUBERNETES: Final = "v1.37.0-local-strict"
BEGIN: Final = "<!-- values: written by docs/generate_chart.py -->\n"
END: Final = "<!-- end of values -->\n"

Schema = dict[str, Any]

#: The relay's settings that the chart decides by itself.
OWN: Final = ("data_dir", "store", "operator")
OWN_PUBLIC: Final = ("listen", "url")

LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME: Final = "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
QUANTITY: Final = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(m|k|[KMGTPE]i?)?$"}
TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
#: The name of something else of Kubernetes', or none.
NAMED: Final = {"type": "string", "pattern": f"^({NAME})?$"}
#: A part of the chart's own names. Those of Services begin with a letter.
OWN_NAME: Final = {"type": "string", "pattern": "^([a-z]([-a-z0-9]{0,61}[a-z0-9])?)?$"}
#: What the chart labels its things with, and finds them by.
OURS: Final = r"^(app\.kubernetes\.io/(name|instance|version|component|managed-by)|helm\.sh/chart)$"
LABELS: Final = TEXTS | {"propertyNames": {"not": {"pattern": OURS}}}
DURATION: Final = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
BASE: Final = {"type": "string", "pattern": "^(https?://[^\\s?#]+)?$"}
NULLABLE: Final = {"type": ["string", "null"]}


def kubernetes(name: str, *, group: str = "core.v1") -> Schema:
    """Refer to a thing of Kubernetes' own."""
    return {"$ref": f"#/definitions/io.k8s.api.{group}.{name}"}


def many(item: Schema) -> Schema:
    """A list of such."""
    return {"type": "array", "items": item}


def words(*allowed: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [*allowed]}


def told(schema: Schema, reason: str) -> Schema:
    """Ask for `schema`, and have who does not fit be told this. A complaint lists the words of `enum`, and quotes nothing."""
    return {"if": schema, "else": {"enum": [reason]}}


#: What the defaults in values.yaml do not tell, by place.
KNOWN: Final[dict[str, Schema]] = {
    "host": told(
        {"type": "string", "maxLength": 253, "pattern": f"^({LABEL}\\.)*{LABEL}$"},
        "a host name, such as relay.example.com",
    ),
    "secrets.existing": many({"type": "string", "pattern": f"^{NAME}$"}),
    "store.kind": words("sqlite", "postgresql"),
    "store.sqlite.size": QUANTITY,
    "store.sqlite.accessMode": words("ReadWriteOnce", "ReadWriteOncePod"),
    "store.postgresql.url": {
        "type": "string",
        **told(
            {
                "pattern": "^$|^postgres(ql)?://([^:@/]+@)?[^@/?]+/[^@]*$",
                # A parameter is as good a place for one to the client.
                "not": {"pattern": "[?&](ssl)?password="},
            },
            "postgresql://USER@HOST/DATABASE without a password: that is in passwordSecret",
        ),
    },
    "store.postgresql.urlSecret.key": {"type": "string", "minLength": 1},
    "store.postgresql.passwordSecret.key": {"type": "string", "minLength": 1},
    "store.postgresql.caSecret.key": {"type": "string", "minLength": 1},
    "store.migration.activeDeadlineSeconds": {"type": "integer", "minimum": 1},
    "replicas": {"type": "integer", "minimum": 0, "maximum": 100},
    "autoscaling.minReplicas": {"type": "integer", "minimum": 1, "maximum": 100},
    "autoscaling.maxReplicas": {"type": "integer", "minimum": 1, "maximum": 100},
    "autoscaling.targetCPUUtilizationPercentage": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
    },
    "podDisruptionBudget.maxUnavailable": {
        "type": ["integer", "string"],
        "minimum": 1,
        "pattern": "^[1-9][0-9]?%$",
    },
    "topologySpreadConstraints": many(kubernetes("TopologySpreadConstraint")),
    "image.repository": {"type": "string", "pattern": "^[a-z0-9][a-zA-Z0-9._:/-]*$"},
    "image.tag": {
        "type": "string",
        "pattern": "^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$",
    },
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": words("Always", "IfNotPresent", "Never"),
    "image.pullSecrets": many(kubernetes("LocalObjectReference")),
    "ingress.controller": words(
        "nginx",
        "nginx-f5",
        "haproxy",
        "haproxy-ingress",
        "traefik",
        "contour",
        "alb",
        "other",
    ),
    "gateway.implementation": words("envoy-gateway", "nginx-gateway-fabric", "other"),
    "gateway.parentRefs": many(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": f"^{NAME}$"},
                "namespace": {"type": "string", "pattern": f"^{NAME}$"},
                "sectionName": {"type": "string", "pattern": f"^{NAME}$"},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            },
        }
    ),
    "service.type": words("ClusterIP", "NodePort", "LoadBalancer"),
    "service.port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "networkPolicy.ingressFrom": many(
        kubernetes("NetworkPolicyPeer", group="networking.v1")
    ),
    "networkPolicy.operatorFrom": many(
        kubernetes("NetworkPolicyPeer", group="networking.v1")
    ),
    "networkPolicy.dns": many(kubernetes("NetworkPolicyPeer", group="networking.v1")),
    "networkPolicy.egress": many(
        kubernetes("NetworkPolicyEgressRule", group="networking.v1")
    ),
    "networkPolicy.extraEgress": many(
        kubernetes("NetworkPolicyEgressRule", group="networking.v1")
    ),
    "serviceMonitor.interval": DURATION,
    "serviceMonitor.scrapeTimeout": DURATION,
    "prometheusRule.runbookBase": BASE,
    "resources": kubernetes("ResourceRequirements"),
    "podSecurityContext": kubernetes("PodSecurityContext"),
    "securityContext": kubernetes("SecurityContext"),
    **{
        f"probes.{name}": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                word: {"type": "integer", "minimum": 0 if word.startswith("i") else 1}
                for word in (
                    "initialDelaySeconds",
                    "periodSeconds",
                    "timeoutSeconds",
                    "failureThreshold",
                )
            },
        }
        for name in ("liveness", "readiness", "startup")
    },
    "terminationGracePeriodSeconds": {"type": ["integer", "null"], "minimum": 1},
    "listen": words("0.0.0.0", "::"),  # noqa: S104 - a word of the values, bound to by nobody here
    "extraEnv": many(kubernetes("EnvVar")),
    "extraEnvFrom": many(kubernetes("EnvFromSource")),
    "extraVolumes": many(kubernetes("Volume")),
    "extraVolumeMounts": many(kubernetes("VolumeMount")),
    "tolerations": many(kubernetes("Toleration")),
    "affinity": kubernetes("Affinity"),
    "commonLabels": LABELS,
    "podLabels": LABELS,
    "store.sqlite.storageClass": NAMED,
    "store.sqlite.existingClaim": NAMED,
    "ingress.className": NAMED,
    "ingress.tls.secretName": NAMED,
    "serviceAccount.name": NAMED,
    "priorityClassName": NAMED,
    "nameOverride": OWN_NAME,
    "fullnameOverride": OWN_NAME,
}


def when(place: str, then: Schema, *, value: object = True) -> Schema:
    """Ask for something more where a value is this one."""
    test: Schema = {"const": value}
    for step in reversed(place.split(".")):
        test = {"properties": {step: test}, "required": [step]}
    return {"if": test, "then": then}


def at(place: str, schema: Schema) -> Schema:
    """Put a schema at a place."""
    for step in reversed(place.split(".")):
        schema = {"properties": {step: schema}}
    return schema


SHARED: Final = "more needs store.kind: postgresql"
NO_FILES: Final = ({"enum": ["http", "kafka"]}, "file needs store.kind: sqlite")
NO_URL: Final = ({"minLength": 1}, "needed, or urlSecret.name")
#: Where nobody knows who has to come in.
NAMED: Final = when(
    "networkPolicy.enabled", at("networkPolicy.ingressFrom", {"minItems": 1})
)
#: What one value asks of another.
RULES: Final = [
    when(
        "store.kind",
        {
            "allOf": [
                at("replicas", told({"enum": [0, 1]}, SHARED)),
                at("autoscaling.enabled", told({"enum": [False]}, SHARED)),
            ]
        },
        value="sqlite",
    ),
    when(
        "store.kind",
        {
            "allOf": [
                at("config.destinations", many(at("kind", told(*NO_FILES)))),
                {
                    "if": at("store.postgresql.urlSecret.name", {"maxLength": 0}),
                    "then": at("store.postgresql.url", told(*NO_URL)),
                },
            ]
        },
        value="postgresql",
    ),
    when("gateway.enabled", at("gateway.parentRefs", {"minItems": 1})),
    when("ingress.controller", when("ingress.enabled", NAMED), value="other"),
    when("ingress.enabled", when("gateway.enabled", NAMED, value=False), value=False),
]


def comments() -> dict[str, str]:
    """What values.yaml says of each value, by place, in its order."""
    found: dict[str, str] = {}
    way: list[tuple[int, str]] = []
    said: list[str] | None = None
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            said = [text.removeprefix("# -- ")]
        elif text.startswith("#") and said is not None:
            said.append(text.removeprefix("#").strip())
        elif key := re.match(r"( *)([A-Za-z_]\w*):", line):
            depth = len(key[1])
            way = [step for step in way if step[0] < depth] + [(depth, key[2])]
            if said is not None:
                found[".".join(name for _, name in way)] = " ".join(said)
            said = None
    return found


def values() -> dict[str, Any]:
    """The defaults."""
    loaded: dict[str, Any] = YAML(typ="safe").load((CHART / "values.yaml").read_text())
    return loaded


def schema() -> Schema:
    """The whole of values.schema.json."""
    said = comments()
    root = _section("", values(), said)
    settings = json_schema()
    for name in OWN:
        del settings["properties"][name]
    for name in OWN_PUBLIC:
        del settings["properties"]["public"]["properties"][name]
    for name in ("sources", "destinations"):
        settings["properties"][name]["minItems"] = 1
    # A part of it may be null in values: that is how Helm takes a default away.
    root["properties"]["config"] = settings | {"description": said["config"]}
    root["properties"]["global"] = {
        "type": "object",
        "description": "What Helm hands from chart to chart. Unused.",
    }
    root["allOf"] = RULES
    root["definitions"] = {**DEFINITIONS, **_definitions(root)}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **root}


def _section(place: str, node: dict[str, Any], said: dict[str, str]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["host", "config"] if not place else [],
        "properties": {
            name: _value(f"{place}.{name}".lstrip("."), value, said)
            for name, value in node.items()
            if f"{place}.{name}" != ".config"
        },
    }


def _value(place: str, value: object, said: dict[str, str]) -> Schema:
    if place in KNOWN:
        known = KNOWN[place]
        return known if "$ref" in known else {**_said(place, said), **known}
    if isinstance(value, dict):
        return {
            **_said(place, said),
            **(_section(place, value, said) if value else TEXTS),
        }
    kinds = {bool: "boolean", str: "string"}
    return {**_said(place, said), "type": kinds[type(value)]}


def _said(place: str, said: dict[str, str]) -> Schema:
    return {"description": said[place]} if place in said else {}


def _definitions(root: Schema) -> dict[str, Schema]:
    """Kubernetes' things that are referred to, and those that they refer to."""
    files = importlib_resources.files("kubernetes_validate")
    path = files / "kubernetes-json-schema" / KUBERNETES / "_definitions.json"
    known = json.loads(path.read_text())["$defs"]
    found: dict[str, Schema] = {}
    waiting = sorted(_references(root))
    while waiting:
        name = waiting.pop()
        if name not in found and name not in DEFINITIONS:
            found[name] = _bare(known[name])
            waiting += sorted(_references(found[name]))
    return dict(sorted(found.items()))


def _references(node: object) -> Iterator[str]:
    text = json.dumps(node)
    yield from re.findall(r'"\$ref": "#/definitions/([^"]+)"', text)


def _bare(node: Any) -> Any:
    """A schema without words for people, in the words of draft 7."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: re.sub(r"^.*#/\$defs/", "#/definitions/", value)
        if key == "$ref"
        else _bare(value)
        for key, value in node.items()
        if not (key == "description" and isinstance(value, str))
        and not key.startswith("x-kubernetes")
    }


def table() -> str:
    """The values as a table for people."""
    rows = ["| Value | Default | Meaning |", "| --- | --- | --- |"]
    default = values()
    for place, meaning in comments().items():
        node: Any = default
        for step in place.split("."):
            node = node[step]
        shown = "" if isinstance(node, dict) and _is_told_below(place) else _shown(node)
        rows.append(f"| `{place}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def _is_told_below(place: str) -> bool:
    return any(other.startswith(f"{place}.") for other in comments())


def _shown(value: object) -> str:
    return f"`{json.dumps(value)}`"


def readme() -> str:
    """The chart's page, with the table of now."""
    page = (CHART / "README.md").read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def schema_text() -> str:
    """values.schema.json as it is kept."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    (CHART / "values.schema.json").write_text(schema_text(), encoding="utf-8")
    (CHART / "README.md").write_text(readme(), encoding="utf-8")
