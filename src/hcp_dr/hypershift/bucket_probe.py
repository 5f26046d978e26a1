"""A small object in the bucket: can it be written, fetched by etcd's pod on the source, and deleted?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, DeleteObject, Do, PutObject
from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.state import BUCKET_PROBE, BucketProbe
from hcp_dr.model import Case, Ports

URL_SECONDS = 300  # that the URL to fetch it holds
CONTENT = b"probe"


@dataclass(frozen=True, slots=True)
class Probe:
    key: str
    seen: bool  # remembered: it was there
    there: bool
    fetched: str | None = None  # by etcd's pod: "" where it was, else why not; None: not tried
    caller: str = ""

    def next(self) -> Decision | None:
        """What is to be done with it; None where it was tried and is gone."""
        if self.there:
            return Do((BUCKET_PROBE.remember(BucketProbe(self.key, self.fetched)), DeleteObject(self.key)))
        return None if self.seen else Do((PutObject(self.key, CONTENT),))

    def after(self) -> Probe:
        return replace(self, seen=self.there, there=not self.there)

    def checks(self) -> tuple[Check, Check]:
        return (Check("bucket", "ok", f"written, read and deleted {self.key} as {self.caller}"), self._from_source())

    def _from_source(self) -> Check:
        """The snapshot goes to the bucket from etcd's pod, and is fetched by etcd's pod on the destination."""
        name, why = "bucket.source", "the snapshot goes from etcd's pod straight to the bucket"
        if self.fetched is None:
            return Check(
                name,
                "warning",
                "not tried: no ready pod of etcd on the source lets a command be run in it",
                why,
                "see that the nodes of both management clusters reach the bucket",
            )
        return bad_if(
            self.fetched,
            name,
            f"etcd's pod on the source could not fetch the probe: {self.fetched}"
            if self.fetched
            else "etcd's pod on the source fetched the probe; the destination's way to the bucket cannot be tried "
            "before there is a pod of it",
            why,
            "open the way from the source's nodes to the bucket (AWS_REGION, AWS_ENDPOINT_URL_S3, proxy, policy, "
            "certificates), and try again; where S3 redirects a bucket that was just made, some hours later",
        )


def read_probe(ports: Ports, case: Case, memory: RunState) -> Probe:
    key = f"{case.key_prefix}/probe"
    there = ports.bucket.head(key) is not None
    remembered = memory.get(BUCKET_PROBE)
    return Probe(
        key=key,
        seen=remembered is not None and remembered.key == key,
        there=there,
        fetched=_fetched(ports, case, key) if there else remembered.fetched if remembered else None,
        caller=ports.identity.arn(),
    )


def _fetched(ports: Ports, case: Case, key: str) -> str | None:
    try:
        pods = etcd_members.ready_pods(ports.source, case)
        url = ports.bucket.presign_get(key, seconds=URL_SECONDS)
        return (etcd_members.cannot_fetch(ports.source, case, pods[0], url, CONTENT) or "") if pods else None
    except Forbidden:
        return None
