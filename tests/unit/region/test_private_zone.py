"""The name server of the region reads zones that the operators of a private cluster make, as moto first keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import dns.name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from moto.route53.models import route53_backends

from hcp_dr_lab.ground.network.zones import parse_zones
from hcp_dr_lab.region.cloud.aws_simulator import PARTITION, Zones


def test_a_zone_that_was_just_made_can_be_served(tmp_path: Path) -> None:
    backend = route53_backends["210987654321"][PARTITION]
    zone = backend.create_hosted_zone("shop.hypershift.local.", private_zone=True)
    zones = Zones(backend, tmp_path / "zones.json")
    name, value = "*.apps.shop.hypershift.local", "vpce-1.vpce-svc.us-east-1.vpce.amazonaws.com"
    record = {"Name": name, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": value}]}
    zones.change(zone.id, [{"Action": "UPSERT", "ResourceRecordSet": record}])
    served = parse_zones(json.loads((tmp_path / "zones.json").read_text()))
    step = served.step(dns.name.from_text("console.apps.shop.hypershift.local."), RdataType.CNAME)
    assert step is not None
    assert step.rcode == Rcode.NOERROR
    assert value in str(step.records)
