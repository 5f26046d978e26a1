"""The pods that fetch as etcd-init will: what they are, and what they may show."""

from __future__ import annotations

import pytest

from hcp_dr.engine.from_pod import Fetched
from hcp_dr.errors import Forbidden, KubernetesError, NotFound, ServerBusy
from hcp_dr.hypershift.etcd import rehearsal
from hcp_dr.hypershift.images.prepull import Wanted
from hcp_dr.kube.port import Completed, Object
from tests.ports import World
from tests.world import CASE, relocatable

OWN = CASE.control_plane_namespace
WANTED = Wanted(images=("quay.io/a/etcd@sha256:2",), pull_secrets=("pull",), nodes=("node-a",))
ETCD = {
    "spec": {
        "template": {
            "spec": {
                "securityContext": {"runAsNonRoot": True},
                "containers": [{"name": "etcd", "securityContext": {"readOnlyRootFilesystem": True}}],
            }
        }
    }
}


def pod() -> Object:
    return rehearsal.body("node-a", WANTED, rehearsal.security_of(ETCD), OWN, CASE.backup_id)


def test_the_pod_may_do_what_etcd_may_and_is_no_etcd() -> None:
    made = pod()
    spec = made["spec"]
    [container] = spec["containers"]
    assert container["image"] == "quay.io/a/etcd@sha256:2"
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "volumes" not in spec
    assert spec["automountServiceAccountToken"] is False
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert set(made["metadata"]["labels"]) == {rehearsal.LABEL}, "no Service of etcd selects it"


def test_etcd_without_a_security_context_asks_for_none() -> None:
    assert rehearsal.security_of(None) == {"pod": {}, "container": {}}


def running(world: World, name: str, *, ready: bool = True) -> Object:
    made = {**pod(), "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}}
    made["metadata"] = {**made["metadata"], "name": name, "uid": f"uid-of-{name}"}
    world.destination.objects["Pod", OWN, name] = made
    return made


def test_only_ready_pods_of_this_relocation_fetch_and_no_url_is_shown() -> None:
    world = relocatable()
    world.destination.script = lambda _command, _stdin: Completed(0, b"probe\n200 ", b"")
    other = running(world, "other")
    other["metadata"] = {**other["metadata"], "annotations": {}}
    pods = (running(world, "one"), running(world, "late", ready=False), other)
    found = {each.name: each for each in rehearsal.let_fetch(world.ports, CASE, pods)}
    assert (found["one"].fetched, found["late"].fetched, found["other"].fetched) == (Fetched(), None, None)
    assert (found["one"].ours, found["other"].ours) == (True, False)
    world.destination.script = lambda _command, _stdin: Completed(0, b"\n403 ", b"")
    [denied] = rehearsal.let_fetch(world.ports, CASE, pods[:1])
    assert denied.fetched is not None
    assert denied.fetched.final
    assert "http" not in denied.fetched.why


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (Forbidden(cluster="destination", verb="run", object="Pod a/b", reason="no"), True),
        (NotFound(cluster="destination", verb="run", object="Pod a/b", reason="gone"), False),
        (ServerBusy(cluster="destination", verb="run", object="Pod a/b", reason="no kubelet", retry_after=None), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_that_does_not_run_is_a_reason(error: KubernetesError, *, final: bool) -> None:
    """A pod that has just ended, or a node that is away, may be another in the next round."""
    world = relocatable()

    def refuse(*_: object) -> Completed:
        raise error

    world.destination.script = refuse
    [found] = rehearsal.let_fetch(world.ports, CASE, (running(world, "one"),))
    assert found.fetched is not None
    assert str(error.values["reason"]) in found.fetched.why
    assert found.fetched.final is final
