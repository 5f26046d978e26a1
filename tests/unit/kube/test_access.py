"""Where the API server is and as whom it is asked: kubeconfigs, certificates, proxies, credentials that run out."""

from __future__ import annotations

import base64
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube.client import Cluster, connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import CONFIG_MAP
from tests.unit.kube.api_server import Answer, Authority, Pair, Server, proxy, status
from tests.unit.kube.conftest import Write

Open = Callable[[Path], Cluster]


def ask(cluster: Kubernetes) -> None:
    cluster.get(CONFIG_MAP, "a", "n")


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_client_certificate_from_data_or_files(
    server: Server, write: Write, open_cluster: Open, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue("admin")
    (tmp_path / "client.crt").write_text(pair.certificate)
    (tmp_path / "client.key").write_text(pair.key)
    (tmp_path / "ca.crt").write_text(authority.certificate)
    data = {"client-certificate-data": base64_of(pair.certificate), "client-key-data": base64_of(pair.key)}
    ask(open_cluster(write(data)))
    files = {"client-certificate": "client.crt", "client-key": str(tmp_path / "client.key")}
    ask(open_cluster(write(files, certificate_authority_data=None, certificate_authority="ca.crt")))
    assert [seen.user for seen in server.seen] == ["admin", "admin"]


def test_no_key_is_left_on_disk_or_open(
    write: Write, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    pair = authority.issue("admin")
    file = write({"client-certificate-data": base64_of(pair.certificate), "client-key-data": base64_of(pair.key)})
    connect(file, "source").close()
    monkeypatch.delattr(os, "memfd_create", raising=False)
    connect(file, "source").close()
    assert list(folder.iterdir()) == []


def test_the_name_in_the_certificate_may_be_another(server: Server, write: Write, open_cluster: Open) -> None:
    address = f"https://localhost:{server.port}"
    with pytest.raises(errors.ClusterUnreachable) as caught:
        ask(open_cluster(write(server=address)))
    assert "its certificate is not trusted" in str(caught.value)
    assert caught.value.shown
    ask(open_cluster(write(server=address, tls_server_name="api.example")))
    ask(open_cluster(write(server=address, certificate_authority_data=None, insecure_skip_tls_verify=True)))
    assert len(server.seen) == 2


def test_a_foreign_authority_is_not_trusted(server: Server, write: Write, open_cluster: Open) -> None:
    foreign = Authority("unit-tests")
    with pytest.raises(errors.ClusterUnreachable) as caught:
        ask(open_cluster(write(certificate_authority_data=base64_of(foreign.certificate))))
    assert "its certificate is not trusted" in str(caught.value)
    assert caught.value.shown
    assert server.seen == []


def test_a_proxy_is_asked_for_the_name(server: Server, write: Write, open_cluster: Open) -> None:
    with proxy(server.port) as between:
        url = f"http://127.0.0.1:{between.server_address[1]}"
        cluster = open_cluster(write(server="https://api.example:6443", proxy_url=url))
        ask(cluster)
        ask(cluster)
        assert between.asked == ["api.example:6443"], "the tunnel is used again"
        cluster.close()
        between.answer = b"HTTP/1.1 503 No route\r\n\r\n"
        with pytest.raises(errors.ClusterUnreachable) as caught:
            ask(open_cluster(write(server="https://api.example:6443", proxy_url=url)))
    assert "503 No route" in str(caught.value)
    assert cluster.server == "https://api.example:6443"


@pytest.mark.filterwarnings(r"ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_however_often_tls_fails_behind_a_proxy_the_next_connection_is_made(
    server: Server, write: Write, open_cluster: Open
) -> None:
    """As while an API is away whose name leads to a load balancer already."""
    closing = socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    with closing, proxy(closing.server_address[1]) as between:
        threading.Thread(target=closing.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{between.server_address[1]}"
        cluster = open_cluster(write(server="https://api.example:6443", proxy_url=url))
        for _ in range(100):
            with pytest.raises(errors.ClusterUnreachable):
                ask(cluster)
        between.target = server.port
        ask(cluster)
        closing.shutdown()


def test_a_server_that_is_not_there(write: Write, open_cluster: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(errors.ClusterUnreachable) as caught:
        ask(open_cluster(write(server=f"https://127.0.0.1:{port}")))
    assert "refused" in str(caught.value)

    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(errors.ClusterUnreachable) as caught:
        ask(open_cluster(write(server="https://no.such.example")))
    assert "its name cannot be resolved: Name or service not known" in str(caught.value)


def test_the_users_of_a_kubeconfig(server: Server, write: Write, open_cluster: Open) -> None:
    ask(open_cluster(write({"username": "me", "password": "pass:word"})))
    ask(open_cluster(write({"token": "t", "as": "other", "as-groups": ["one", "two"], "as-uid": "7"})))
    assert server.seen[0].headers["authorization"] == "Basic " + base64_of("me:pass:word")
    other = server.seen[1].headers
    assert (other["authorization"], other["impersonate-user"], other["impersonate-uid"]) == ("Bearer t", "other", "7")
    assert "impersonate-group" in other


def test_a_token_file_is_read_again(server: Server, write: Write, open_cluster: Open, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    cluster = open_cluster(write({"tokenFile": "token"}))
    ask(cluster)
    file.write_text("second\n")
    ask(cluster)
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer first", "Bearer second"]
    file.unlink()
    with pytest.raises(errors.Unauthorized) as caught:
        ask(cluster)
    assert "token file" in str(caught.value)


class PluginFolder:
    """A credential plugin that answers from `answer`, and notes what it was told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        script = folder / "plugin"
        script.write_text(
            "#!/bin/sh\n"
            f'printf "%s\\n" "$KUBERNETES_EXEC_INFO" >> {folder}/told\n'
            f'test "$1 $EXTRA" = "login value" || {{ echo "no such user" >&2; exit 3; }}\n'
            f"cat {folder}/answer\n"
        )
        script.chmod(0o700)

    def answer(self, version: str = "v1", seconds: float | None = None, **credential: str) -> None:
        expiry = datetime.now(UTC) + timedelta(seconds=seconds or 0)
        ends = {"expirationTimestamp": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")} if seconds is not None else {}
        document = {"apiVersion": f"client.authentication.k8s.io/{version}", "kind": "ExecCredential"}
        self.print(json.dumps({**document, "status": {**credential, **ends}}))

    def print(self, text: str) -> None:
        (self._folder / "answer").write_text(text)

    @property
    def told(self) -> list[Any]:
        return [json.loads(line) for line in (self._folder / "told").read_text().splitlines()]


@pytest.fixture
def plugin(tmp_path: Path) -> PluginFolder:
    return PluginFolder(tmp_path)


def user(version: str = "v1", **more: object) -> dict[str, Any]:
    api_version = f"client.authentication.k8s.io/{version}"
    environment = [{"name": "EXTRA", "value": "value"}]
    return {"exec": {"apiVersion": api_version, "command": "./plugin", "args": ["login"], "env": environment, **more}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugins_token_is_kept_until_it_is_refused(
    server: Server, write: Write, open_cluster: Open, plugin: PluginFolder, version: str
) -> None:
    plugin.answer(version, token="one")
    cluster = open_cluster(write(user(version)))
    ask(cluster)
    ask(cluster)
    plugin.answer(version, token="two")
    server.answers(status(401, "Unauthorized"), Answer(), Answer())
    ask(cluster)
    ask(cluster)
    assert [seen.headers["authorization"] for seen in server.seen] == [
        *["Bearer one"] * 3,
        *["Bearer two"] * 2,
    ]
    assert len(plugin.told) == 2
    assert plugin.told[0] == {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }


def test_a_plugins_credential_is_renewed_before_it_runs_out(
    server: Server, write: Write, open_cluster: Open, plugin: PluginFolder
) -> None:
    plugin.answer(token="short", seconds=10)
    cluster = open_cluster(write(user()))
    ask(cluster)
    plugin.answer(token="long", seconds=3600)
    ask(cluster)
    ask(cluster)
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer short", "Bearer long", "Bearer long"]


def test_a_plugins_certificate_is_renewed(
    server: Server, write: Write, open_cluster: Open, plugin: PluginFolder, authority: Authority
) -> None:
    def given(pair: Pair) -> None:
        plugin.answer(clientCertificateData=pair.certificate, clientKeyData=pair.key)

    given(authority.issue("first"))
    cluster = open_cluster(write(user()))
    ask(cluster)
    given(authority.issue("second"))
    server.answers(status(401, "Unauthorized"), Answer())
    ask(cluster)
    assert [seen.user for seen in server.seen] == ["first", "first", "second"]


def test_a_plugin_is_told_of_the_cluster_if_it_asks(
    server: Server, write: Write, open_cluster: Open, plugin: PluginFolder, authority: Authority
) -> None:
    plugin.answer(token="one")
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    ask(open_cluster(write(user(provideClusterInfo=True), extensions=[extension], tls_server_name="api.example")))
    assert plugin.told[0]["spec"]["cluster"] == {
        "server": f"https://127.0.0.1:{server.port}",
        "certificate-authority-data": base64_of(authority.certificate),
        "tls-server-name": "api.example",
        "config": {"audience": "x"},
    }


UNUSABLE = json.dumps(
    {
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"clientCertificateData": "hidden", "clientKeyData": "hidden"},
    }
)


@pytest.mark.parametrize(
    ("change", "answer", "reason"),
    [
        ({"command": "./gone", "installHint": "get it"}, "", "cannot be used: No such file or directory (get it)"),
        ({"args": ["other"]}, "", "ended with exit code 3: no such user"),
        ({}, "token: hidden", "did not print an ExecCredential"),
        ({}, '{"apiVersion": "client.authentication.k8s.io/v1", "status": {}}', "returned neither a token nor"),
        ({}, '{"apiVersion": "other/v1", "status": {"token": "hidden"}}', "answered with apiVersion other/v1"),
        ({}, UNUSABLE, "client certificate and key cannot be used"),
    ],
)
def test_a_plugin_that_fails(
    write: Write, plugin: PluginFolder, change: dict[str, Any], answer: str, reason: str
) -> None:
    plugin.print(answer)
    with pytest.raises(errors.Unauthorized) as caught:
        ask(connect(write(user(**change)), "source"))
    assert reason in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [token: hidden", "not YAML"),
        ("hidden", "not a kubeconfig"),
        ("{}", "no current-context"),
        ("current-context: x", "no context named 'x'"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: y}}]}", "no cluster named 'y'"),
    ],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(errors.UnreadableKubeconfig) as caught:
        connect(file, "source", variable="MGMT_KUBECONFIG")
    assert reason in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "MGMT_KUBECONFIG" in str(caught.value)
    assert str(file) in caught.value.paragraph()


@pytest.mark.parametrize(
    ("given", "cluster", "reason"),
    [
        ({}, {"server": "api.example"}, "is not a URL"),
        ({}, {"server": None}, "is not a URL"),
        ({}, {"proxy_url": "socks5://127.0.0.1:1"}, "proxy-url is not an http or https URL"),
        ({}, {"certificate_authority_data": base64_of("no PEM")}, "certificate authority is not valid"),
        ({}, {"certificate_authority_data": "%"}, "certificate-authority is not PEM in base64"),
        ({}, {"certificate_authority_data": None, "certificate_authority": "/no/file"}, "cannot be read"),
        ({}, {"insecure_skip_tls_verify": True}, "both a certificate authority and insecure-skip-tls-verify"),
        ({"client-certificate-data": base64_of("x")}, {}, "a client certificate without a client key"),
        ({"client-certificate-data": base64_of("x"), "client-key-data": base64_of("y")}, {}, "cannot be used"),
        ({"auth-provider": {"name": "gcp"}}, {}, "auth-provider"),
        ({"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, {}, "v1alpha1"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, {}, "no command"),
        (user(interactiveMode="Always"), {}, "is interactive"),
    ],
)
def test_a_kubeconfig_that_cannot_be_honoured(
    write: Write, given: dict[str, Any], cluster: dict[str, Any], reason: str
) -> None:
    with pytest.raises(errors.UnreadableKubeconfig) as caught:
        connect(write(given, **cluster), "destination")
    assert reason in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableKubeconfig) as caught:
        connect(tmp_path / "gone", "source")
    assert "No such file" in str(caught.value)


def test_a_context_can_be_chosen(write: Write) -> None:
    file = write()
    document = json.loads(file.read_text())
    document["contexts"].append({"name": "there", "context": {"cluster": "far", "user": "me"}})
    document["clusters"].append({"name": "far", "cluster": {"server": "https://far.example/"}})
    file.write_text(json.dumps(document))
    assert connect(file, "source", context="there").server == "https://far.example"
    with pytest.raises(errors.UnreadableKubeconfig):
        connect(file, "source", context="nowhere")


def test_secrets_are_not_in_a_representation(write: Write, authority: Authority) -> None:
    pair = authority.issue("admin")
    data = {"client-certificate-data": base64_of(pair.certificate), "client-key-data": base64_of(pair.key)}
    cluster = connect(write({"token": "hidden", **data}), "source")
    assert isinstance(cluster, Cluster)
    shown = repr(cluster._transport.access)
    assert "hidden" not in shown
    assert "PRIVATE" not in shown
