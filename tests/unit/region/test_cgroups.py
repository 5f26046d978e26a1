from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.region.machines.cgroups import HandDown, Hierarchies, Inherit, Make, hierarchies, plan

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def test_version_1_with_version_2_beside_it() -> None:
    mounts = (
        "proc /proc proc rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
        "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    assert hierarchies(mounts) == Hierarchies((ROOT / "cpu,cpuacct", ROOT / "cpuset"), ROOT / "unified")


def test_version_2_alone() -> None:
    assert hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == Hierarchies((), ROOT)


def test_version_1_is_made_in_every_hierarchy_and_cpusets_are_filled_from_the_top() -> None:
    found = Hierarchies((ROOT / "memory", ROOT / "cpuset"), ROOT / "unified")
    assert plan(found, "region/node") == (
        Make(ROOT / "memory/region"),
        Make(ROOT / "memory/region/node"),
        Make(ROOT / "cpuset/region"),
        Inherit(ROOT / "cpuset/region/cpuset.cpus"),
        Inherit(ROOT / "cpuset/region/cpuset.mems"),
        Make(ROOT / "cpuset/region/node"),
        Inherit(ROOT / "cpuset/region/node/cpuset.cpus"),
        Inherit(ROOT / "cpuset/region/node/cpuset.mems"),
    )


def test_version_2_hands_controllers_down_before_each_level_is_made() -> None:
    assert plan(Hierarchies((), ROOT), "region/node") == (
        HandDown(ROOT, CONTROLLERS),
        Make(ROOT / "region"),
        HandDown(ROOT / "region", CONTROLLERS),
        Make(ROOT / "region/node"),
    )


def test_nothing_mounted_plans_nothing() -> None:
    assert plan(Hierarchies((), None), "region/node") == ()
