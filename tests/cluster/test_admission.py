"""What the server makes of the chart's objects: every example is admitted, and what is less than that is refused."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.chart import DEFINED, EXAMPLES, UNDEFINED, define, example, rendered
from tests.cluster.client import Namespace, Said
from tests.cluster.control_plane import ControlPlane

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.process,
    pytest.mark.long,
    pytest.mark.timeout(120, func_only=True),
]

#: Judged as if it were to be stored, and refused for a field that nobody knows.
STRICT: Final = ("apply", "--dry-run=server", "--validate=strict", "--filename", "-")

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def others(control_plane: ControlPlane, log: Path) -> None:
    """The resources of others are known."""
    everywhere = Namespace(name="default", kubeconfig=control_plane.kubeconfig, log=log)
    define(everywhere, *DEFINED)


def judged(namespace: Namespace, *objects: Mapping[str, Any]) -> Said:
    # One after the other: fields of a List would be judged by kubectl.
    said = "\n---\n".join(json.dumps(one) for one in objects)
    return namespace.tried("kubectl", *STRICT, given=said)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_object_of_an_example_is_admitted_without_a_warning(
    name: str, namespace: Namespace
) -> None:
    """Pod Security warns of a template whose pods it would refuse, so that no warning means that none is."""
    objects = rendered(example(name.removesuffix("-values.yaml")))
    known = [
        {**one, "metadata": {**one["metadata"], "namespace": namespace.name}}
        for one in objects
        if not one["apiVersion"].startswith(UNDEFINED)
    ]
    said = judged(namespace, *known)
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) == len(known)


def pod_of() -> Spec:
    """The pod of the smallest example, as the Deployment's controller would make it."""
    objects = rendered(example("smallest"))
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    template = copy.deepcopy(deployment["spec"]["template"])
    # Its own account is made beside it; here there is only the namespace's.
    template["spec"]["serviceAccountName"] = "default"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "relay"}, "spec": template["spec"]}  # fmt: skip


def _as_root(spec: Spec) -> None:
    spec["securityContext"]["runAsUser"] = 0


def _without_seccomp(spec: Spec) -> None:
    del spec["securityContext"]["seccompProfile"]


def _with_capabilities(spec: Spec) -> None:
    del spec["containers"][0]["securityContext"]["capabilities"]


def _with_more_rights(spec: Spec) -> None:
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def _on_the_host(spec: Spec) -> None:
    spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}})


@pytest.mark.parametrize(
    "change,word",
    [
        (_as_root, "runAsUser=0"),
        (_without_seccomp, "seccompProfile"),
        (_with_capabilities, "unrestricted capabilities"),
        (_with_more_rights, "allowPrivilegeEscalation != false"),
        (_on_the_host, "restricted volume types"),
    ],
)
def test_the_pod_is_admitted_as_it_is_and_refused_with_more_rights(
    change: Callable[[Spec], None], word: str, namespace: Namespace
) -> None:
    pod = pod_of()
    assert judged(namespace, pod).code == 0
    change(pod["spec"])
    said = judged(namespace, pod)
    assert said.code != 0
    assert 'violates PodSecurity "restricted:latest"' in said.err
    assert word in said.err


def test_a_field_that_nobody_knows_is_refused(namespace: Namespace) -> None:
    pod = pod_of()
    pod["spec"]["enableServiceLink"] = pod["spec"].pop("enableServiceLinks")
    said = judged(namespace, pod)
    assert said.code != 0
    assert 'strict decoding error: unknown field "spec.enableServiceLink"' in said.err
