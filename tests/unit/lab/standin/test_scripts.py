"""etcd-init as it runs, up to the restore itself: what it does with a volume that is not empty, and with errors."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hcp_dr_lab.ground.payload import PAYLOADS

EACH = pytest.mark.parametrize("script", [each.etcd_init for each in PAYLOADS.values()], ids=list(PAYLOADS))


def run(script: str, data: Path, url: str) -> subprocess.CompletedProcess[str]:
    """With `data` in the place of the member's volume."""
    return subprocess.run(
        ("bash", "-c", script.replace("/var/lib/data", str(data))),
        env={"PATH": os.environ["PATH"], "TMPDIR": str(data.parent), "RESTORE_URL_ETCD": url},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@EACH
def test_a_volume_that_is_not_empty_is_left_alone_and_all_is_well(script: str, tmp_path: Path) -> None:
    """Facts 2.5: with old data in it EtcdSnapshotRestored is True as well."""
    data = tmp_path / "data"
    (data / "member").mkdir(parents=True)
    ended = run(script, data, "https://nowhere.rehearsal.example/snapshot.db")
    assert ended.returncode == 0
    assert "not empty" in ended.stdout
    assert [path.name for path in data.iterdir()] == ["member"]


@EACH
def test_an_error_of_the_bucket_is_no_snapshot(script: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    refusal = tmp_path / "refusal"
    refusal.write_text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')
    ended = run(script, data, refusal.as_uri())
    assert ended.returncode == 1
    assert "AccessDenied" in ended.stderr
    assert not list(data.iterdir())
