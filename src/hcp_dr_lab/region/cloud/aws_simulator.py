"""The process that simulates EC2, Route53 and STS: moto with the region's certificate.

Moto accepts some requests that AWS rejects, so that a wrong relocation could pass a rehearsal. Therefore change batches
follow `record_sets`, and TerminateInstances terminates no instance if any of the instances is protected.
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
from xml.sax.saxutils import escape

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto.ec2.exceptions import OperationNotPermitted4
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceBackend
from moto.iam.models import IAMBackend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, Route53Backend, route53_backends
from moto.route53.models import RecordSet as MotoRecordSet
from moto.route53.responses import Route53
from werkzeug.serving import ThreadedWSGIServer

from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.aws_seed import Seed, publish
from hcp_dr_lab.ground.layout import (
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
from hcp_dr_lab.ground.network.serving import server_context
from hcp_dr_lab.ground.record_sets import (
    InvalidChangeBatchError,
    Place,
    RecordSet,
    Zone,
    changed,
    full_name,
    parse_change,
    place,
    zone_of,
)
from hcp_dr_lab.region.cloud.aws import zones_file

PARTITION = "aws"
HANDSHAKE_SECONDS = 10


_IN_ORDER = (
    "Name Type SetIdentifier Weight Region GeoLocation Failover MultiValueAnswer TTL ResourceRecords AliasTarget"
)
_LISTING = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<ListResourceRecordSetsResponse xmlns="{}">{}</ListResourceRecordSetsResponse>'
)
_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


def _body(record: MotoRecordSet) -> dict[str, Any]:
    """Return the record set in the request's format."""
    written = {
        "Name": record.name,
        "Type": record.type,
        "SetIdentifier": record.set_identifier,
        "TTL": record.ttl,
        "ResourceRecords": record.resource_records and [{"Value": _plain(one)} for one in record.resource_records],
        "AliasTarget": record.alias_target,
    }
    return {key: value for key, value in written.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return the text of a value: moto has an additional level in a new zone's SOA."""
    while isinstance(value, Mapping):
        value = value["Value"]
    return value


def record_set(record: MotoRecordSet) -> RecordSet:
    return parse_change({"Action": "UPSERT", "ResourceRecordSet": _body(record)}).record_set


@dataclass(frozen=True, slots=True)
class Row:
    """One record set in three forms: moto's, the name server's (empty without own values), and the XML of a
    response."""

    kept: MotoRecordSet
    text: str
    xml: str


@dataclass(frozen=True, slots=True)
class Known:
    """The cached content of one of moto's zones, valid as long as moto has the identical list `given`.

    Reading or writing ten thousand records takes seconds, so every record is converted once: the cost of a batch
    depends on the number of changes, and pages of a listing are assembled from cached texts.
    """

    zone: Zone
    rows: dict[Place, Row]
    order: list[Place]
    given: list[MotoRecordSet]

    @classmethod
    def of(cls, zone: Zone, rows: dict[Place, Row]) -> Known:
        order = sorted(rows)
        return cls(zone, rows, order, [rows[place].kept for place in order])


class Zones:
    """Route53's zones: changed by the rules of `record_sets`, and written to the name server's file after every
    change."""

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
                    known.rows[_place(record)] = _row(request["ResourceRecordSet"], record)
            self._known[zone.id] = Known.of(after, known.rows)
            zone.rrsets = self._known[zone.id].given
            self._write()

    def page(self, zone_id: str, start: Place | None, most: int) -> tuple[list[str], RecordSet | None]:
        """Return the XML of at most `most` record sets from `start` on, and the first record set of the next page."""
        with self._lock:
            known = self._read(self._backend.get_hosted_zone(zone_id))
        first = bisect.bisect_left(known.order, start) if start else 0
        last = first + most
        following = record_set(known.given[last]) if last < len(known.given) else None
        return [known.rows[place].xml for place in known.order[first:last]], following

    def write(self) -> None:
        with self._lock:
            self._write()

    def _read(self, zone: FakeZone) -> Known:
        known = self._known.get(zone.id)
        if known is None or known.given is not zone.rrsets:
            rows = {}
            for kept in zone.rrsets:
                record = record_set(kept)
                rows[_place(record)] = _row(_body(kept), record)
            known = self._known[zone.id] = Known.of(zone_of(map(record_set, zone.rrsets)), rows)
            zone.rrsets = known.given
        return known

    def _write(self) -> None:
        zones = []
        for zone in self._backend.zones.values():
            known = self._read(zone)
            texts = (known.rows[place].text for place in known.order)
            fields = f'"name": {json.dumps(full_name(zone.name))}, "private": {json.dumps(bool(zone.private_zone))}'
            zones.append(f'{{{fields}, "records": [{", ".join(text for text in texts if text)}]}}')
        new = self._path.with_suffix(".new")
        new.write_text(f"[{', '.join(zones)}]")
        new.replace(self._path)


def _place(record: RecordSet) -> Place:
    return place(record.name, record.type, record.set_identifier)


def _row(body: Mapping[str, Any], record: RecordSet) -> Row:
    """`body` has the request's format."""
    written = {**body, "Name": record.wire_name}
    kept = {**written, "ResourceRecords": list(record.values)} if record.values else written
    fields = {"name": record.name, "type": record.type, "ttl": record.ttl or 60, "values": record.values}
    text = json.dumps(fields) if record.values else ""
    return Row(MotoRecordSet(kept), text, _xml("ResourceRecordSet", written))  # type: ignore[abstract]


def _xml(name: str, value: Any) -> str:
    """Format as XML like Route53's responses, with every value in a ResourceRecord."""
    if isinstance(value, Mapping):
        inside = "".join(_xml(key, value[key]) for key in sorted(value, key=_IN_ORDER.find) if value[key] is not None)
    elif isinstance(value, list):
        inside = "".join(_xml("ResourceRecord", one) for one in value)
    elif isinstance(value, bool):
        inside = str(value).lower()
    else:
        inside = escape(str(value))
    return f"<{name}>{inside}</{name}>"


def _page(rows: list[str], following: RecordSet | None, most: int) -> str:
    fields = f"<ResourceRecordSets>{''.join(rows)}</ResourceRecordSets>"
    fields += _xml("IsTruncated", following is not None)
    if following is not None:
        fields += _xml("NextRecordName", following.wire_name) + _xml("NextRecordType", following.type)
        fields += _xml("NextRecordIdentifier", following.set_identifier) if following.set_identifier else ""
    return _LISTING.format(_NAMESPACE, fields + _xml("MaxItems", most))


def follow_the_rules(zones: Zones) -> None:
    """Replace moto's methods by the rules of `record_sets`."""

    def change(_: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        zones.change(zoneid, change_list)

    def page(response: Route53) -> tuple[int, dict[str, str], str]:
        parameter = response._get_param  # noqa: SLF001 - like moto's own methods
        name, most = parameter("StartRecordName"), min(int(parameter("MaxItems", 300)), 300)
        start = (
            place(name, parameter("StartRecordType") or "", parameter("StartRecordIdentifier") or "") if name else None
        )
        return (
            200,
            {"Content-Type": "application/xml"},
            _page(*zones.page(parameter("HostedZoneId"), start, most), most),
        )

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

    known = IAMBackend.get_instance_profile

    def any_profile(backend: IAMBackend, profile_name: str) -> Any:
        """IAM is not simulated: every instance profile of a worker exists."""
        if profile_name not in {each.name for each in backend.instance_profiles.values()}:
            backend.create_instance_profile(profile_name, "/", [])
        return known(backend, profile_name)

    for owner, name, method in (
        (IAMBackend, "get_instance_profile", any_profile),
        (Route53Backend, "change_resource_record_sets", change),
        (Route53, "list_resource_record_sets", page),
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
        if record.type == "SOA":  # moto's form is not a DNS value
            record.records = [f"ns.{REGION_DOMAIN}. hostmaster.{REGION_DOMAIN}. 1 7200 900 1209600 86400"]
        if record.type == "NS":
            record.ttl, record.records = 172800, [f"ns.{REGION_DOMAIN}."]
    zone.rrsets = list(zone.rrsets)  # a new list, so that Zones reads the zone again
    return Seed(zone.resource_id, vpc.id, subnet.id, group.id, image.id, wide.id)


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log only errors: otherwise the log is full of the region's polling."""
        if str(code).startswith("5"):
            super().log_request(code, size)


class Server(ThreadedWSGIServer):
    """Performs the TLS handshake in the connection's thread, so that a silent client does not block other clients."""

    def __init__(self, application: Any, context: ssl.SSLContext) -> None:
        super().__init__(AWS_ADDRESS, AWS_PORT, application, Handler)
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
