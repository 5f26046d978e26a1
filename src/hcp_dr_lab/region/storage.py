"""S3: versitygw over TLS, which verifies signatures and the expiry of presigned URLs as the real service does.

This module prepares the folder, the credentials and the certificate, and then becomes versitygw. The credentials are
made for each region, so that nothing written for one rehearsal opens another.
"""

from __future__ import annotations

import configparser
import io
import os
import secrets
import string
import sys
from dataclasses import dataclass
from pathlib import Path

from hcp_dr_lab.region import layout as region_layout
from hcp_dr_lab.region.layout import AWS_REGION, BUCKET, REGION_DOMAIN, S3_ADDRESS, S3_PORT, Layout
from hcp_dr_lab.region.part import Part
from hcp_dr_lab.region.serving import not_answering, server_certificate

HOSTNAME = f"s3.{REGION_DOMAIN}"
KEY_ALPHABET = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id})"


def credentials(layout: Layout) -> Credentials:
    """Those of layout.aws_credentials_file; made at the first call."""
    path = layout.aws_credentials_file
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(credentials_text(_new_credentials()))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    profile = parser["default"]
    return Credentials(profile["aws_access_key_id"], profile["aws_secret_access_key"])


def credentials_text(made: Credentials) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    parser["default"] = {
        "aws_access_key_id": made.access_key_id,
        "aws_secret_access_key": made.secret_access_key,
    }
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _new_credentials() -> Credentials:
    return Credentials("AKIA" + "".join(secrets.choice(KEY_ALPHABET) for _ in range(16)), secrets.token_urlsafe(30))


def part(layout: Layout, versitygw: Path) -> Part:
    return Part(
        name="s3",
        command=(sys.executable, "-m", "hcp_dr_lab.region.storage", str(layout.root), str(versitygw)),
        probe=lambda: not_answering(layout, f"https://{S3_ADDRESS}:{S3_PORT}/{BUCKET}"),
    )


def serve(layout: Layout, versitygw: Path) -> None:
    buckets = layout.root / "s3"
    (buckets / BUCKET).mkdir(parents=True, exist_ok=True)
    certificate, key = server_certificate(
        layout, "s3", dns=(HOSTNAME,), addresses=(S3_ADDRESS, layout.region_address)
    )
    made = credentials(layout)
    secret = {"ROOT_ACCESS_KEY": made.access_key_id, "ROOT_SECRET_KEY": made.secret_access_key}
    command = [
        str(versitygw), "--port", f":{S3_PORT}", "--region", AWS_REGION, "--quiet", "--keep-alive",
        "--cert", str(certificate), "--key", str(key), "posix", str(buckets),
    ]  # fmt: skip
    os.execve(command[0], command, {**os.environ, **secret})  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    serve(region_layout.load(Path(sys.argv[1])), Path(sys.argv[2]))
