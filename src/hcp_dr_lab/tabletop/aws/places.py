"""Where S3 is asked for a bucket, by the name of the host, and what it answers at a place that is not the bucket's.

S3 User Guide, "Making requests by using REST API" and "Request redirection and the REST API": DNS leads from the global
host to a bucket's region, which it learns only in hours, and until then 307 TemporaryRedirect is answered; no redirect
leads from there to a region that was opened after 20 March 2019, which is 400; another region's host answers 301
PermanentRedirect, without a Location.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HOURS_OF_A_YOUNG_BUCKET = 24
FIRST = "us-east-1"
OPENED_LATE = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
        *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1"),
        *("me-central-1", "me-south-1", "mx-central-1"),
    }
)
_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*)\.)?s3(?:-fips)?(?:\.dualstack)?(?:[.-](?P<region>[a-z]{2,}(?:-[a-z]+)+-\d))?"
    r"\.amazonaws\.com(?:\.cn)?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whom a host's name stands for. `bucket` is "" where the path names it. `region` is "" at the global host, and
    None where it is no name of AWS's: a place that knows its own buckets."""

    bucket: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is answered where the bucket is somewhere else. `located` says that a Location leads there."""

    status: int
    code: str
    message: str
    located: bool = False


def place_of(host: str) -> Place:
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return Place("", None)
    return Place(found["bucket"] or "", found["region"] or "")


def elsewhere(place: Place, region: str, hours: float) -> Elsewhere | None:
    """For a bucket of this region that was made so many hours ago; None where this is its place."""
    if place.region in (None, region):
        return None
    if place.region:
        message = "The bucket you are attempting to access must be addressed using the specified endpoint."
        return Elsewhere(301, "PermanentRedirect", f"{message} Please send all future requests to this endpoint.")
    if region in OPENED_LATE:
        message = "The unspecified location constraint is incompatible for the region specific endpoint this request"
        return Elsewhere(400, "IllegalLocationConstraintException", f"{message} was sent to.")
    if region != FIRST and hours < HOURS_OF_A_YOUNG_BUCKET:
        message = "Please re-send this request to the specified temporary endpoint."
        return Elsewhere(
            307, "TemporaryRedirect", f"{message} Continue to use the original request endpoint.", located=True
        )
    return None
