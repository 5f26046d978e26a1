"""The restore URL: the presigned GET by which the destination's etcd-init fetches the snapshot (rules C7, C8).

It must be https and fit the schema; it ends with its own expiry, or with the session that signed it, whichever is
sooner; and it cannot be replaced in a HostedCluster that exists. So it is measured and tried before each use. It is
tried from here: that the destination's nodes reach the bucket is proven only when etcd-init has fetched it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.presigned import by_session, ends_at
from hcp_dr.engine.step import Check
from hcp_dr.errors import AwsError
from hcp_dr.model import Ports

URL_LENGTH = 1024
"""Characters that the HostedCluster schema takes for restoreSnapshotURL."""
URL_SECONDS = 24 * 3600
"""How long a new one lives. The session of STS credentials may end sooner."""
NEEDED = 1800
"""Seconds that one must have left when it is used: the control plane's start may take 1200 until etcd has fetched."""


@dataclass(frozen=True, slots=True)
class RestoreUrl:
    """What is to know of one, without the secret. `life` in seconds, None where it does not say; `holds` says whether
    the credentials that sign now hold for `NEEDED`, None where a session does not say; `behind` is the size of what it
    leads to, in bytes; `refused` is why it was not answered."""

    scheme: str
    length: int
    life: float | None
    session: bool
    holds: bool | None
    behind: int | None
    refused: str = ""

    @property
    def ended(self) -> bool:
        """Nobody can fetch anything with it any more."""
        return self.life is not None and self.life <= 0

    def misfit(self) -> str | None:
        """Why the schema does not take it, or etcd-init cannot use it."""
        if self.scheme != "https":
            return f"it is {self.scheme}, and etcd-init fetches by https only"
        if self.length > URL_LENGTH:
            return f"it has {self.length} characters, and restoreSnapshotURL takes {URL_LENGTH}"
        return None

    def fault(self, size: int) -> str | None:
        """Why it cannot be relied on to fetch a snapshot of so many bytes. For one that was tried."""
        if self.misfit():
            return self.misfit()
        if self.ended:
            return "it has expired"
        if self.life is not None and self.life < NEEDED:
            return f"it expires in {self.life:.0f} s, and a restore may take {NEEDED}"
        if self.holds is False:
            return f"the session that signs it ends in less than {NEEDED} s"
        if self.refused:
            return f"the bucket refuses it ({self.refused})"
        if self.behind != size:
            return f"what it leads to has {self.behind} bytes instead of {size}"
        return None


def tried(ports: Ports, url: str, *, fresh: bool) -> RestoreUrl:
    """Fetches by the URL from here. `fresh` where it was signed just now, with the credentials of now."""
    behind, refused = None, ""
    try:
        behind = ports.bucket.size_behind(url)
    except AwsError as error:
        if error.passing:
            raise
        refused = str(error.values.get("reason", ""))
    holds = ports.identity.lasts(NEEDED) if fresh else True
    return replace(read(ports, url), holds=holds, behind=behind, refused=refused)


def read(ports: Ports, url: str) -> RestoreUrl:
    """What it says of itself, at this moment."""
    ends = ends_at(url)
    return RestoreUrl(
        scheme=url.partition(":")[0],
        length=len(url),
        life=None if ends is None else ends - ports.now(),
        session=by_session(url),
        holds=None,
        behind=None,
    )


def check(url: RestoreUrl) -> Check:
    """What was proven of an URL that has no fault, and what was not."""
    hours = "" if url.life is None else f", lives {url.life / 3600:.0f} h"
    seen = f"{url.length} of {URL_LENGTH} characters{hours}; the snapshot's size is what it leads to from here"
    if url.session and url.holds is None:
        return Check(
            "restore_url",
            "warning",
            f"{seen}, and ends with its session",
            "the session does not say when it ends: etcd-init may find the URL expired",
            "be sure that the session lasts for half an hour more",
        )
    return Check("restore_url", "ok", f"{seen}; the destination's own way to the bucket was not tried")
