"""Kubelet, played: nothing runs pods in this cluster, so somebody says for them how they are.

Owns what a pod's status is set to: one that belongs to a Job has done its work (or failed, when it is told to),
any other runs and is ready. Everything that follows from that, the real controllers decide: a Job is complete, a
ReplicaSet has its replicas, a rollout goes on. Must not know what a pod is for.
"""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.cluster.client import Namespace

__all__ = ["Kubelet", "playing"]

_EVERY_S: Final = 0.3
_NOW: Final = "2026-01-01T00:00:00Z"


@dataclass
class Kubelet:
    """Looks for pods without a status, and gives them one."""

    namespace: Namespace
    #: Whether the work of Jobs comes to nothing.
    jobs_fail: bool = False
    #: The Jobs' pods that it has seen, by the Job's name, as they were when they were admitted.
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _enough: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look again and again, until it is told to stop."""
        while not self._enough.wait(_EVERY_S):
            for pod in self.namespace.objects("pods"):
                if pod["status"]["phase"] == "Pending":
                    self._settle(pod)

    def stop(self) -> None:
        self._enough.set()

    def _settle(self, pod: Mapping[str, Any]) -> None:
        [owner] = pod["metadata"]["ownerReferences"]
        if owner["kind"] == "Job":
            self.jobs[owner["name"]] = pod
            status = _ended(pod, code=int(self.jobs_fail))
        else:
            status = _running(pod)
        name = pod["metadata"]["name"]
        said = json.dumps({"status": status})
        words = ("patch", "pod", name, "--subresource=status", "--type=merge")
        try:
            self.namespace.quietly(*words, "--patch", said)
        except subprocess.CalledProcessError as error:
            # It was deleted meanwhile.
            if "not found" not in error.stderr:
                raise


def _running(pod: Mapping[str, Any]) -> Mapping[str, object]:
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": _NOW}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    state = {"running": {"startedAt": _NOW}}
    return {
        "phase": "Running",
        "startTime": _NOW,
        "conditions": conditions,
        "containerStatuses": _containers(pod, state, ready=True),
    }


def _ended(pod: Mapping[str, Any], *, code: int) -> Mapping[str, object]:
    state = {"terminated": {"exitCode": code, "startedAt": _NOW, "finishedAt": _NOW}}
    return {
        "phase": "Failed" if code else "Succeeded",
        "startTime": _NOW,
        "containerStatuses": _containers(pod, state, ready=False),
    }


def _containers(
    pod: Mapping[str, Any], state: object, *, ready: bool
) -> list[Mapping[str, object]]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": ready,
            "started": ready,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


@contextmanager
def playing(namespace: Namespace, *, jobs_fail: bool = False) -> Iterator[Kubelet]:
    """Play for as long as the block runs."""
    kubelet = Kubelet(namespace, jobs_fail=jobs_fail)
    thread = threading.Thread(target=kubelet.run, name="kubelet")
    thread.start()
    try:
        yield kubelet
    finally:
        kubelet.stop()
        thread.join()
