"""Kubeconfigs with an embedded client certificate."""

from __future__ import annotations

import base64
import json

from hcp_dr_lab.standin.view import Pair


def render(server: str, authority: bytes, pair: Pair) -> str:
    """Render a kubeconfig as JSON (a subset of YAML)."""
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    user = {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "admin", "context": {"cluster": "cluster", "user": "admin"}}],
            "current-context": "admin",
        },
        indent=2,
    )


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
