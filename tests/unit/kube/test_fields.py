"""A kubeconfig is read as kubectl types it; what has another type is refused by its name, and its value not shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import kubeconfig
from hcp_dr.kube.client import Cluster, connect
from hcp_dr.kube.resources import CONFIG_MAP
from tests.unit.kube.api_server import Authority, Server
from tests.unit.kube.conftest import Write
from tests.unit.kube.test_access import ask, base64_of, user

Open = Callable[[Path], Cluster]
WRONG: dict[str, tuple[Any, ...]] = {
    "a string": (7, True, ["hidden"], {"hidden": "hidden"}),
    "true or false, without quotes": ("false", "true", "hidden", 0, 1, ["hidden"]),
    "a mapping": ("hidden", 7, ["hidden"]),
    "a list": ("hidden", 7, {"hidden": 1}),
}
OF_THE_CLUSTER = {
    "server": "a string",
    "certificate-authority-data": "a string",
    "certificate-authority": "a string",
    "tls-server-name": "a string",
    "insecure-skip-tls-verify": "true or false, without quotes",
    "proxy-url": "a string",
    "extensions": "a list",
}
OF_THE_USER = {
    "token": "a string",
    "tokenFile": "a string",
    "client-certificate-data": "a string",
    "client-certificate": "a string",
    "client-key-data": "a string",
    "client-key": "a string",
    "username": "a string",
    "password": "a string",
    "as": "a string",
    "as-uid": "a string",
    "as-groups": "a list",
    "as-user-extra": "a mapping",
    "auth-provider": "a mapping",
    "exec": "a mapping",
}
OF_THE_PLUGIN = {
    "command": "a string",
    "apiVersion": "a string",
    "interactiveMode": "a string",
    "installHint": "a string",
    "args": "a list",
    "env": "a list",
    "provideClusterInfo": "true or false, without quotes",
}


def each(fields: dict[str, str]) -> list[tuple[str, Any, str]]:
    return [(key, value, kind) for key, kind in fields.items() for value in WRONG[kind]]


def refused(file: Path) -> str:
    with pytest.raises(errors.UnreadableKubeconfig) as caught:
        connect(file, "source", variable="MGMT_KUBECONFIG")
    assert "hidden" not in caught.value.paragraph()
    assert "hidden" not in repr(caught.value.values)
    return caught.value.paragraph()


@pytest.mark.parametrize(("key", "value", "kind"), each(OF_THE_CLUSTER))
def test_a_field_of_the_cluster(write: Write, *, key: str, value: Any, kind: str) -> None:
    given = {"certificate_authority_data": None, key: value}
    assert f"cannot be used: its {key} is not {kind}." in refused(write({}, **given))


@pytest.mark.parametrize(("key", "value", "kind"), each(OF_THE_USER))
def test_a_field_of_the_user(write: Write, *, key: str, value: Any, kind: str) -> None:
    assert f"cannot be used: its {key} is not {kind}." in refused(write({key: value}))


@pytest.mark.parametrize(("key", "value", "kind"), each(OF_THE_PLUGIN))
def test_a_field_of_the_plugin(write: Write, *, key: str, value: Any, kind: str) -> None:
    assert f"cannot be used: its exec plugin's {key} is not {kind}." in refused(write(user(**{key: value})))


def entries(*wrong: Any) -> list[Any]:
    return [{"a": "b"}, *wrong]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"current-context": 7}, "its current-context is not a string"),
        ({"contexts": "hidden"}, "its contexts is not a list"),
        ({"clusters": {"hidden": 1}}, "its clusters is not a list"),
        ({"users": ["hidden"]}, "its users has an entry that is not a mapping"),
        ({"clusters": [{"name": 7, "cluster": {}}]}, "its name is not a string"),
        ({"contexts": [{"name": "here", "context": ["hidden"]}]}, "its context is not a mapping"),
        ({"contexts": [{"name": "here", "context": {"cluster": ["hidden"]}}]}, "its cluster is not a string"),
        ({"contexts": [{"name": "here", "context": {"cluster": "it", "user": 7}}]}, "its user is not a string"),
        ({"users": [{"name": "me", "user": None}]}, "it has no user named 'me'"),
    ],
)
def test_a_part_of_the_file(write: Write, change: dict[str, Any], told: str) -> None:
    file = write()
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert f"cannot be used: {told}." in refused(file)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"exec": {}}, "its exec plugin has no command"),
        (user(args=["hidden", 7]), "its exec plugin's args has an entry that is not a string"),
        (user(args=["hid\0den"]), "its exec plugin's args has an entry that is not a string"),
        (user(env=["A=hidden"]), "its exec plugin's env has an entry that is not a mapping"),
        (user(env=[{"name": "A"}]), "env has an entry without a name or without a value"),
        (user(env=[{"name": "A", "value": None}]), "env has an entry without a name or without a value"),
        (user(env=[{"value": "hidden"}]), "env has an entry without a name or without a value"),
        (user(env=[{"name": "A=hidden", "value": "x"}]), "env has an entry without a name or without a value"),
        (user(env=[{"name": "A", "value": 7}]), "its exec plugin's value is not a string"),
        (user(command="a\0hidden"), "its exec plugin's command contains a character that is not allowed"),
        ({"tokenFile": "hid\0den"}, "its tokenFile contains a character that is not allowed"),
        ({"token": "hid\nden"}, "its token cannot be sent in a header"),
        ({"token": "hidden-\u00e9"}, "its token cannot be sent in a header"),
        ({"token": "hidden\ud800"}, "it is not YAML"),
        ({"token": " \n"}, "its token cannot be sent in a header"),
        ({"as": "hid\nden"}, "its as cannot be sent in a header"),
        ({"as-groups": ["hid\r\nden"]}, "its as-groups cannot be sent in a header"),
        ({"as-user-extra": {"a": "hidden"}}, "its as-user-extra a is not a list"),
        ({"as-user-extra": {"a": ["hid\nden"]}}, "its as-user-extra a cannot be sent in a header"),
        ({"client-key-data": base64_of("hidden")}, "a client certificate without a client key"),
    ],
)
def test_what_cannot_be_said(write: Write, given: dict[str, Any], told: str) -> None:
    assert told in refused(write(given))


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ({"server": "https://[::1"}, "is not a URL"),
        ({"server": "https://api.example:http"}, "is not a URL"),
        ({"server": "https://me:hidden@api.example"}, "its server contains a user name"),
        ({"proxy_url": "http://proxy.example:http"}, "its proxy-url is not an http or https URL"),
        (
            {"proxy_url": "http://me:hidden@proxy.example:99999"},
            "its proxy-url is not an http or https URL",
        ),
        ({"tls_server_name": "caf\u00e9.example"}, "its tls-server-name cannot be sent"),
        ({"certificate_authority_data": " "}, "its certificate authority is not valid: it contains no certificate"),
        (
            {"certificate_authority_data": base64_of("# only a comment")},
            "its certificate authority is not valid: it contains no certificate",
        ),
    ],
)
def test_a_cluster_that_cannot_be_reached(write: Write, cluster: dict[str, Any], told: str) -> None:
    assert told in refused(write({}, **cluster))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 2020-13-45", "it has no current-context"),
        ("[" * 5000, "its line 1 is nested more than 100 levels deep"),
        ("a: !!int ''", "it is not YAML"),
        ("? {a: b}\n: hidden", "it is not YAML"),
    ],
)
def test_what_breaks_the_library_is_no_kubeconfig(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    assert f"cannot be used: {told}" in refused(file)


@pytest.mark.parametrize("given", [{}, user(command="./gone")], ids=["no plugin", "a plugin"])
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://me:hidden@proxy.example:http"])
def test_a_proxy_of_the_surroundings(
    write: Write, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names a proxy that is not" in refused(write(given))


def test_null_is_what_is_not_there(server: Server, write: Write, open_cluster: Open) -> None:
    nothing = dict.fromkeys([*OF_THE_USER, "namespace"])
    file = write({**nothing, "exec": None})
    document = json.loads(file.read_text())
    document["clusters"][0]["cluster"] |= {"proxy-url": None, "insecure-skip-tls-verify": None, "extensions": None}
    file.write_text(json.dumps(document))
    ask(open_cluster(file))
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize("token", ["secret-token\n", " secret-token\t", "secret-token"])
def test_white_space_around_a_token_is_none_of_it(server: Server, write: Write, open_cluster: Open, token: str) -> None:
    ask(open_cluster(write({"token": token})))
    assert server.seen[0].headers["authorization"] == "Bearer secret-token"


def test_a_token_file_that_no_header_can_carry(write: Write, open_cluster: Open, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hid\nden")
    with pytest.raises(errors.Unauthorized) as caught:
        open_cluster(write({"tokenFile": "token"})).get(CONFIG_MAP, "a", "n")
    assert "cannot be sent in a header" in str(caught.value)
    assert "den" not in str(caught.value).replace("credentials", "")


@pytest.mark.parametrize(
    "status", [[1], {"token": ["hidden"]}, {"token": "hid\nden"}, {"expirationTimestamp": 7}, None]
)
def test_a_plugin_that_answers_in_other_types(write: Write, open_cluster: Open, tmp_path: Path, status: Any) -> None:
    script = tmp_path / "plugin"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "status": status}
    script.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    script.chmod(0o700)
    with pytest.raises(errors.Unauthorized) as caught:
        open_cluster(write(user())).get(CONFIG_MAP, "a", "n")
    assert "hidden" not in str(caught.value)


def test_what_a_plugin_says_when_it_fails_shows_no_token(write: Write, open_cluster: Open, tmp_path: Path) -> None:
    script = tmp_path / "plugin"
    script.write_text("#!/bin/sh\necho token=hidden is refused >&2; exit 3\n")
    script.chmod(0o700)
    with pytest.raises(errors.Unauthorized) as caught:
        open_cluster(write(user())).get(CONFIG_MAP, "a", "n")
    assert "token=(hidden) is refused" in str(caught.value)


@pytest.mark.parametrize("around", ["# Zertifizierungsstelle K\u00f6ln\n", "\ufeff", "Bag Attributes\n  x: \u00e9\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_text_around_certificates_is_of_no_matter(
    server: Server,
    write: Write,
    open_cluster: Open,
    authority: Authority,
    tmp_path: Path,
    *,
    around: str,
    encoding: str,
) -> None:
    pair = authority.issue("admin")
    data = around.encode(encoding) + b"\n"
    for name, text in (("ca", authority.certificate), ("crt", pair.certificate), ("key", pair.key)):
        (tmp_path / name).write_bytes(data + text.encode() + data)
    files = {"client-certificate": "crt", "client-key": "key"}
    ask(open_cluster(write(files, certificate_authority_data=None, certificate_authority="ca")))
    assert server.seen[0].user == "admin"


@pytest.mark.parametrize(
    ("cluster", "given", "why"),
    [
        ({}, {}, ""),
        ({"insecure_skip_tls_verify": False}, {}, ""),
        (
            {"certificate_authority_data": None, "insecure_skip_tls_verify": True},
            {},
            "insecure-skip-tls-verify is true",
        ),
        ({"server": "http://api.example:8080"}, {}, "is http"),
        ({"server": "http://127.0.0.1:8001"}, {}, ""),
        ({"server": "http://localhost:8001"}, {}, ""),
        ({"server": "http://[::1]:8001"}, {}, ""),
        ({"server": "http://127.0.0.1:8001"}, {"token": "t"}, "is http"),
        ({"server": "http://127.0.0.1:8001"}, {"username": "me", "password": "p"}, "is http"),
        ({"server": "http://127.0.0.1.example:8001"}, {}, "is http"),
    ],
)
def test_whether_anybody_can_know_who_answers(
    write: Write, cluster: dict[str, Any], given: dict[str, Any], why: str
) -> None:
    unverified = connect(write(given, **cluster), "source").unverified
    assert why in unverified
    assert bool(unverified) == bool(why)


def test_what_is_shown_of_an_access_has_no_password(write: Write) -> None:
    assert "hidden" not in repr(kubeconfig.read(write({}, proxy_url="http://me:hidden@proxy.example:1")))


def test_a_renewed_authority_has_another_digest(write: Write) -> None:
    one, other = (Authority(name).certificate for name in ("one", "other"))
    data = [base64_of(text) for text in (one, f"\n# text\n{one}\n", other)]
    first, same, renewed = (connect(write({}, certificate_authority_data=each), "source").authority for each in data)
    assert (len(first), same, renewed != first) == (64, first, True)
    assert not connect(write({}, certificate_authority_data=None), "source").authority
