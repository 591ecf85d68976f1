"""Manifests: what Kubernetes' objects say about the relay's pods, so that they can be started as processes.

Owns the reading of rendered objects: command, environment, mounted files, readiness probe, grace and what
the ingress lets through. What it does not understand it refuses, so that nothing of a manifest is passed
over in silence. Must not know how anything is started, or that the objects come from a chart.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Manifest", "PodPlan", "Probe", "plan_pod"]

#: One object, as YAML gives it.
Manifest = Mapping[str, Any]

#: What Kubernetes assumes where a probe says nothing
#: (https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/).
_PERIOD_S: Final = 10
_TIMEOUT_S: Final = 1
_FAILURES: Final = 3
_SUCCESSES: Final = 1
_GRACE_S: Final = 30
_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How kubelet asks whether a pod may be sent requests."""

    path: str
    port: str
    period_s: float
    timeout_s: float
    failures: int
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlan:
    """One pod of a Deployment or of a Job, with its only container."""

    replicas: int
    command: tuple[str, ...]
    environ: Mapping[str, str]
    #: What is mounted, by its path in the container.
    files: Mapping[str, bytes]
    #: Where volumes are mounted; what is written there begins empty.
    mounts: tuple[str, ...]
    #: By their names.
    ports: Mapping[str, int]
    #: None where nobody sends it requests.
    readiness: Probe | None
    grace_s: float


def plan_pod(
    objects: Sequence[Manifest], *, entrypoint: Sequence[str], kind: str = "Deployment"
) -> PodPlan:
    """Read the only Deployment, or the only Job, among the objects.

    Args:
        objects: what was rendered, and the Secrets that it refers to.
        entrypoint: what the image starts where the manifest has no command.
        kind: of the object that the pod belongs to.

    Raises:
        LookupError: it refers to what is not there.
        ValueError: it says what is not understood here.
    """
    [owner] = [one for one in objects if one["kind"] == kind]
    spec = owner["spec"]["template"]["spec"]
    [container] = spec["containers"]
    environ = dict(_environ(container, objects))
    words = [*container.get("command", entrypoint), *container.get("args", ())]
    files = dict(_files(spec, container, objects))
    return PodPlan(
        replicas=owner["spec"].get("replicas", 1),
        command=tuple(_expanded(word, environ) for word in words),
        environ=environ,
        files=files,
        mounts=tuple(mount["mountPath"] for mount in container["volumeMounts"]),
        ports={one["name"]: one["containerPort"] for one in container.get("ports", ())},
        readiness=_probe(container.get("readinessProbe")),
        grace_s=spec.get("terminationGracePeriodSeconds", _GRACE_S),
    )


def _probe(said: Manifest | None) -> Probe | None:
    if said is None:
        return None
    asked = said["httpGet"]
    return Probe(
        path=asked["path"],
        port=str(asked["port"]),
        period_s=said.get("periodSeconds", _PERIOD_S),
        timeout_s=said.get("timeoutSeconds", _TIMEOUT_S),
        failures=said.get("failureThreshold", _FAILURES),
        successes=said.get("successThreshold", _SUCCESSES),
    )


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """``$(NAME)`` as Kubernetes replaces it; a name that is unknown stays as it is."""
    return _REFERENCE.sub(lambda found: environ.get(found[1], found[0]), text)


# --- environment -----------------------------------------------------------------------------------
def _environ(
    container: Manifest, objects: Sequence[Manifest]
) -> Iterator[tuple[str, str]]:
    for group in container.get("envFrom", ()):
        yield from _group(group, objects)
    known: dict[str, str] = {}
    for entry in container.get("env", ()):
        value = _value(entry, objects)
        if value is not None:
            known[entry["name"]] = _expanded(value, known)
    yield from known.items()


def _group(group: Manifest, objects: Sequence[Manifest]) -> Iterator[tuple[str, str]]:
    [[kind, reference]] = [(key, group[key]) for key in group if key != "prefix"]
    held = _held(objects, _KINDS[kind], reference)
    for name, value in held.items():
        yield group.get("prefix", "") + name, value.decode()


def _value(entry: Manifest, objects: Sequence[Manifest]) -> str | None:
    """What a variable is; None where an optional reference leads nowhere."""
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    [[kind, reference]] = entry["valueFrom"].items()
    if kind == "fieldRef":
        return _FIELDS[reference["fieldPath"]]
    held = _held(objects, _KINDS[kind], reference)
    if reference["key"] in held:
        return held[reference["key"]].decode()
    if reference.get("optional", False):
        return None
    raise LookupError(f"{reference['name']} has no key {reference['key']}")


#: What holds data, by how it is referred to.
_KINDS: Final = {
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "secret": "Secret",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "configMap": "ConfigMap",
}
#: What a pod may be told of itself.
_FIELDS: Final = {
    "metadata.name": "relay-0",
    "metadata.namespace": "relay",
    "status.podIP": "127.0.0.1",
}


def _held(
    objects: Sequence[Manifest], kind: str, reference: Manifest
) -> Mapping[str, bytes]:
    """What a ConfigMap or a Secret holds, by its keys; nothing where it is optional and not there."""
    name = reference.get("name") or reference["secretName"]
    for one in objects:
        if one["kind"] == kind and one["metadata"]["name"] == name:
            return {**_plain(one), **_packed(one)}
    if reference.get("optional", False):
        return {}
    raise LookupError(f"there is no {kind} {name}")


def _plain(one: Manifest) -> Mapping[str, bytes]:
    said = one.get("stringData" if one["kind"] == "Secret" else "data") or {}
    return {key: text.encode() for key, text in said.items()}


def _packed(one: Manifest) -> Mapping[str, bytes]:
    said = one.get("data" if one["kind"] == "Secret" else "binaryData") or {}
    return {key: b64decode(text) for key, text in said.items()}


# --- files -----------------------------------------------------------------------------------------
def _files(
    spec: Manifest, container: Manifest, objects: Sequence[Manifest]
) -> Iterator[tuple[str, bytes]]:
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        held = dict(_volume(volumes[mount["name"]], objects))
        if "subPath" in mount:
            yield mount["mountPath"], held[mount["subPath"]]
            continue
        for name, content in held.items():
            yield f"{mount['mountPath']}/{name}", content


def _volume(
    volume: Manifest, objects: Sequence[Manifest]
) -> Iterator[tuple[str, bytes]]:
    [[kind, source]] = [(key, volume[key]) for key in volume if key != "name"]
    match kind:
        case "emptyDir" | "persistentVolumeClaim":
            return
        case "projected":
            for part in source["sources"]:
                [[inner, what]] = part.items()
                yield from _chosen(what, _held(objects, _KINDS[inner], what))
        case "configMap" | "secret":
            yield from _chosen(source, _held(objects, _KINDS[kind], source))
        case _:
            raise ValueError(f"a volume of kind {kind}")


def _chosen(source: Manifest, held: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """All keys, or those that are listed, under the names that the list gives them."""
    if "items" not in source:
        yield from held.items()
        return
    for item in source["items"]:
        yield item["path"], held[item["key"]]
