"""Reads one context of a kubeconfig into a value.

The file decides which cluster is changed and as whom, so nothing in it is guessed or passed over in silence:
what cannot be honoured is a reason to refuse it, in words for a person.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from hcp_dr.kube.fields import Fields, UnusableError, certificates, is_plain, private_key, sendable

PLUGIN_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
CLUSTER_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A command that prints credentials. `cluster` is what it is told of the cluster, if it asks for that."""

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    api_version: str
    cluster: Mapping[str, Any] | None
    install_hint: str


@dataclass(frozen=True, slots=True)
class User:
    """As whom requests are made. Certificates and keys are PEM."""

    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    plugin: Plugin | None = None
    impersonation: tuple[tuple[str, str], ...] = ()

    @property
    def has_credentials(self) -> bool:
        return any((self.token, self.token_file, self.certificate, self.basic, self.plugin))


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is, how its certificate is checked, and as whom it is asked."""

    server: str
    certificate_authority: str | None
    tls_server_name: str | None
    insecure: bool
    proxy_url: str | None = field(repr=False)  # it may hold a password
    user: User

    @property
    def unverified(self) -> str:
        """Why nobody can know who answers; "" where its certificate is checked, or where it is this machine, which is
        sent no credentials (kubectl proxy)."""
        if urlsplit(self.server).scheme == "http":
            here = _is_this_machine(urlsplit(self.server).hostname or "")
            return "" if here and not self.user.has_credentials else "it is asked by http, without TLS"
        return "insecure-skip-tls-verify is true in its kubeconfig" if self.insecure else ""


def read(path: Path, context: str | None = None) -> Access:
    """Raises UnusableError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"it cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise UnusableError("it is not text") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # its text quotes the file, which holds secrets
        where = f" (line {mark.line + 1})" if mark else ""
        raise UnusableError(f"it is not YAML{where}") from None
    if not isinstance(document, dict):
        raise UnusableError("it is not a kubeconfig")
    fields = Fields(document)
    chosen = context or fields.text("current-context")
    if not chosen:
        raise UnusableError("it has no current-context")
    selected = _named(fields, "contexts", "context", chosen)
    cluster = _named(fields, "clusters", "cluster", selected.text("cluster") or "")
    user_name = selected.text("user")
    user = _named(fields, "users", "user", user_name) if user_name else Fields({})
    return _access(cluster, user, path.parent)


def _access(cluster: Fields, user: Fields, folder: Path) -> Access:
    server = _url(cluster, "server", f"its server {cluster.text('server') or ''!r} is not an URL")
    if urlsplit(server).username is not None:
        raise UnusableError("its server names a user, which belongs to the users")
    proxy_url = None
    if cluster.text("proxy-url"):
        proxy_url = _url(cluster, "proxy-url", "its proxy-url is neither http nor https, or not an URL")
    authority = _content(cluster, "certificate-authority", folder)
    if authority is not None:
        authority = certificates(authority, "its certificate authority")
    insecure = cluster.flag("insecure-skip-tls-verify")
    if authority and insecure:
        raise UnusableError("it names a certificate authority and insecure-skip-tls-verify at once")
    access = Access(server.rstrip("/"), authority, cluster.header("tls-server-name"), insecure, proxy_url, User())
    return replace(access, user=_user(user, folder, _for_plugin(access, cluster)))


def _url(section: Fields, key: str, otherwise: str) -> str:
    """Raises UnusableError with the text `otherwise`."""
    url = section.text(key) or ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UnusableError(otherwise)
    return url


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _user(user: Fields, folder: Path, cluster: Mapping[str, Any]) -> User:
    if user.map("auth-provider").values:
        raise UnusableError("its auth-provider is no longer supported by Kubernetes; use an exec plugin")
    certificate, key = _content(user, "client-certificate", folder), _content(user, "client-key", folder)
    if (certificate is None) != (key is None):
        raise UnusableError("it has only one of client certificate and client key")
    token_file = user.text("tokenFile")
    username, password = user.text("username"), user.text("password")
    return User(
        token=user.header("token"),
        token_file=folder / token_file if token_file else None,
        certificate=certificate and certificates(certificate, "its client certificate"),
        key=key and private_key(key, "its client key"),
        basic=(username, password or "") if username else None,
        plugin=_plugin(user.map("exec"), folder, cluster) if user.values.get("exec") is not None else None,
        impersonation=_impersonation(user),
    )


def _plugin(values: Fields, folder: Path, cluster: Mapping[str, Any]) -> Plugin:
    plugin = replace(values, whose="its exec plugin's")
    command, api_version = plugin.text("command"), plugin.text("apiVersion")
    if not command:
        raise UnusableError("its exec plugin has no command")
    if api_version not in PLUGIN_API_VERSIONS:
        raise UnusableError(
            f"the apiVersion {api_version} of its exec plugin is not one of {', '.join(PLUGIN_API_VERSIONS)}"
        )
    if plugin.text("interactiveMode") == "Always":
        raise UnusableError(f"its exec plugin {command} wants to ask questions (interactiveMode: Always)")
    return Plugin(
        command=str(folder / command) if "/" in command else command,
        arguments=plugin.texts("args"),
        environment=dict(_variable(entry) for entry in plugin.maps("env")),
        api_version=api_version,
        cluster=cluster if plugin.flag("provideClusterInfo") else None,
        install_hint=plugin.text("installHint") or "",
    )


def _variable(entry: Fields) -> tuple[str, str]:
    name, value = entry.text("name"), entry.text("value")
    if not name or "=" in name or (value is None and entry.values.get("value") is None):
        raise UnusableError("its exec plugin's env has an entry without a name or without a value")
    return name, value or ""


def _for_plugin(access: Access, cluster: Fields) -> dict[str, Any]:
    """What a plugin with provideClusterInfo is told, in the words of the ExecCredential API."""
    authority = access.certificate_authority
    config = next(
        (each.values.get("extension") for each in cluster.maps("extensions") if each.text("name") == CLUSTER_EXTENSION),
        None,
    )
    told = {
        "server": access.server,
        "tls-server-name": access.tls_server_name,
        "insecure-skip-tls-verify": access.insecure or None,
        "certificate-authority-data": base64.b64encode(authority.encode()).decode() if authority else None,
        "proxy-url": access.proxy_url,
        "config": config,
    }
    return {key: value for key, value in told.items() if value is not None}


def _impersonation(user: Fields) -> tuple[tuple[str, str], ...]:
    headers = [("Impersonate-User", who)] if (who := user.header("as")) else []
    headers += [("Impersonate-Uid", uid)] if (uid := user.header("as-uid")) else []
    headers += [("Impersonate-Group", group) for group in _headers(user, "as-groups")]
    extra = replace(user.map("as-user-extra"), whose="its as-user-extra")
    for key in extra.values:
        if not isinstance(key, str) or not is_plain(key):
            raise UnusableError("its as-user-extra has a key that is not a string")
        name = quote(key, safe="!#$&'*+-.^_`|~")
        headers += [(f"Impersonate-Extra-{name}", value) for value in _headers(extra, key)]
    return tuple(headers)


def _headers(section: Fields, key: str) -> tuple[str, ...]:
    return tuple(sendable(value, f"{section.whose} {key}") for value in section.texts(key))


def _named(document: Fields, section: str, key: str, name: str) -> Fields:
    for entry in document.maps(section):
        if entry.text("name") == name and entry.values.get(key) is not None:
            return entry.map(key)
    raise UnusableError(f"it has no {key} named {name!r}")


def _content(section: Fields, key: str, folder: Path) -> str | None:
    """The content of `<key>-data`, or of the file that `<key>` names (from the kubeconfig's folder); None where there
    is neither. What is not text in it is of no matter: certificates and keys are."""
    data, file = section.text(f"{key}-data"), section.text(key)
    try:
        if data is not None:
            return base64.b64decode("".join(data.split()), validate=True).decode(errors="replace")
        return (folder / file).read_bytes().decode(errors="replace") if file is not None else None
    except OSError as error:
        raise UnusableError(f"its {key} {file} cannot be read ({error.strerror or error})") from error
    except (binascii.Error, ValueError):
        raise UnusableError(f"its {key} is not PEM in base64") from None
