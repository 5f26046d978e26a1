"""The S3 endpoint for a request by host name, and S3's answer if the bucket is in another place.

S3 User Guide, "Making requests by using REST API" and "Request redirection and the REST API": DNS resolves the global
host to a bucket's region only hours after the bucket's creation. Until then the answer is 307 TemporaryRedirect. For
regions opened after 20 March 2019 there is no redirect from the global host, but 400. Another region's host answers 301
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
    """The endpoint of a host name. `bucket` is "" if the bucket is in the path. `region` is "" for the global host, and
    None for a name outside AWS: an endpoint with its own buckets."""

    bucket: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The answer if the bucket is elsewhere. With `located` the answer has a Location header."""

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
    """Return the answer for a bucket of this region created `hours` ago; None if the place is right."""
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
