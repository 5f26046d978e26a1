"""What the end report says of a whole relocation, and that no secret is in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from markupsafe import escape

from hcp_dr import __version__
from hcp_dr.kube import resources as r
from hcp_dr.report import page, relocation
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import scene


def test_it_says_what_was_verified_with_values(tmp_path: Path) -> None:
    here = scene()
    secrets = here.world.sides[0].client().list(r.SECRET, "clusters-shop").items
    contents = {value for secret in secrets for value in (secret.get("data") or {}).values() if len(value) > 12}
    operator = Operator(here.world, folder=tmp_path / "backup")
    assert operator.relocate().error is None
    report = relocation.to_json(operator.story(), backup_dir="/backup")
    assert (report["hosted_cluster"], report["state"]) == ("clusters/shop", "done")
    assert (report["from"], report["to"]) == tuple(side.name for side in here.world.sides)
    assert report["api_away_s"] > 0
    seen = {f"{check['step']} {check['name']}": check["seen"] for check in report["checks"]}
    assert "etcd-0 are one cluster" in seen["verify.identity etcd_members"]
    assert re.search(
        r"(\d+) of \1 samples with the same uid, 0 of them changed", seen["verify.identity samples.ConfigMap"]
    )
    assert "left out: 1 HostedControlPlane" in seen["verify.placement restored"]
    assert "objects are exported; not: " in seen["backup.export_objects selection"]
    assert report["versions"] == [__version__]
    text = relocation.to_text(report)
    html = page.to_html(report)
    assert f"by hcp-dr {__version__}" in text
    for check in report["checks"]:
        assert check["seen"] in text
        assert escape(check["seen"]) in html
    for step in report["steps"]:
        assert escape(step["because"]) in html
    assert "What remains to be done by hand" in text
    journal = (tmp_path / "backup" / "journal.jsonl").read_text("utf-8")
    assert contents
    told = json.dumps(report) + text + html + journal
    assert not [value for value in contents if value in told], "I8"


def test_the_page_shows_what_was_told_and_runs_nothing_of_it() -> None:
    here = scene()
    report = relocation.to_json(here.operator.relocate().story, backup_dir="/backup/<script>alert(1)</script>")
    html = page.to_html(report)
    assert "/backup/&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"<script|<link|\bsrc=|\bhref=|url\(", html)
