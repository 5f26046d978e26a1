"""Secrets and ConfigMaps beside a hosted cluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from hcp_dr.kube.port import Object


def secret(namespace: str, name: str, content: Mapping[str, str | bytes], kind: str = "Opaque") -> Object:
    """Return a Secret of type `kind`."""
    data = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in content.items()
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def config_map(namespace: str, name: str, data: Mapping[str, str]) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
