"""S3: versitygw over TLS. Like the real service, it verifies signatures and the expiry of presigned URLs.

This module prepares the folder, the credentials and the certificate, and then executes versitygw. Every region has its
own credentials, so that credentials of one rehearsal are invalid in another.
"""

from __future__ import annotations

import configparser
import io
import os
import secrets
import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.layout import AWS_REGION, BUCKET, REGION_DOMAIN, S3_ADDRESS, S3_PORT, Layout
from hcp_dr_lab.ground.network.serving import not_answering, server_certificate
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.ground.pki import write_secret

HOSTNAME = f"s3.{REGION_DOMAIN}"
KEY_ALPHABET = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id})"


def credentials(layout: Layout) -> Credentials:
    """Return the credentials in layout.aws_credentials_file; created at the first call."""
    path = layout.aws_credentials_file
    if not path.exists():
        write_secret(path, credentials_text(_new_credentials()).encode())
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


def part(layout: Layout) -> Part:
    return Part(
        name="s3",
        command=(sys.executable, "-m", "hcp_dr_lab.region.cloud.storage", str(layout.root)),
        probe=lambda: not_answering(layout, f"https://{S3_ADDRESS}:{S3_PORT}/{BUCKET}"),
    )


def serve(layout: Layout) -> None:
    certificate, key = server_certificate(layout, "s3", dns=(HOSTNAME,), addresses=(S3_ADDRESS, layout.region_address))
    if not (_folder(layout) / BUCKET).exists():
        _make_bucket(layout)
    command = _command(layout, "--port", f"{S3_ADDRESS}:{S3_PORT}", "--cert", str(certificate), "--key", str(key))
    os.execve(command[0], command, _environment(layout))  # noqa: S606 no shell needed


def _make_bucket(layout: Layout) -> None:
    """Create the bucket through a temporary gateway on loopback, so that the bucket has all metadata."""
    _folder(layout).mkdir(parents=True, exist_ok=True)
    made = credentials(layout)
    command = _command(layout, "--port", f"127.0.0.1:{S3_PORT}")
    with subprocess.Popen(command, env=_environment(layout)) as gateway:
        try:
            boto3.client(
                "s3",
                endpoint_url=f"http://127.0.0.1:{S3_PORT}",
                region_name=AWS_REGION,
                aws_access_key_id=made.access_key_id,
                aws_secret_access_key=made.secret_access_key,
                config=Config(proxies={}, retries={"total_max_attempts": 10}),
            ).create_bucket(Bucket=BUCKET)
        finally:
            gateway.terminate()


def _folder(layout: Layout) -> Path:
    return layout.root / "s3"


def _command(layout: Layout, *options: str) -> list[str]:
    program = str(layout.program("versitygw"))
    return [program, "--region", AWS_REGION, "--quiet", "--keep-alive", *options, "posix", str(_folder(layout))]


def _environment(layout: Layout) -> dict[str, str]:
    made = credentials(layout)
    return {**os.environ, "ROOT_ACCESS_KEY": made.access_key_id, "ROOT_SECRET_KEY": made.secret_access_key}


if __name__ == "__main__":
    serve(region_layout.load(Path(sys.argv[1])))
