"""How long the operators and the cloud take. All durations are seconds; 0 means at once, and for rotations never.

A ConfigMap `rehearsal-pace` in the operator's namespace changes any of them on one management cluster: its keys are the
names of the fields. So a rehearsal can be told when a key is rotated or how patient a health check is. Another stop
time of kube-apiserver is another template of its Deployment, which rolls.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.kube.port import Object

CONFIG_MAP_NAMESPACE = "hypershift"
CONFIG_MAP_NAME = "rehearsal-pace"


@dataclass(frozen=True, slots=True)
class Pace:
    """Sources are those of the rules: C2 for the API server, D for the infrastructure, A12 for the health checks."""

    infrastructure: float = 0  # until the control plane operator looks again at services that were not ready
    load_balancer: float = 0.5  # from a LoadBalancer Service to its address
    load_balancer_cleanup: float = 1  # from its deletion to the load balancer's end
    api_server_shutdown: float = 15  # how long kube-apiserver goes on serving after it was told to stop
    api_server_grace: float = 30  # after which the kubelet ends it
    node_unready: float = 60  # until a MachineHealthCheck deletes the Machine of a node that is not Ready
    node_startup: float = 1200  # until it deletes a Machine that got no node
    scale_down_unready: float = 120  # until cluster-autoscaler deletes the Machine of a node that is not Ready
    token_rotation: float = 0  # age at which the ignition server rotates a token
    authority_rotation: float = 0  # age at which control-plane-pki-operator rotates its signers
    tuning: float = 1  # from a NodePool's tuning ConfigMap to the node tuning operator's own


FAST = Pace()
REALISTIC = Pace(
    infrastructure=60,  # CPO:1142-1149
    load_balancer=150,  # some 2.5 minutes until a network load balancer is active
    load_balancer_cleanup=60,
    api_server_shutdown=70,
    api_server_grace=135,
    node_unready=480,  # nodepool/capi.go: 8 minutes
    scale_down_unready=1200,
    token_rotation=19800,  # ignition-server/controllers/tokensecret_controller.go: half of 11 hours
    authority_rotation=86400,
    tuning=30,
)


NAMES = tuple(field.name for field in dataclasses.fields(Pace))


def chosen(*, realistic: bool, changed: Mapping[str, float]) -> Pace:
    """The pace of a region; names that are not its fields are somebody else's."""
    own = {name: seconds for name, seconds in changed.items() if name in NAMES}
    return dataclasses.replace(REALISTIC if realistic else FAST, **own)


def changed_by(pace: Pace, found: Object | None) -> Pace:
    """`found` is the ConfigMap; a value that is no number changes nothing."""
    told = (found or {}).get("data") or {}
    if not told:
        return pace
    known = {field.name for field in dataclasses.fields(Pace)}
    numbers = {key: number for key, text in told.items() if key in known and (number := _number(text)) is not None}
    return dataclasses.replace(pace, **numbers)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 else None
