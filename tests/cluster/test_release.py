"""The chart as a release: installed, upgraded, rolled back and removed by helm, in a real control plane."""

import json
import re
from typing import Any, Final

import pytest

from tests.cluster.chart import CHART, example
from tests.cluster.client import Namespace
from tests.cluster.kubelet import playing
from tests.cluster.waiting import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.process,
    pytest.mark.long,
    pytest.mark.timeout(300, func_only=True),
]

SMALLEST: Final = example("smallest")
SHARED: Final = example("postgresql")
#: What other people's controllers would have to define is another test's matter; a class is the administrator's.
PLAIN: Final = (
    "--set",
    "serviceMonitor.enabled=false,prometheusRule.enabled=false,priorityClassName=",
)
#: All that a release may be made of.
KINDS: Final = (
    "deployments", "replicasets", "pods", "jobs", "services", "ingresses", "configmaps", "secrets", "networkpolicies",
    "serviceaccounts", "persistentvolumeclaims", "poddisruptionbudgets", "horizontalpodautoscalers",
)  # fmt: skip
#: What every namespace has by itself.
OWN: Final = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
WAIT: Final = ("--wait", "--timeout", "120s")


def release(namespace: Namespace, verb: str, values: str, *more: str) -> None:
    namespace.helm(verb, "relay", str(CHART), "--values", values, *WAIT, *more)


def deployment(namespace: Namespace) -> Any:
    [one] = namespace.objects("deployments")
    return one


def replica_sets(namespace: Namespace) -> set[str]:
    return namespace.names("replicasets")


def left(namespace: Namespace) -> set[str]:
    """What is there beside a namespace's own."""
    return namespace.names(*KINDS) - OWN


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def major(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def volume(namespace: Namespace) -> str:
    """A volume as a cluster's storage would have made it, for the claim to be bound to."""
    name = f"{namespace.name}-volume"
    said = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/nowhere"},
            # Not for the claim of a namespace that is still on its way out.
            "claimRef": {"namespace": namespace.name, "name": "relay"},
        },
    }
    namespace.kubectl("apply", "--filename", "-", given=json.dumps(said))
    return name


@pytest.mark.usefixtures("volume")
def test_with_three_values_it_is_installed_changed_rolled_back_and_removed_but_for_its_volume(
    namespace: Namespace,
) -> None:
    with playing(namespace):
        release(namespace, "install", SMALLEST)
        first = deployment(namespace)
        assert first["status"]["readyReplicas"] == 1
        assert first["spec"]["strategy"] == {"type": "Recreate"}
        [claim] = namespace.objects("persistentvolumeclaims")
        assert claim["status"]["phase"] == "Bound"
        before = replica_sets(namespace)

        # Destinations are taken over by the relay that runs; limits are not.
        rate = "config.destinations[0].rate=50/s"
        release(namespace, "upgrade", SMALLEST, "--set", rate)
        [settings] = namespace.objects("configmaps", "app.kubernetes.io/name=relay")
        assert "50/s" in settings["data"]["relay.yaml"]
        assert replica_sets(namespace) == before
        release(
            namespace, "upgrade", SMALLEST, "--set", "config.limits.body_bytes=8MiB"
        )
        assert len(replica_sets(namespace)) == 2
        release(namespace, "upgrade", SMALLEST, "--set", "image.tag=another")
        assert len(replica_sets(namespace)) == 3
        [container] = deployment(namespace)["spec"]["template"]["spec"]["containers"]
        assert container["image"].endswith(":another")

        namespace.helm("rollback", "relay", "1", *WAIT)
        back = deployment(namespace)
        assert back["spec"]["template"] == first["spec"]["template"]
        assert back["status"]["readyReplicas"] == 1
        namespace.helm("uninstall", "relay", *WAIT)
        kept = {"persistentvolumeclaim/relay"}
        until(lambda: left(namespace) == kept, "all but the claim has gone")

        # Who installs it again finds what was kept.
        release(namespace, "install", SMALLEST)
        [same] = namespace.objects("persistentvolumeclaims")
        assert same["metadata"]["uid"] == claim["metadata"]["uid"]
        assert same["status"]["phase"] == "Bound"


@pytest.mark.usefixtures("volume")
def test_a_volume_that_is_not_to_be_kept_goes_with_the_release(
    namespace: Namespace,
) -> None:
    with playing(namespace):
        release(namespace, "install", SMALLEST, "--set", "store.sqlite.keep=false")
        namespace.helm("uninstall", "relay", *WAIT)
    until(lambda: left(namespace) == set(), "everything has gone")


def test_on_postgresql_the_migration_comes_first_and_nothing_is_left_in_the_end(
    namespace: Namespace,
) -> None:
    with playing(namespace) as kubelet:
        release(namespace, "install", SHARED, *PLAIN)
        assert list(kubelet.jobs) == ["relay-migrate"]
        assert deployment(namespace)["status"]["readyReplicas"] == 3
        assert namespace.objects("jobs") == []
        until(
            lambda: _disruptions_allowed(namespace) == 1,
            "one of three may be away",
        )
        _opens_by_its_label(namespace)
        kubelet.jobs.clear()
        release(namespace, "upgrade", SHARED, *PLAIN, "--set", "image.tag=another")
        [migration] = kubelet.jobs.values()
        [container] = migration["spec"]["containers"]
        assert container["image"].endswith(":another")
        assert deployment(namespace)["status"]["updatedReplicas"] == 3
        kubelet.jobs.clear()
        namespace.helm("rollback", "relay", "1", *WAIT)
        # There is no way back for tables: an older relay says so itself.
        assert kubelet.jobs == {}
        namespace.helm("uninstall", "relay", *WAIT)
    until(lambda: left(namespace) == set(), "everything has gone")


def test_a_migration_that_fails_changes_nothing_of_what_runs(
    namespace: Namespace,
) -> None:
    with playing(namespace):
        release(namespace, "install", SHARED, *PLAIN)
    before = deployment(namespace)
    pods = namespace.names("pods")
    with playing(namespace, jobs_fail=True) as kubelet:
        words = ("--values", SHARED, *WAIT, *PLAIN, "--set", "image.tag=another")
        said = namespace.tried("helm", "upgrade", "relay", str(CHART), *words)
        assert kubelet.jobs
    assert said.code != 0
    assert "pre-upgrade hooks failed" in said.err
    assert deployment(namespace)["spec"] == before["spec"]
    assert pods <= namespace.names("pods")


def test_a_migration_that_takes_too_long_is_ended_before_helm_gives_up(
    namespace: Namespace,
) -> None:
    """Nobody plays the kubelet here: the Job's pod never comes to its end."""
    soon = ("--set", "store.migration.activeDeadlineSeconds=2")
    words = ("--values", SHARED, *WAIT, *PLAIN, *soon)
    said = namespace.tried("helm", "install", "relay", str(CHART), *words)
    assert said.code != 0
    assert re.search(r"(?i)job.* failed", said.err)
    # Helm 3 says why, Helm 4 leaves that to the Job.
    [job] = namespace.objects("jobs")
    reasons = {one["reason"] for one in job["status"]["conditions"]}
    assert "DeadlineExceeded" in reasons
    assert job["status"].get("active", 0) == 0
    assert namespace.names("pods", "deployments") == set()

    namespace.helm("uninstall", "relay")
    sweep = "delete job,configmap,networkpolicy --selector app.kubernetes.io/component=migrate"
    assert f"kubectl {sweep}`" in (CHART / "README.md").read_text()
    namespace.kubectl(*sweep.split())
    assert left(namespace) == set()


def _opens_by_its_label(namespace: Namespace) -> None:
    """What `relay check --online` needs: one more policy is for the relays while they have a label, and none is for them before."""
    [policy] = [
        one
        for one in namespace.objects("networkpolicies")
        if one["metadata"]["name"] == "relay-check"
    ]
    labels = policy["spec"]["podSelector"]["matchLabels"]
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    relays = ("--selector", "app.kubernetes.io/component=relay")
    assert namespace.objects("pods", selector) == []
    namespace.kubectl("label", "pods", *relays, "relay-check=open")
    assert len(namespace.objects("pods", selector)) == 3
    namespace.kubectl("label", "pods", *relays, "relay-check-")
    assert namespace.objects("pods", selector) == []


def _disruptions_allowed(namespace: Namespace) -> int:
    [budget] = namespace.objects("poddisruptionbudgets")
    allowed: int = budget["status"]["disruptionsAllowed"]
    return allowed
