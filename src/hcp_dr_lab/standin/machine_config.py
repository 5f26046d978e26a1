"""ConfigMaps of a control plane namespace that are pieces of a NodePool's machine configuration, and of its hash
(facts 2.4; nodepool/config.go).

Core pieces are counted: if one is missing, no pool continues. Pieces of the node tuning operator are not counted: if
one is missing, no error is reported, the hash differs, and the pool rolls (rule A9).
"""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP
from hcp_dr_lab.standin.shape import deleting, label
from hcp_dr_lab.standin.view import View

CORE = "hypershift.openshift.io/core-ignition-config"  # label
CORE_PIECES = {
    "ignition-config-fips": "# MachineConfig 30-fips\nspec: {fips: false}\n",
    "ignition-config-worker-ssh": "# MachineConfig 99-worker-ssh\n",
}
TUNED = "hypershift.openshift.io/tuned-config"  # label of a NodePool's input
TUNED_RESULT = "hypershift.openshift.io/nto-generated-machine-config"  # label of the generated result
POOL = "hypershift.openshift.io/nodePool"  # label: the pool's bare name


def pieces(view: View, namespace: str, pool: str) -> list[Mapping[str, str]] | None:
    """Return the contents in order of names; None while a core piece is missing."""
    config_maps = [item for item in view.all(CONFIG_MAP, namespace) if not deleting(item)]
    core = [item for item in config_maps if label(item, CORE) == "true"]
    if len(core) != len(CORE_PIECES):
        return None
    return [item.get("data") or {} for item in (*core, *(item for item in config_maps if _is_tuned(item, pool)))]


def _is_tuned(config_map: Object, pool: str) -> bool:
    return label(config_map, TUNED_RESULT) == "true" and label(config_map, POOL) == pool
