"""The process that plays EC2, Route53 and STS: moto behind the region's certificate.

Where moto is kinder than AWS, a careless relocation would pass the rehearsal and fail at night. So here change batches
follow `record_sets`, and TerminateInstances ends none of the instances when one of them is protected.
"""

from __future__ import annotations

import bisect
import json
import os
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto.ec2.exceptions import OperationNotPermitted4
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceBackend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, Route53Backend, route53_backends
from moto.route53.models import RecordSet as MotoRecordSet
from werkzeug.serving import ThreadedWSGIServer

from hcp_dr_lab.region import layout as region_layout
from hcp_dr_lab.region.cloud.aws import Seed, publish, zones_file
from hcp_dr_lab.region.cloud.record_sets import (
    InvalidChangeBatchError,
    Place,
    RecordSet,
    Zone,
    changed,
    escaped,
    full_name,
    parse_change,
    place,
    zone_of,
)
from hcp_dr_lab.region.layout import (
    AVAILABILITY_ZONE,
    AWS_ACCOUNT,
    AWS_ADDRESS,
    AWS_PORT,
    AWS_REGION,
    HOSTED_DOMAIN,
    REGION_DOMAIN,
    VPC_CIDR,
    WIDE_SUBNET_CIDR,
    WORKER_SUBNET_CIDR,
    Layout,
)
from hcp_dr_lab.region.network.serving import server_context

PARTITION = "aws"
HANDSHAKE_SECONDS = 10


def record_set(record: MotoRecordSet) -> RecordSet:
    body: dict[str, Any] = {"Name": record.name, "Type": record.type, "TTL": record.ttl}
    body["ResourceRecords"] = record.resource_records
    body["SetIdentifier"] = record.set_identifier
    body["AliasTarget"] = record.alias_target
    return parse_change({"Action": "UPSERT", "ResourceRecordSet": body}).record_set


@dataclass(slots=True)
class Known:
    """What is known of one of moto's zones as long as moto has the very list `given`. To read ten thousand records
    takes a second, so that a batch costs only what it changes: `given` and `texts` (for the name server) in order."""

    zone: Zone
    rows: dict[Place, tuple[MotoRecordSet, str]]
    given: list[MotoRecordSet]
    order: list[Place]
    texts: str


class Zones:
    """Route53's zones: changed by our rules, and written to a file for the name server after every change."""

    def __init__(self, backend: Route53Backend, path: Path) -> None:
        self._backend = backend
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}

    def change(self, zone_id: str, change_list: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            zone: FakeZone = self._backend.get_hosted_zone(zone_id)
            known = self._read(zone)
            changes = [parse_change(change) for change in change_list]
            try:
                after = changed(zone.name, known.zone, changes)
            except InvalidChangeBatchError as error:
                raise Route53ClientError("InvalidChangeBatch", str(error)) from error
            for request, change in zip(change_list, changes, strict=True):
                record = change.record_set
                known.rows.pop(_place(record), None)
                if change.action != "DELETE":
                    kept = MotoRecordSet(_as_moto_keeps_it(request["ResourceRecordSet"]))  # type: ignore[abstract]
                    known.rows[_place(record)] = (kept, _text(record))
            self._known[zone.id] = _known(after, known.rows)
            zone.rrsets = self._known[zone.id].given
            self._write()

    def page(self, zone_id: str, kind: str, name: str, most: int) -> tuple[list[MotoRecordSet], str | None, str | None]:
        """At most so many record sets from this name and type on, and with which the next page begins."""
        with self._lock:
            known = self._read(self._backend.get_hosted_zone(zone_id))
        start = bisect.bisect_left(known.order, place(name, kind or "")) if name else 0
        rest = known.given[start + most : start + most + 1]
        return known.given[start : start + most], *((rest[0].name, rest[0].type) if rest else (None, None))

    def write(self) -> None:
        with self._lock:
            self._write()

    def _read(self, zone: FakeZone) -> Known:
        known = self._known.get(zone.id)
        if known is None or known.given is not zone.rrsets:
            found = [(record_set(kept), kept) for kept in zone.rrsets]
            rows = {_place(record): (kept, _text(record)) for record, kept in found}
            known = self._known[zone.id] = _known(zone_of(record for record, _ in found), rows)
            zone.rrsets = known.given
        return known

    def _write(self) -> None:
        zones = [
            f'{{"name": {json.dumps(full_name(zone.name))}, "private": {json.dumps(bool(zone.private_zone))},'
            f' "records": [{self._read(zone).texts}]}}'
            for zone in self._backend.zones.values()
        ]
        new = self._path.with_suffix(".new")
        new.write_text(f"[{', '.join(zones)}]")
        new.replace(self._path)


def _known(zone: Zone, rows: dict[Place, tuple[MotoRecordSet, str]]) -> Known:
    order = sorted(rows)
    texts = ",\n".join(text for text in (rows[key][1] for key in order) if text)
    return Known(zone, rows, [rows[key][0] for key in order], order, texts)


def _place(record: RecordSet) -> Place:
    return place(record.name, record.type, record.set_identifier)


def _text(record: RecordSet) -> str:
    """For the name server; empty where a record has no values of its own."""
    if not record.values:
        return ""
    written = {"name": record.name, "type": record.type, "ttl": record.ttl or 60, "values": record.values}
    return json.dumps(written)


def _as_moto_keeps_it(body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {**body, "Name": escaped(full_name(body["Name"]))}
    if "ResourceRecords" in body:
        kept["ResourceRecords"] = [record["Value"] for record in body["ResourceRecords"]]
    return kept


def follow_the_rules(zones: Zones) -> None:
    """Put our rules in the place of moto's methods."""

    def change(_: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        zones.change(zoneid, change_list)

    def page(_: Route53Backend, zone_id: str, start_type: str, start_name: str, max_items: int) -> Any:
        found, next_name, next_type = zones.page(zone_id, start_type, start_name, max_items)
        return found, next_name, next_type, next_name is not None

    def then_write(method: Callable[..., Any]) -> Callable[..., Any]:
        def method_and_write(*arguments: Any, **named: Any) -> Any:
            answer = method(*arguments, **named)
            zones.write()
            return answer

        return method_and_write

    terminate = InstanceBackend.terminate_instances

    def terminate_all_or_none(backend: InstanceBackend, instance_ids: list[str]) -> Any:
        for instance in backend.get_multi_instances_by_id(instance_ids):
            if instance.disable_api_termination:
                raise OperationNotPermitted4(instance.id)
        return terminate(backend, instance_ids)

    for owner, name, method in (
        (Route53Backend, "change_resource_record_sets", change),
        (Route53Backend, "list_resource_record_sets", page),
        (Route53Backend, "create_hosted_zone", then_write(Route53Backend.create_hosted_zone)),
        (Route53Backend, "delete_hosted_zone", then_write(Route53Backend.delete_hosted_zone)),
        (InstanceBackend, "terminate_instances", terminate_all_or_none),
    ):
        setattr(owner, name, method)


def plant(route53: Route53Backend) -> Seed:
    ec2 = ec2_backends[AWS_ACCOUNT][AWS_REGION]
    vpc = ec2.create_vpc(VPC_CIDR)
    subnet = ec2.create_subnet(vpc.id, WORKER_SUBNET_CIDR, availability_zone=AVAILABILITY_ZONE)
    wide = ec2.create_subnet(vpc.id, WIDE_SUBNET_CIDR, availability_zone=AVAILABILITY_ZONE)
    group = ec2.create_security_group("hosted-cluster-workers", "Workers of hosted clusters", vpc_id=vpc.id)
    image = ec2.register_image("rehearsal-worker", "What the hypervisor starts")
    zone = route53.create_hosted_zone(full_name(HOSTED_DOMAIN), private_zone=False)
    for record in zone.rrsets:
        if record.type == "SOA":  # moto keeps it in a form that is not a DNS value
            record.records = [f"ns.{REGION_DOMAIN}. hostmaster.{REGION_DOMAIN}. 1 7200 900 1209600 86400"]
        if record.type == "NS":
            record.ttl, record.records = 172800, [f"ns.{REGION_DOMAIN}."]
    zone.rrsets = list(zone.rrsets)  # another list, so that Zones reads it again
    return Seed(zone.resource_id, vpc.id, subnet.id, group.id, image.id, wide.id)


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say only what went wrong: the polling of a whole region would bury it."""
        if str(code).startswith("5"):
            super().log_request(code, size)


class Server(ThreadedWSGIServer):
    """Shakes hands in the thread of the connection, so that a silent client holds up nobody else."""

    def __init__(self, application: Any, context: ssl.SSLContext) -> None:
        super().__init__("0.0.0.0", AWS_PORT, application, Handler)  # noqa: S104 inside the region's own namespace
        self.ssl_context = self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secured = self._context.wrap_socket(request, server_side=True)
        except OSError:
            return
        secured.settimeout(None)
        try:
            super().finish_request(secured, client_address)
        finally:
            secured.close()


def serve(layout: Layout) -> None:
    route53 = route53_backends[AWS_ACCOUNT][PARTITION]
    zones = Zones(route53, zones_file(layout))
    follow_the_rules(zones)
    seed = plant(route53)
    zones.write()
    context = server_context(
        layout, "aws", dns=(f"aws.{REGION_DOMAIN}",), addresses=(AWS_ADDRESS, layout.region_address)
    )
    server = Server(DomainDispatcherApplication(create_backend_app), context)
    publish(layout, seed)
    server.serve_forever()


if __name__ == "__main__":
    serve(region_layout.load(Path(sys.argv[1])))
