"""What upstream calls things: each name once, with the place where upstream writes it."""

from __future__ import annotations

AUTHORITIES = ("root-ca", "etcd-signer")
ANCHORS = (*AUTHORITIES, "sa-signing-key")
"""Secrets of the control plane namespace. Where one of them is missing on the destination, the control plane operator
makes a new one, and nothing trusts the cluster any more."""
