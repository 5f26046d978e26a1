from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS
from hcp_dr_lab.region.first import bridge_addresses
from hcp_dr_lab.region.machines.node import NodeSpec


def spec(folder: Path, name: str = "ip-10-78-2-4.ec2.internal") -> NodeSpec:
    return NodeSpec(
        name=name,
        address="10.78.2.4",
        pod_cidr="10.89.4.0/24",
        cluster_dns="10.78.0.53",
        kubeconfig=folder / "kubeconfig",
        boot_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        folder=folder,
        cgroup="region/node",
        programs=folder / "bin",
        disk=folder / "disk",
        provider_id="aws:///us-east-1a/i-1",
        labels=("a=b",),
        kubelet=(("maxPods", "9"),),
    )


def test_a_specification_survives_its_file(tmp_path: Path) -> None:
    assert NodeSpec.load(spec(tmp_path).save()) == spec(tmp_path)


def test_a_link_name_fits_the_kernel_and_tells_nodes_apart(tmp_path: Path) -> None:
    one, two = spec(tmp_path), spec(tmp_path, "ip-10-78-2-5.ec2.internal")
    assert len(one.link) < 16
    assert one.link != two.link


def test_a_hardware_address_is_local_and_the_nodes_own(tmp_path: Path) -> None:
    assert spec(tmp_path).hardware_address == "02:00:0a:4e:02:04"


def test_every_address_of_the_region_is_on_the_bridge_once() -> None:
    addresses = bridge_addresses()
    assert len(addresses) == len(set(addresses)) == 4 + 3 * len(MANAGEMENT_CLUSTERS)
