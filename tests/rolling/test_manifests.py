"""Manifests are read as Kubernetes reads them, and what is not understood is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.rolling.manifests import Manifest, plan_pod

CONFIG: Manifest = {
    "kind": "ConfigMap",
    "metadata": {"name": "settings"},
    "data": {"relay.yaml": "a: 1\n", "other": "2"},
}
SECRET: Manifest = {
    "kind": "Secret",
    "metadata": {"name": "secret"},
    "data": {"token": "c2VjcmV0"},
    "stringData": {"plain": "words"},
}


def deployment(
    container: Mapping[str, Any] | None = None, *volumes: Mapping[str, Any]
) -> Manifest:
    whole = {
        "name": "relay",
        "ports": [{"name": "operator", "containerPort": 8081}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "operator"}},
        "volumeMounts": [{"name": v["name"], "mountPath": "/at"} for v in volumes],
        **(container or {}),
    }
    pod = {"containers": [whole], "volumes": [*volumes]}
    return {"kind": "Deployment", "spec": {"template": {"spec": pod}}}


def test_what_a_probe_leaves_open_is_what_kubernetes_assumes() -> None:
    probe = plan_pod([deployment()], entrypoint=["relay"]).readiness
    assert probe is not None
    assert (probe.period_s, probe.timeout_s) == (10, 1)
    assert (probe.failures, probe.successes) == (3, 1)


def test_the_images_entrypoint_counts_where_there_is_no_command() -> None:
    args = {"args": ["serve", "--at", "$(WHERE)", "$(NOWHERE)"]}
    said = {**args, "env": [{"name": "WHERE", "value": "here"}]}
    plan = plan_pod([deployment(said)], entrypoint=["relay"])
    assert plan.command == ("relay", "serve", "--at", "here", "$(NOWHERE)")
    other = plan_pod([deployment({**said, "command": ["x"]})], entrypoint=["relay"])
    assert other.command[:2] == ("x", "serve")


def test_variables_come_from_secrets_and_later_ones_win() -> None:
    said = {
        "envFrom": [{"secretRef": {"name": "secret"}, "prefix": "A_"}],
        "env": [
            {
                "name": "TOKEN",
                "valueFrom": {"secretKeyRef": {"name": "secret", "key": "token"}},
            },
            {
                "name": "NONE",
                "valueFrom": {
                    "secretKeyRef": {"name": "secret", "key": "x", "optional": True}
                },
            },
            {"name": "A_plain", "value": "mine"},
        ],
    }
    plan = plan_pod([deployment(said), SECRET], entrypoint=["relay"])
    assert plan.environ == {"A_token": "secret", "A_plain": "mine", "TOKEN": "secret"}


@pytest.mark.parametrize(
    "volume,files",
    [
        ({"emptyDir": {}}, {}),
        ({"configMap": {"name": "settings"}}, {"relay.yaml": b"a: 1\n", "other": b"2"}),
        (
            {"secret": {"secretName": "secret", "items": [{"key": "token", "path": "t"}]}},
            {"t": b"secret"},
        ),
        (
            {"projected": {"sources": [{"secret": {"name": "secret"}}]}},
            {"token": b"secret", "plain": b"words"},
        ),
    ],
)  # fmt: skip
def test_what_is_mounted_is_what_the_volume_holds(
    volume: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    objects = [deployment(None, {"name": "v", **volume}), CONFIG, SECRET]
    plan = plan_pod(objects, entrypoint=["relay"])
    assert plan.files == {f"/at/{name}": content for name, content in files.items()}
    assert plan.mounts == ("/at",)


def test_a_reference_that_leads_nowhere_is_refused() -> None:
    said = {"envFrom": [{"secretRef": {"name": "elsewhere"}}]}
    with pytest.raises(LookupError, match="there is no Secret elsewhere"):
        plan_pod([deployment(said)], entrypoint=["relay"])


def test_a_volume_that_is_not_understood_is_refused() -> None:
    said = deployment(None, {"name": "v", "hostPath": {"path": "/"}})
    with pytest.raises(ValueError, match="a volume of kind hostPath"):
        plan_pod([said], entrypoint=["relay"])
