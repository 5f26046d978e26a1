"""Secrets and ConfigMaps beside a hosted cluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from hcp_dr.kube.port import Object
from hcp_dr_lab.region.layout import HostedClusterNames


def opaque(
    names: HostedClusterNames,
    name: str,
    content: Mapping[str, str | bytes],
    *,
    kind: str = "Opaque",
    namespace: str = "",
) -> Object:
    """A Secret of that type, in the HostedCluster's namespace where no other is given."""
    data = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in content.items()
    }
    metadata = {"name": name, "namespace": namespace or names.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def config_map(names: HostedClusterNames, name: str, data: Mapping[str, str]) -> Object:
    """In the HostedCluster's namespace."""
    metadata = {"name": name, "namespace": names.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
