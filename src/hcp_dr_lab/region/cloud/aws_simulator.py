"""The process that plays EC2, Route53 and STS: moto behind the region's certificate.

Where moto is kinder than AWS, a careless relocation would pass the rehearsal and fail at night. So here change batches
follow `record_sets`, and TerminateInstances ends none of the instances when one of them is protected.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
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
    RecordSet,
    changed,
    full_name,
    parse_change,
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
    if record.alias_target:
        body["AliasTarget"] = record.alias_target
    return parse_change({"Action": "UPSERT", "ResourceRecordSet": body}).record_set


class Zones:
    """Route53's zones: changed by our rules, and written to a file for the name server after every change."""

    def __init__(self, backend: Route53Backend, path: Path) -> None:
        self._backend = backend
        self._path = path
        self._lock = threading.Lock()

    def change(self, zone_id: str, change_list: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            zone: FakeZone = self._backend.get_hosted_zone(zone_id)
            present = {record_set(record).key: record for record in zone.rrsets}
            changes = [parse_change(change) for change in change_list]
            try:
                after = changed(zone.name, [record_set(record) for record in zone.rrsets], changes)
            except InvalidChangeBatchError as error:
                raise Route53ClientError("InvalidChangeBatch", str(error)) from error
            for change, parsed in zip(change_list, changes, strict=True):
                present[parsed.record_set.key] = MotoRecordSet(  # type: ignore[abstract]
                    _as_moto_keeps_it(change["ResourceRecordSet"])
                )
            zone.rrsets = [present[key] for key in after]
            self.write()

    def write(self) -> None:
        zones = [
            {
                "name": full_name(zone.name),
                "private": bool(zone.private_zone),
                "records": [
                    {"name": record.name, "type": record.type, "ttl": record.ttl or 60, "values": record.values}
                    for record in map(record_set, zone.rrsets)
                    if record.values
                ],
            }
            for zone in self._backend.zones.values()
        ]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(zones))
        new.replace(self._path)


def _as_moto_keeps_it(body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {**body, "Name": full_name(body["Name"])}
    if "ResourceRecords" in body:
        kept["ResourceRecords"] = [record["Value"] for record in body["ResourceRecords"]]
    return kept


def follow_the_rules(zones: Zones) -> None:
    """Put our rules in the place of moto's methods."""

    def change(_: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        zones.change(zoneid, change_list)

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
