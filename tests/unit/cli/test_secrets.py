"""Secrets in the settings and in kubeconfigs, whole or broken: no verb prints any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Hcp

MARK = "pl4nted"
CLUSTER: dict[str, Any] = {"server": "https://127.0.0.1:1"}
USERS: dict[str, dict[str, Any]] = {
    "a token with a line feed": {"token": f"{MARK}\n{MARK}"},
    "a token that is a list": {"token": [MARK]},
    "a password without a user": {"password": MARK},
    "a password that is a mapping": {"username": "me", "password": {"a": MARK}},
    "a key that is no base64": {"client-certificate-data": "?", "client-key-data": f"?{MARK}"},
    "a key that is no key": {"client-certificate-data": "YQ==", "client-key-data": "cGw0bnRlZA=="},
    "a program that fails": {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "/bin/sh",
            "args": ["-c", f"echo token={MARK} >&2; exit 1"],
            "env": [{"name": "PASSWORD", "value": MARK}],
            "interactiveMode": "Never",
        }
    },
    "an old plugin": {"auth-provider": {"name": "oidc", "config": {"id-token": MARK, "refresh-token": MARK}}},
    "a field that nobody knows": {"tokens": MARK, "token": None},
}
CLUSTERS: dict[str, dict[str, Any]] = {
    "a password in the address": {"server": f"https://me:{MARK}@127.0.0.1:1"},
    "a password in a broken address": {"server": f"https://me:{MARK}@[127.0.0.1"},
    "a password in the proxy": {**CLUSTER, "proxy-url": f"ftp://me:{MARK}@127.0.0.1:1"},
    "an authority that is a key": {**CLUSTER, "certificate-authority-data": f"{MARK}?"},
}
KUBECONFIGS = {
    **{name: (CLUSTER, user) for name, user in USERS.items()},
    **{name: (cluster, {"token": MARK}) for name, cluster in CLUSTERS.items()},
}


def written(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    context = {"cluster": "c", "user": "u"}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "contexts": [{"name": "x", "context": context}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )


@pytest.fixture(autouse=True)
def _in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, MARK)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("hcp_dr.engine.run.FIRST_ANSWER_TIMEOUT", 0.0)


@pytest.mark.parametrize("verb", ["preflight", "status", "plan", "relocate"])
@pytest.mark.parametrize("kubeconfig", KUBECONFIGS)
def test_no_verb_prints_what_a_kubeconfig_holds(
    hcp: Hcp, environment: dict[str, str], kubeconfig: str, verb: str
) -> None:
    for name, path in environment.items():
        if name.endswith("KUBECONFIG"):
            written(Path(path), *KUBECONFIGS[kubeconfig])
    ended = hcp(verb)
    assert ended.code not in (0, 1)
    assert MARK not in ended.out + ended.err
    assert "cGw0bnRlZA" not in ended.out + ended.err


@pytest.mark.parametrize(
    "line",
    [
        f"AWS_SECRET_ACCESS_KEY='{MARK}",
        f"AWS_SECRET_ACCES_KEY={MARK}",
        f"export AWS_SESSION_TOKEN {MARK}",
        f"{MARK}",
        f"HTTPS_PROXY=http://me:{MARK}@proxy.example:3128\nAWS_ENDPOINT_URL=http://me:{MARK}@[broken",
        f"BUCKET_ENCRYPTION=https://me:{MARK}@proxy.example",
    ],
)
@pytest.mark.parametrize("verb", ["preflight", "status", "rbac"])
def test_no_verb_prints_what_an_env_file_holds(hcp: Hcp, tmp_path: Path, line: str, verb: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"{line}\n")
    ended = hcp(verb, "--env-file", str(file))
    assert MARK not in ended.out + ended.err
