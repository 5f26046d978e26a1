"""Reads one context of a kubeconfig into a value.

The file decides which cluster is changed and as whom, so nothing in it is guessed or passed over in silence:
what cannot be honoured is a reason to refuse it, in words for a person.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

PLUGIN_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
CLUSTER_EXTENSION = "client.authentication.k8s.io/exec"


class UnusableError(Exception):
    """The reason why a kubeconfig cannot be used."""


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


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is, how its certificate is checked, and as whom it is asked."""

    server: str
    certificate_authority: str | None
    tls_server_name: str | None
    insecure: bool
    proxy_url: str | None
    user: User


def read(path: Path, context: str | None = None) -> Access:
    """Raises UnusableError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"it cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise UnusableError("it is not text") from error
    except yaml.YAMLError as error:  # its text quotes the file, which holds secrets
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise UnusableError(f"it is not YAML{where}") from None
    if not isinstance(document, dict):
        raise UnusableError("it is not a kubeconfig")
    chosen = context or document.get("current-context")
    if not chosen:
        raise UnusableError("it has no current-context")
    selected = _named(document, "contexts", "context", str(chosen))
    cluster = _named(document, "clusters", "cluster", _word(selected, "cluster") or "")
    user_name = _word(selected, "user")
    user = _named(document, "users", "user", user_name) if user_name else {}
    return _access(cluster, user, path.parent)


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> Access:
    server = _word(cluster, "server") or ""
    if urlsplit(server).scheme not in ("https", "http") or not urlsplit(server).hostname:
        raise UnusableError(f"its server {server!r} is not an URL")
    proxy_url = _word(cluster, "proxy-url")
    if proxy_url and urlsplit(proxy_url).scheme not in ("http", "https"):
        raise UnusableError("its proxy-url is neither http nor https")
    authority = _text(cluster, "certificate-authority", folder)
    insecure = bool(cluster.get("insecure-skip-tls-verify", False))
    if authority and insecure:
        raise UnusableError("it names a certificate authority and insecure-skip-tls-verify at once")
    access = Access(server.rstrip("/"), authority, _word(cluster, "tls-server-name"), insecure, proxy_url, User())
    return Access(**{**_fields(access), "user": _user(user, folder, _for_plugin(access, cluster))})


def _fields(access: Access) -> dict[str, Any]:
    return {name: getattr(access, name) for name in Access.__slots__}


def _user(user: Mapping[str, Any], folder: Path, cluster: Mapping[str, Any]) -> User:
    if user.get("auth-provider"):
        raise UnusableError("its auth-provider is no longer supported by Kubernetes; use an exec plugin")
    certificate, key = _text(user, "client-certificate", folder), _text(user, "client-key", folder)
    if bool(certificate) != bool(key):
        raise UnusableError("it has only one of client certificate and client key")
    token_file = _word(user, "tokenFile")
    username, password = _word(user, "username"), _word(user, "password")
    return User(
        token=_word(user, "token"),
        token_file=folder / token_file if token_file else None,
        certificate=certificate,
        key=key,
        basic=(username, password or "") if username else None,
        plugin=_plugin(user["exec"], folder, cluster) if user.get("exec") else None,
        impersonation=_impersonation(user),
    )


def _plugin(plugin: Mapping[str, Any], folder: Path, cluster: Mapping[str, Any]) -> Plugin:
    command, api_version = _word(plugin, "command"), _word(plugin, "apiVersion")
    if not command:
        raise UnusableError("its exec plugin has no command")
    if api_version not in PLUGIN_API_VERSIONS:
        raise UnusableError(
            f"the apiVersion {api_version} of its exec plugin is not one of {', '.join(PLUGIN_API_VERSIONS)}"
        )
    if plugin.get("interactiveMode") == "Always":
        raise UnusableError(f"its exec plugin {command} wants to ask questions (interactiveMode: Always)")
    return Plugin(
        command=str(folder / command) if "/" in command else command,
        arguments=tuple(str(argument) for argument in plugin.get("args") or ()),
        environment={str(entry["name"]): str(entry["value"]) for entry in plugin.get("env") or ()},
        api_version=api_version,
        cluster=cluster if plugin.get("provideClusterInfo") else None,
        install_hint=_word(plugin, "installHint") or "",
    )


def _for_plugin(access: Access, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """What a plugin with provideClusterInfo is told, in the words of the ExecCredential API."""
    authority = access.certificate_authority
    config = next(
        (entry.get("extension") for entry in cluster.get("extensions") or () if entry.get("name") == CLUSTER_EXTENSION),
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


def _impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    headers = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    headers += [("Impersonate-Uid", str(user["as-uid"]))] if user.get("as-uid") else []
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    extra = user.get("as-user-extra") or {}
    headers += [(f"Impersonate-Extra-{key}", str(value)) for key, values in extra.items() for value in values]
    return tuple(headers)


def _named(document: Mapping[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(key)
            if isinstance(value, dict):
                return value
    raise UnusableError(f"it has no {key} named {name!r}")


def _word(section: Mapping[str, Any], key: str) -> str | None:
    value = section.get(key)
    return str(value) if value not in (None, "") else None


def _text(section: Mapping[str, Any], key: str, folder: Path) -> str | None:
    """The content of `<key>-data`, or of the file that `<key>` names (from the kubeconfig's folder)."""
    data, file = _word(section, f"{key}-data"), _word(section, key)
    try:
        if data is not None:
            return base64.b64decode("".join(data.split()), validate=True).decode()
        return (folder / file).read_text(encoding="utf-8") if file is not None else None
    except OSError as error:
        raise UnusableError(f"its {key} {file} cannot be read ({error.strerror or error})") from error
    except (binascii.Error, UnicodeDecodeError):
        raise UnusableError(f"its {key} is not PEM{' in base64' if data else ''}") from None
