"""Kubernetes' quantities: 100m, 1.5, 2Gi, 1e3."""

from __future__ import annotations

import re

_FORM = re.compile(r"([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)")
_FACTORS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)
}


def number(quantity: object) -> float:
    """The quantity in units: cores, bytes, pods. 0 for an invalid quantity."""
    match = _FORM.fullmatch(str(quantity).strip())
    try:
        return float(match[1]) * (10.0 ** int(match[2]) if match[2] else _FACTORS.get(match[3], 1.0)) if match else 0.0
    except ValueError:
        return 0.0


def gibibytes(count: float) -> str:
    """Bytes as GiB, for messages."""
    return f"{count / 2**30:.1f} GiB"
