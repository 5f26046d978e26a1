"""A small object in the bucket: can it be written, fetched by etcd's pod on the source, and deleted?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.silent import Unanswered
from hcp_dr.engine.step import Check, Decision, DeleteObject, Do, PutObject
from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.state import BUCKET_PROBE, BucketProbe
from hcp_dr.model import Case, Ports

URL_SECONDS = 300  # validity of the URL for the download
CONTENT = b"probe"


@dataclass(frozen=True, slots=True)
class Probe:
    key: str
    seen: bool  # remembered: the probe was in the bucket
    there: bool
    fetched: str | None = None  # by etcd's pod: "" for success, else the reason; None: not tried
    caller: str = ""

    def next(self) -> Decision | None:
        """The next action; None after the probe was tried and deleted."""
        if self.there:
            return Do((BUCKET_PROBE.remember(BucketProbe(self.key, self.fetched)), DeleteObject(self.key)))
        return None if self.seen else Do((PutObject(self.key, CONTENT),))

    def after(self) -> Probe:
        return replace(self, seen=self.there, there=not self.there)

    def checks(self) -> tuple[Check, Check]:
        return (Check("bucket", "ok", f"written, read and deleted {self.key} as {self.caller}"), self._from_source())

    def _from_source(self) -> Check:
        """The snapshot is uploaded by etcd's pod, and downloaded by etcd's pod on the destination."""
        name, why = "bucket.source", "the snapshot is uploaded from etcd's pod straight to the bucket"
        if self.fetched is None:
            return Check(
                name,
                "warning",
                "not tried: no ready etcd pod on the source allows running a command in it",
                why,
                "make sure that the nodes of both management clusters reach the bucket",
            )
        return bad_if(
            self.fetched,
            name,
            f"etcd's pod on the source could not fetch the probe: {self.fetched}"
            if self.fetched
            else "etcd's pod on the source fetched the probe; the destination's access to the bucket cannot be tested "
            "before its etcd pod exists",
            why,
            "open the path from the source's nodes to the bucket (AWS_REGION, AWS_ENDPOINT_URL_S3, proxy, policy, "
            "certificates), and try again; if S3 redirects because the bucket is new, try again some hours later",
        )


def read_probe(ports: Ports, case: Case, memory: RunState) -> Probe:
    key = f"{case.key_prefix}/probe"
    exists = ports.bucket.head(key) is not None
    remembered = memory.get(BUCKET_PROBE)
    return Probe(
        key=key,
        seen=remembered is not None and remembered.key == key,
        there=exists,
        fetched=_try_fetch(ports, case, key) if exists else remembered.fetched if remembered else None,
        caller=ports.identity.arn(),
    )


def _try_fetch(ports: Ports, case: Case, key: str) -> str | None:
    try:
        pods = etcd_members.ready_pods(ports.source, case)
        url = ports.bucket.presign_get(key, seconds=URL_SECONDS)
        return (etcd_members.cannot_fetch(ports.source, case, pods[0], url, CONTENT) or "") if pods else None
    except (Forbidden, Unanswered):
        return None
