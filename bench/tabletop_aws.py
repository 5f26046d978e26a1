"""Time of operations of the services in memory, in microseconds: the minimum of several rounds.

.venv/bin/python bench/tabletop_aws.py
"""

from __future__ import annotations

import hashlib
import timeit
from collections.abc import Callable

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr_lab.standin.change import RunInstance
from hcp_dr_lab.tabletop.aws import Machines, MemoryBucket, MemoryInstances, MemoryZone, Records, Storage

ROUNDS, TIMES = 7, 200
BODY = b"x" * 64 * 1024
API = Record("api.hosted.example", "A", 30, ("10.0.0.1",))


def main() -> None:
    storage = Storage(now=lambda: 1_800_000_000.0)
    storage.create_bucket("backups")
    bucket = MemoryBucket(storage, "backups")
    bucket.put("key", BODY, metadata={"fence": "7"})
    sha256 = hashlib.sha256(BODY).hexdigest()
    url, headers = bucket.presign_put("key", seconds=60, sha256_hex=sha256, metadata={})
    machines = Machines(now=lambda: 0.0)
    ids = [machines.run(RunInstance("ami", "m5.large", "", (), "", {})).instance_id for _ in range(100)]
    instances = MemoryInstances(machines)
    show("S3 put, 64 KiB", lambda: bucket.put("key", BODY, metadata={}))
    show("S3 head", lambda: bucket.head("key"))
    show("S3 get, 64 KiB", lambda: bucket.get("key"))
    show("S3 presign", lambda: bucket.presign_get("key", seconds=60))
    show("S3 presigned PUT, 64 KiB", lambda: storage.request("PUT", url, headers, BODY))
    show("S3 clone", storage.clone)
    show_zone(10)
    show_zone(10_000)
    show("EC2 describe 100", lambda: instances.describe(ids))
    show("EC2 protect", lambda: instances.protect(ids[0], on=True))
    show("EC2 clone, 100", machines.clone)


def show_zone(size: int) -> None:
    records = Records(now=lambda: 0.0)
    zone = MemoryZone(records, records.create_zone("hosted.example"))
    for start in range(0, size, 1000):
        names = (f"n{number}.hosted.example" for number in range(start, min(start + 1000, size)))
        zone.change([RecordChange("CREATE", Record(name, "A", 30, ("10.0.0.1",))) for name in names])
    show(f"Route53 records, {size}", zone.records)
    show(f"Route53 change of one in {size}", lambda: zone.change([RecordChange("UPSERT", API)]))
    show(f"Route53 clone, {size}", records.clone)


def show(title: str, operation: Callable[[], object]) -> None:
    operation()
    times = 3 if "10000" in title else TIMES
    print(f"{title:32} {min(timeit.repeat(operation, number=times, repeat=ROUNDS)) / times * 1e6:10.1f}")


if __name__ == "__main__":
    main()
