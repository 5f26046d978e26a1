"""A Lease in the bucket, in place of the Lease on a lost management cluster: one object. Every change is conditional on
the last ETag read, in the role of the resourceVersion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, cast

from hcp_dr.aws.port import Bucket
from hcp_dr.errors import AlreadyExists, AwsConflict, Conflict, JournalError, NotFound
from hcp_dr.kube.port import Object, PatchBody, Resource
from hcp_dr.objects.difference import patched
from hcp_dr.objects.naming import bucket_prefix


class Leases(Protocol):
    """The store of a Lease: a management cluster or a replacement. The methods are those of the Kubernetes port."""

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...

    def create(self, resource: Resource, body: Object) -> Object: ...

    def patch(self, resource: Resource, name: str, namespace: str | None, patch: PatchBody) -> Object: ...


class BucketLease:
    """Answers like a cluster with this Lease and no other object."""

    def __init__(self, bucket: Bucket, namespace: str, name: str) -> None:
        self._bucket = bucket
        self.key = f"{bucket_prefix(namespace, name)}lease.json"

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        del resource, name, namespace
        head = self._bucket.head(self.key)
        if head is None:
            return None
        stored = _parse(self._bucket.get(self.key))
        if stored is None:
            raise JournalError(
                path=f"s3://{self._bucket.name}/{self.key}",
                reason="this object stands in for the Lease on the lost source, and hcp-dr did not write its content",
                todo="Check with `hcp-dr status` that no other run is at work, delete the object, and run the command "
                "again.",
            )
        return _with_version(stored, head.etag)

    def create(self, resource: Resource, body: Object) -> Object:
        del resource
        try:
            return _with_version(body, self._put(body, if_absent=True))
        except AwsConflict as error:
            raise AlreadyExists(**self._error_values("create", error)) from error

    def patch(self, resource: Resource, name: str, namespace: str | None, patch: PatchBody) -> Object:
        """A merge patch; its resourceVersion is the last ETag read."""
        changed = dict(cast("Mapping[str, Any]", patch))
        version = changed["metadata"]["resourceVersion"]
        stored = self.find(resource, name, namespace)
        if stored is None:
            raise NotFound(object=self._object, cluster="lost source", verb="patch")
        body = patched(stored, changed)
        try:
            return _with_version(body, self._put(body, if_etag=version))
        except AwsConflict as error:
            raise Conflict(**self._error_values("patch", error)) from error

    def _put(self, body: Object, *, if_absent: bool = False, if_etag: str | None = None) -> str:
        meta = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        data = json.dumps({**body, "metadata": meta}, sort_keys=True).encode()
        return self._bucket.put(self.key, data, metadata={}, if_absent=if_absent, if_etag=if_etag)

    @property
    def _object(self) -> str:
        return f"Lease s3://{self._bucket.name}/{self.key}"

    def _error_values(self, verb: str, error: AwsConflict) -> dict[str, str]:
        reason = str(error.values.get("reason", ""))
        return {"object": self._object, "cluster": "lost source", "verb": verb, "reason": reason}


def _parse(data: bytes) -> Object | None:
    """The Lease, None if it has a field of another type. Its content is not proven: the Lease on the destination
    excludes other runs, whatever this one says."""
    try:
        lease: Object = json.loads(data)
        spec, meta = lease["spec"], lease["metadata"]
        is_valid = all(isinstance(text, str) for text in meta.get("annotations", {}).values())
        float(spec.get("leaseDurationSeconds") or 0), int(spec.get("leaseTransitions") or 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    return lease if is_valid else None


def _with_version(body: Object, etag: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "resourceVersion": etag}}
