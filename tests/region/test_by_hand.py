"""docs/by-hand.md as it stands, with a real kubectl: a backup by hand that hcp-dr restores, and one of hcp-dr's that is
restored by hand, there and back with one hosted cluster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, CannotMigrate
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import AWS_REGION, BUCKET, PRODUCT_USER, Layout
from tests.region.conftest import Hosted, say
from tests.region.hands import aws

PAGE = Path(__file__).parents[2] / "docs" / "by-hand.md"
TOOLS = ("kubectl", "jq", "bash")
SECONDS = 600.0

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"docs/by-hand.md needs {', '.join(TOOLS)}"
)

AWS = f'''#!{sys.executable}
"""What the page asks of the AWS command line, for machines without it: s3 cp, s3 presign, s3api head-object."""
import os, sys, boto3
from botocore.config import Config
client = boto3.client(
    "s3", region_name="{AWS_REGION}", config=Config(signature_version="s3v4", s3={{"addressing_style": "path"}})
)
if sys.argv[1:3] == ["s3api", "head-object"]:
    asked = dict(zip(sys.argv[3::2], sys.argv[4::2]))
    print(client.head_object(Bucket=asked["--bucket"], Key=asked["--key"])["Metadata"].get("sha256"))
    sys.exit()
url = next(word for word in sys.argv if word.startswith("s3://"))
bucket, _, key = url.removeprefix("s3://").partition("/")
if sys.argv[2] == "cp":
    client.put_object(Bucket=bucket, Key=key, Body=sys.stdin.buffer.read())
else:
    print(client.generate_presigned_url("get_object", Params={{"Bucket": bucket, "Key": key}}, ExpiresIn=86400))
'''


def blocks(name: str) -> str:
    """The commands of the page that begin with this comment, and those for both ways before them."""
    found = re.findall(r"^```sh\n# (.*)\n((?:.*\n)*?)```$", PAGE.read_text("utf-8"), re.MULTILINE)
    return "\n".join(text for title, text in found if title in ("both ways", name))


def environment(layout: Layout, granted: Path, backup: Path) -> dict[str, str]:
    """The documented commands are an administrator's; so is everything here."""
    env_file = granted.with_name(f"by-hand.{granted.name}")
    env_file.write_text(granted.read_text("utf-8").replace(f".{PRODUCT_USER}.kubeconfig", ".kubeconfig"), "utf-8")
    given = dict(line.split("=", 1) for line in env_file.read_text("utf-8").splitlines() if "=" in line)
    programs = layout.root / "by-hand"
    programs.mkdir(exist_ok=True)
    if shutil.which("aws") is None:
        (programs / "aws").write_text(AWS)
        (programs / "aws").chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return mine | given | {"PATH": path, "ENV_FILE": str(env_file), "BACKUP_DIR": str(backup)}


def run(what: str, script: str, given: Mapping[str, str]) -> None:
    began = time.monotonic()
    ended = subprocess.run(
        ["bash", "-c", script],
        env=dict(given),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    say(f"{what}: exit code {ended.returncode} after {time.monotonic() - began:.0f} s")
    assert ended.returncode == 0, ended.stdout[-4000:]


def product(*words: str, given: Mapping[str, str]) -> None:
    assert called(*words, given=given) in (DONE, DONE_WITH_WARNINGS), words


def refused(*words: str, given: Mapping[str, str]) -> bool:
    """By preflight, before anything was begun."""
    return called(*words, given=given) == CannotMigrate.exit_code


def called(*words: str, given: Mapping[str, str]) -> int:
    """As anybody calls it; the env file says the rest. Its exit code."""
    program = str(Path(sys.executable).with_name("hcp-dr"))
    options = ("--env-file", given["ENV_FILE"], "--backup", given["BACKUP_DIR"])
    surroundings = drill.surroundings(Path(given["ENV_FILE"]))
    ended = subprocess.run((program, *words, *options), env=surroundings, stdin=subprocess.DEVNULL, check=False)
    return ended.returncode


def test_by_hand_there_and_back(hosted: Hosted, tmp_path: Path) -> None:
    layout, name = hosted.layout, hosted.names.name
    observation = drill.Observation(layout, name, 1)
    observation.begin()
    observation.await_writes()
    there = environment(layout, drill.environment_file(layout, name, 1, tmp_path / "there"), tmp_path / "there/backup")
    run("back up by hand", blocks("back up by hand"), there)
    for words in (("restore",), ("verify",), ("teardown", "--yes"), ("finish",)):
        product(*words, given=there)
    time.sleep(drill.SETTLE_SECONDS)
    assert observation.conclude().reasons == ()

    back = environment(layout, drill.environment_file(layout, name, 2, tmp_path / "back"), tmp_path / "back/backup")
    assert refused("backup", "--documented-key", "--yes", given=back), "the first way's snapshot is under that key"
    aws(layout, "s3").delete_object(Bucket=BUCKET, Key=f"{name}-etcd-0-snapshot.db")
    product("backup", "--documented-key", "--yes", given=back)
    run("restore by hand", blocks("restore by hand"), back)
    for words in (("verify",), ("teardown", "--yes"), ("finish",)):
        product(*words, given=back)
