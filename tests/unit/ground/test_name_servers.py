"""Answers of the region's name servers: zones and wildcards, the cache's patience, the names of a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdatatype
import pytest
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.network.answers import FAILED, Source, Step, follow, records, respond
from hcp_dr_lab.ground.network.cluster_names import cluster_names
from hcp_dr_lab.ground.network.resolver import Cache
from hcp_dr_lab.ground.network.zones import PublishedZones, Zones, parse_zones, region_source

ZONE = "hosted.rehearsal.example."
API = f"api-demo.{ZONE}"
ROUTER = "router.mgmt-1.region.rehearsal.example"
SOA = "ns. hostmaster. 1 7200 900 1209600 86400"

Row = tuple[str, str, int, str]


def published(*rows: Row) -> list[Object]:
    own = [(ZONE, "SOA", 900, SOA), *rows]
    return [{"name": ZONE, "records": [{"name": n, "type": t, "ttl": ttl, "values": [v]} for n, t, ttl, v in own]}]


def zone(*rows: Row) -> Zones:
    return parse_zones(published(*rows))


def source(zones: Zones) -> Source:
    return lambda name, kind: zones.step(name, kind) or FAILED


def ask(of: Source, name: str, kind: str = "A") -> tuple[str, list[str]]:
    answer = follow(of, dns.name.from_text(name), dns.rdatatype.from_text(kind))
    return answer.rcode.name, [each.to_text() for found in answer.records for each in found]


def test_a_chain_leads_from_the_hosted_zone_to_the_load_balancer_of_the_moment(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    of = region_source(PublishedZones(path))
    assert ask(of, API) == ("SERVFAIL", [])
    assert ask(of, ROUTER) == ("NOERROR", ["10.78.0.21"])

    def publish(router: str) -> None:
        new = tmp_path / "new"
        new.write_text(json.dumps(published((API, "CNAME", 300, router))))
        new.replace(path)

    publish(ROUTER)
    assert ask(of, API) == ("NOERROR", [ROUTER + ".", "10.78.0.21"])
    publish(ROUTER.replace("mgmt-1", "mgmt-2"))
    assert ask(of, API)[1][-1] == "10.78.0.22"
    assert ask(of, "www.elsewhere.example") == ("NXDOMAIN", [])


def test_a_change_counts_when_it_has_reached_the_name_servers(tmp_path: Path) -> None:
    path, late = tmp_path / "zones.json", [0.0]
    of = region_source(PublishedZones(path, 30, lambda: path.stat().st_mtime + late[0]))
    path.write_text(json.dumps(published((API, "CNAME", 300, ROUTER))))
    assert ask(of, API)[1][-1] == "10.78.0.21"
    new = tmp_path / "new"
    new.write_text(json.dumps(published((API, "CNAME", 300, ROUTER.replace("mgmt-1", "mgmt-2")))))
    new.replace(path)
    assert ask(of, API)[1][-1] == "10.78.0.21"
    late[0] = 29.9
    assert ask(of, API)[1][-1] == "10.78.0.21"
    late[0] = 30.1
    assert ask(of, API)[1][-1] == "10.78.0.22"


def test_static_names_and_instances(tmp_path: Path) -> None:
    of = region_source(PublishedZones(tmp_path / "absent"))
    assert ask(of, "api.mgmt-2.region.rehearsal.example")[1] == ["10.78.0.12"]
    assert ask(of, "mgmt-1-node.region.rehearsal.example")[1] == ["10.78.1.1"]
    assert ask(of, "ip-10-78-2-4.ec2.internal")[1] == ["10.78.2.4"]
    assert ask(of, "ip-10-78-2-4.ec2.internal", "AAAA") == ("NOERROR", [])
    assert ask(of, "4.2.78.10.in-addr.arpa", "PTR")[1] == ["ip-10-78-2-4.ec2.internal."]
    assert ask(of, "nothing.region.rehearsal.example")[0] == "NXDOMAIN"


def test_no_name_no_data_and_names_between() -> None:
    of = source(zone((f"a.b.{ZONE}", "A", 60, "10.0.0.1")))
    assert ask(of, f"A.B.{ZONE.title()}") == ("NOERROR", ["10.0.0.1"])
    assert ask(of, f"a.b.{ZONE}", "TXT") == ("NOERROR", [])
    assert ask(of, f"b.{ZONE}") == ("NOERROR", [])
    assert ask(of, f"c.{ZONE}")[0] == "NXDOMAIN"


def test_wildcards_answer_only_where_nothing_nearer_is() -> None:
    of = source(zone((f"*.apps.{ZONE}", "A", 60, "10.0.0.9"), (f"console.apps.{ZONE}", "TXT", 60, '"x"')))
    assert ask(of, f"anything.apps.{ZONE}")[1] == ["10.0.0.9"]
    assert ask(of, f"two.labels.apps.{ZONE}")[1] == ["10.0.0.9"]
    assert ask(of, f"console.apps.{ZONE}") == ("NOERROR", [])
    assert ask(of, f"below.console.apps.{ZONE}")[0] == "NXDOMAIN"


def test_a_circle_of_cnames_fails() -> None:
    of = source(zone((f"a.{ZONE}", "CNAME", 60, f"b.{ZONE}"), (f"b.{ZONE}", "CNAME", 60, f"a.{ZONE}")))
    assert ask(of, f"a.{ZONE}")[0] == "SERVFAIL"


class World:
    """Zones that can be changed, behind a cache whose clock can be set."""

    def __init__(self, longest: float = 1000) -> None:
        self.now = 0.0
        self.zones = zone()
        self.asked = 0
        self.cache = Cache(self._step, lambda: self.now, longest)

    def _step(self, name: Name, kind: RdataType) -> Step:
        self.asked += 1
        return self.zones.step(name, kind) or FAILED

    def sees(self) -> list[str]:
        return ask(self.cache.step, API)[1]


def test_the_cache_keeps_a_record_for_its_ttl() -> None:
    world = World()
    world.zones = zone((API, "A", 300, "10.0.0.1"))
    assert world.sees() == ["10.0.0.1"]
    world.zones = zone((API, "A", 300, "10.0.0.2"))
    world.now = 299
    assert world.sees() == ["10.0.0.1"]
    assert world.asked == 1
    assert follow(world.cache.step, dns.name.from_text(API.upper()), RdataType.A).records[0].ttl == 1
    world.now = 300
    assert world.sees() == ["10.0.0.2"]


def test_the_cache_remembers_that_a_name_is_not_there() -> None:
    world = World()
    assert world.sees() == []
    world.zones = zone((API, "A", 300, "10.0.0.1"))
    world.now = 899
    assert world.sees() == []
    world.now = 900
    assert world.sees() == ["10.0.0.1"]


def test_the_cap_shortens_both_kinds_of_patience() -> None:
    world = World(longest=5)
    assert world.sees() == []
    world.zones = zone((API, "A", 300, "10.0.0.1"))
    world.now = 5
    assert world.sees() == ["10.0.0.1"]
    world.zones = zone()
    world.now = 9.5
    assert world.sees() == ["10.0.0.1"]
    world.now = 10
    assert world.sees() == []


def test_each_link_of_a_chain_ages_by_itself() -> None:
    world = World()
    world.zones = zone((API, "CNAME", 60, f"lb.{ZONE}"), (f"lb.{ZONE}", "A", 300, "10.0.0.1"))
    assert world.sees()[-1] == "10.0.0.1"
    world.zones = zone((API, "CNAME", 60, f"other.{ZONE}"))
    world.now = 60
    assert world.sees() == [f"other.{ZONE}"]


def test_failures_are_not_cached() -> None:
    world = World()
    good, world.zones = zone((API, "A", 300, "10.0.0.1")), Zones([])
    assert ask(world.cache.step, API)[0] == "SERVFAIL"
    world.zones = good
    assert world.sees() == ["10.0.0.1"]


def endpoint(address: str, **more: object) -> Object:
    return {"addresses": [address], "conditions": {"ready": True}} | more


def endpoint_slice(service: str, *endpoints: Object) -> Object:
    metadata = {
        "name": f"{service}-x",
        "namespace": "clusters-demo",
        "labels": {"kubernetes.io/service-name": service},
    }
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": list(endpoints)}


def cluster(*slices: Object) -> Source:
    names = cluster_names(slices)
    return lambda name, kind: names.step(name, kind) or FAILED


@pytest.mark.parametrize("name", ["kube-apiserver.clusters-demo.svc.cluster.local", "kube-apiserver.clusters-demo.svc"])
def test_a_service_is_its_ready_pods_in_every_form_of_its_name(name: str) -> None:
    of = cluster(
        endpoint_slice(
            "kube-apiserver",
            endpoint("10.88.1.5"),
            endpoint("10.88.1.6", conditions={}),
            endpoint("10.88.1.7", conditions={"ready": False}),
        )
    )
    assert ask(of, name) == ("NOERROR", ["10.88.1.5", "10.88.1.6"])
    assert ask(of, name, "AAAA") == ("NOERROR", [])
    assert ask(of, f"10-88-1-5.{name}")[1] == ["10.88.1.5"]
    assert ask(of, f"other.{name}")[0] == "NXDOMAIN"
    assert ask(of, f"{API}clusters-demo.svc.cluster.local")[0] == "NXDOMAIN"


def test_pods_with_a_host_name_have_names_and_pointers() -> None:
    member = endpoint("10.88.1.9", hostname="etcd-0")
    of = cluster(
        endpoint_slice("etcd-discovery", member, endpoint("10.88.1.10", hostname="etcd-1")),
        endpoint_slice("etcd-client", member),
    )
    assert ask(of, "etcd-0.etcd-discovery.clusters-demo.svc")[1] == ["10.88.1.9"]
    assert set(ask(of, "9.1.88.10.in-addr.arpa", "PTR")[1]) == {
        "etcd-0.etcd-discovery.clusters-demo.svc.cluster.local.",
        "etcd-0.etcd-client.clusters-demo.svc.cluster.local.",
    }


def test_what_is_not_the_cluster_s_is_left_to_others() -> None:
    names = cluster_names([])
    assert names.step(dns.name.from_text(API), RdataType.A) is None
    assert names.step(dns.name.from_text("9.1.88.10.in-addr.arpa"), RdataType.PTR) is None
    assert names.step(dns.name.from_text("arpa"), RdataType.PTR) is None


def over_the_wire(query: dns.message.Message, of: Source, **manner: bool) -> dns.message.Message:
    wire = respond(query.to_wire(), of, **{"authoritative": True, "over_udp": True} | manner)
    assert wire is not None
    return dns.message.from_wire(wire)


def test_messages_on_the_wire() -> None:
    of = source(zone((API, "A", 60, "10.0.0.1")))
    query = dns.message.make_query(API, "A")
    answer = over_the_wire(query, of)
    assert (answer.id, len(answer.answer)) == (query.id, 1)
    assert answer.flags & dns.flags.AA

    missing = over_the_wire(dns.message.make_query(f"x.{ZONE}", "A"), of, authoritative=False)
    assert missing.rcode() == Rcode.NXDOMAIN
    assert missing.authority[0].rdtype == RdataType.SOA
    assert missing.flags & dns.flags.RA


def test_an_answer_too_long_for_a_datagram_asks_for_tcp() -> None:
    name = dns.name.from_text(f"many.{ZONE}")
    long = records(name, 60, "TXT", *(f'"{number:03}{"x" * 200}"' for number in range(10)))
    query = dns.message.make_query(name, "TXT")
    assert over_the_wire(query, lambda *_: Step(Rcode.NOERROR, long)).flags & dns.flags.TC
    assert len(over_the_wire(query, lambda *_: Step(Rcode.NOERROR, long), over_udp=False).answer[0]) == 10


def test_rubbish_on_the_wire() -> None:
    of = source(zone())
    assert respond(b"\x00\x01rubbish", of, authoritative=True, over_udp=True) is None
    answer = over_the_wire(dns.message.make_query(API, "A"), of)
    assert respond(answer.to_wire(), of, authoritative=True, over_udp=True) is None
    notify = dns.message.make_query(API, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert over_the_wire(notify, of).rcode() == Rcode.NOTIMP
