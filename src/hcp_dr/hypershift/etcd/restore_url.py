"""The restore URL: the presigned GET with which the destination's etcd-init fetches the snapshot (rules C7, C8).

It must be https and fit the schema; it expires at its own time, or with the session that signed it, whichever is
sooner; and it cannot be replaced in an existing HostedCluster. So it is measured and tried before each use. The try is
from this machine: only a fetch by etcd-init proves that the destination's nodes reach the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.presigned import by_session, ends_at
from hcp_dr.engine.step import Check
from hcp_dr.errors import AwsError
from hcp_dr.hypershift import timeouts
from hcp_dr.model import Ports
from hcp_dr.objects.moments import utc

URL_LENGTH = 1024
"""Maximum length of restoreSnapshotURL in the HostedCluster schema, in characters."""
NEEDED = int(timeouts.CONTROL_PLANE_SERVES.seconds) + 600
"""Seconds of life needed at its use, until etcd has fetched the snapshot, and some more."""
URL_SECONDS = NEEDED + 2 * 3600
"""Lifetime of a new URL: it can read all of etcd, so it lives no longer than a start of the control plane needs, and an
interruption of two hours between the creation of the HostedCluster and its start. The session of STS credentials may
end sooner."""


@dataclass(frozen=True, slots=True)
class RestoreUrl:
    """Properties of a URL, without the secret. `life` in seconds, None if unknown; `holds`: whether the current
    credentials stay valid for `NEEDED`, None for a session of unknown length; `behind` is the size of the object behind
    it, in bytes; `refused` is the reason of a refusal."""

    scheme: str
    length: int
    life: float | None
    session: bool
    holds: bool | None
    behind: int | None
    refused: str = ""
    ends: float | None = None  # in seconds since the epoch

    @property
    def ended(self) -> bool:
        """Nothing can be fetched with it any more."""
        return self.life is not None and self.life <= 0

    def misfit(self) -> str | None:
        """Why the schema rejects it, or etcd-init cannot use it."""
        if self.scheme != "https":
            return f"it is {self.scheme}, but etcd-init fetches by https only"
        if self.length > URL_LENGTH:
            return f"it has {self.length} characters, but restoreSnapshotURL takes {URL_LENGTH}"
        return None

    def fault(self, size: int) -> str | None:
        """Why it is not reliable for a snapshot of so many bytes. For a URL that was tried."""
        if self.misfit():
            return self.misfit()
        if self.ended:
            return "it has expired"
        if self.life is not None and self.life < NEEDED:
            return f"it expires in {self.life:.0f} s, but a restore may take {NEEDED}"
        if self.holds is False:
            return f"the session that signs it ends in less than {NEEDED} s"
        if self.refused:
            return f"the bucket refuses it ({self.refused})"
        if self.behind != size:
            return f"the object behind it has {self.behind} bytes instead of {size}"
        return None


def tried(ports: Ports, url: str, *, fresh: bool) -> RestoreUrl:
    """Fetches the URL from here. `fresh` if it was just signed, with the current credentials."""
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
    """The properties written in the URL, at this moment."""
    ends = ends_at(url)
    return RestoreUrl(
        scheme=url.partition(":")[0],
        length=len(url),
        life=None if ends is None else ends - ports.now(),
        session=by_session(url),
        holds=None,
        behind=None,
        ends=ends,
    )


def check(url: RestoreUrl) -> Check:
    """The proven and the unproven properties of a URL without fault."""
    until = "" if url.ends is None else f", valid until {utc(url.ends)}"
    seen = f"{url.length} of {URL_LENGTH} characters{until}; from here, the object behind it has the snapshot's size"
    if url.session and url.holds is None:
        return Check(
            "restore_url",
            "warning",
            f"{seen}, and ends with its session",
            "the end of the session is unknown: etcd-init may find the URL expired",
            "make sure that the session lasts at least another half hour",
        )
    return Check("restore_url", "ok", f"{seen}; access from the destination's nodes was not tested")
