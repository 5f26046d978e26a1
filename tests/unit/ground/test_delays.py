"""Every delay of a region is chosen by name, whatever the others are."""

from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.ground import delays, layout
from hcp_dr_lab.ground.layout import Controllers, Layout, RegionOptions
from hcp_dr_lab.standin import pace


def test_realistic_and_changed_ones() -> None:
    chosen = RegionOptions(realistic=True, changed=(("infrastructure", 3), ("new_backend", 7))).delays
    assert (chosen.new_backend, chosen.record_propagation) == (7, delays.REALISTIC.record_propagation)
    assert RegionOptions().delays == delays.FAST
    told = pace.chosen(realistic=True, changed={"infrastructure": 3, "new_backend": 7})
    assert (told.infrastructure, told.load_balancer) == (3, pace.REALISTIC.load_balancer)


def test_no_delay_is_named_twice() -> None:
    assert not set(delays.NAMES) & set(pace.NAMES)


def test_a_region_remembers_its_options(tmp_path: Path) -> None:
    options = RegionOptions(realistic=True, changed=(("new_backend", 7.0),), controllers=Controllers.REAL)
    made = Layout("x", 3, tmp_path, options)
    layout.save(made)
    assert layout.load(tmp_path) == made
    assert made.options.words == ("realistic delays", "new_backend 7 s", "real Cluster API and AWS provider")
