"""AWS's partitions: commercial regions, GovCloud, China and others have ARNs and domains of their own."""

from __future__ import annotations

import botocore.session
from botocore.exceptions import UnknownRegionError

COMMERCIAL = ("aws", "amazonaws.com")


def partition_of(region: str) -> tuple[str, str]:
    """The partition of a region, and its domain. An unknown region, or none, counts as commercial."""
    session = botocore.session.Session()
    try:
        name = session.get_partition_for_region(region) if region else COMMERCIAL[0]
    except UnknownRegionError:
        return COMMERCIAL
    partitions = session.get_data("endpoints")["partitions"]
    return next((each["partition"], each["dnsSuffix"]) for each in partitions if each["partition"] == name)
