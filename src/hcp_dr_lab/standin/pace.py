"""Delays of the operators and the cloud. All durations are seconds; 0 means at once, and for rotations never.

A ConfigMap `rehearsal-pace` in the operator's namespace overrides fields on one management cluster; its keys are the
names of the fields. So a rehearsal can change the time of a key rotation or the patience of a health check. A changed
stop time of kube-apiserver changes the Deployment's template, and the Deployment rolls.
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
    """The sources are the rules' sources: C2 for the API server, D for the infrastructure, A12 for the health
    checks."""

    infrastructure: float = 0  # until the control plane operator checks unready services again
    load_balancer: float = 0.5  # from a LoadBalancer Service to its address
    load_balancer_cleanup: float = 1  # from the Service's deletion to the load balancer's end
    api_server_shutdown: float = 15  # how long kube-apiserver keeps serving after SIGTERM
    api_server_grace: float = 30  # until the kubelet kills it
    node_unready: float = 60  # until a MachineHealthCheck deletes the Machine of a node that is not Ready
    node_startup: float = 1200  # until a MachineHealthCheck deletes a Machine without a node
    scale_down_unready: float = 120  # until cluster-autoscaler deletes the Machine of a node that is not Ready
    token_rotation: float = 0  # age at which the ignition server rotates a token
    authority_rotation: float = 0  # age at which control-plane-pki-operator rotates its signers
    tuning: float = 1  # from a NodePool's tuning ConfigMap to the node tuning operator's ConfigMap


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
    """Return the pace of a region. Names in `changed` that are no field of Pace belong to another table."""
    own = {name: seconds for name, seconds in changed.items() if name in NAMES}
    return dataclasses.replace(REALISTIC if realistic else FAST, **own)


def changed_by(pace: Pace, found: Object | None) -> Pace:
    """Apply the ConfigMap `found`; values that are not numbers are ignored."""
    overrides = (found or {}).get("data") or {}
    if not overrides:
        return pace
    known = {field.name for field in dataclasses.fields(Pace)}
    numbers = {key: number for key, text in overrides.items() if key in known and (number := _number(text)) is not None}
    return dataclasses.replace(pace, **numbers)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 else None
