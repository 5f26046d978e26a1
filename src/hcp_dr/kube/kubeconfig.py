"""Reads one context of a kubeconfig.

The kubeconfig decides which cluster is changed and as which user, so no field is guessed or ignored: a kubeconfig with
an unsupported or invalid field is refused, with a readable reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from hcp_dr import inputs
from hcp_dr.kube.fields import Fields, UnusableError, certificates, header_value, is_plain, private_key

PLUGIN_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
CLUSTER_EXTENSION = "client.authentication.k8s.io/exec"
_MOST_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Plugin:
    """A command that prints credentials. `cluster` is the cluster's description for it, None without
    provideClusterInfo."""

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    api_version: str
    cluster: Mapping[str, Any] | None
    install_hint: str


@dataclass(frozen=True, slots=True)
class User:
    """The user of the requests. Certificates and keys are PEM."""

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
    """The address of an API server, the verification of its certificate, and the user of the requests."""

    server: str
    certificate_authority: str | None
    tls_server_name: str | None
    insecure: bool
    proxy_url: str | None = field(repr=False)  # may contain a password
    user: User
    context: str = ""  # its name in the kubeconfig

    @property
    def authority(self) -> str:
        """The digest of the certificate authorities, regardless of white space around them."""
        text = (self.certificate_authority or "").strip()
        return hashlib.sha256(text.encode()).hexdigest() if text else ""

    @property
    def unverified(self) -> str:
        """Why the server's identity cannot be verified; "" if its certificate is verified, or if the server is this
        machine and gets no credentials (kubectl proxy)."""
        if urlsplit(self.server).scheme == "http":
            local = _is_this_machine(urlsplit(self.server).hostname or "")
            return "" if local and not self.user.has_credentials else "its URL is http, without TLS"
        return "insecure-skip-tls-verify is true in its kubeconfig" if self.insecure else ""


def read(path: Path, context: str | None = None) -> Access:
    """Raises UnusableError."""
    try:
        document = inputs.parse_yaml(inputs.read_file(path, limit=_MOST_BYTES).decode())
    except OSError as error:
        raise UnusableError(f"it cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise UnusableError("it is not text") from error
    except inputs.InputError as error:
        raise UnusableError(str(error)) from error
    if not isinstance(document, dict):
        raise UnusableError("it is not a kubeconfig")
    fields = Fields(document)
    context_name = context or fields.text("current-context")
    if not context_name:
        raise UnusableError("it has no current-context")
    existing = [entry.text("name") or "?" for entry in fields.maps("contexts")]
    if context_name not in existing:
        raise UnusableError(f"it has no context named {context_name!r}, but {', '.join(existing) or 'none'}")
    selected = _named(fields, "contexts", "context", context_name)
    cluster = _named(fields, "clusters", "cluster", selected.text("cluster") or "")
    user_name = selected.text("user")
    user = _named(fields, "users", "user", user_name) if user_name else Fields({})
    return replace(_access(cluster, user, path.parent), context=context_name)


def _access(cluster: Fields, user: Fields, folder: Path) -> Access:
    server = _url(cluster, "server", f"its server {cluster.text('server') or ''!r} is not a URL")
    if urlsplit(server).username is not None:
        raise UnusableError("its server contains a user name, which belongs in the users section")
    proxy_url = None
    if cluster.text("proxy-url"):
        proxy_url = _url(cluster, "proxy-url", "its proxy-url is not an http or https URL")
    authority = _content(cluster, "certificate-authority", folder)
    if authority is not None:
        authority = certificates(authority, "its certificate authority")
    insecure = cluster.flag("insecure-skip-tls-verify")
    if authority and insecure:
        raise UnusableError("it has both a certificate authority and insecure-skip-tls-verify")
    access = Access(server.rstrip("/"), authority, cluster.header("tls-server-name"), insecure, proxy_url, User())
    return replace(access, user=_user(user, folder, _for_plugin(access, cluster)))


def _url(section: Fields, key: str, reason: str) -> str:
    """Raises UnusableError with the text `reason`."""
    url = section.text(key) or ""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UnusableError(reason)
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
        raise UnusableError("it has a client certificate without a client key, or the reverse")
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
    plugin = replace(values, label="its exec plugin's")
    command, api_version = plugin.text("command"), plugin.text("apiVersion")
    if not command:
        raise UnusableError("its exec plugin has no command")
    if api_version not in PLUGIN_API_VERSIONS:
        raise UnusableError(
            f"its exec plugin's apiVersion {api_version} is not supported (supported: {', '.join(PLUGIN_API_VERSIONS)})"
        )
    if plugin.text("interactiveMode") == "Always":
        raise UnusableError(f"its exec plugin {command} is interactive (interactiveMode: Always)")
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
    """The cluster's description for a plugin with provideClusterInfo, as the ExecCredential API defines it."""
    authority = access.certificate_authority
    config = next(
        (each.values.get("extension") for each in cluster.maps("extensions") if each.text("name") == CLUSTER_EXTENSION),
        None,
    )
    info = {
        "server": access.server,
        "tls-server-name": access.tls_server_name,
        "insecure-skip-tls-verify": access.insecure or None,
        "certificate-authority-data": base64.b64encode(authority.encode()).decode() if authority else None,
        "proxy-url": access.proxy_url,
        "config": config,
    }
    return {key: value for key, value in info.items() if value is not None}


def _impersonation(user: Fields) -> tuple[tuple[str, str], ...]:
    headers = [("Impersonate-User", name)] if (name := user.header("as")) else []
    headers += [("Impersonate-Uid", uid)] if (uid := user.header("as-uid")) else []
    headers += [("Impersonate-Group", group) for group in _headers(user, "as-groups")]
    extra = replace(user.map("as-user-extra"), label="its as-user-extra")
    for key in extra.values:
        if not isinstance(key, str) or not is_plain(key):
            raise UnusableError("its as-user-extra has a key that is not a string")
        name = quote(key, safe="!#$&'*+-.^_`|~")
        headers += [(f"Impersonate-Extra-{name}", value) for value in _headers(extra, key)]
    return tuple(headers)


def _headers(section: Fields, key: str) -> tuple[str, ...]:
    return tuple(header_value(value, f"{section.label} {key}") for value in section.texts(key))


def _named(document: Fields, section: str, key: str, name: str) -> Fields:
    for entry in document.maps(section):
        if entry.text("name") == name and entry.values.get(key) is not None:
            return entry.map(key)
    raise UnusableError(f"it has no {key} named {name!r}")


def _content(section: Fields, key: str, folder: Path) -> str | None:
    """The content of `<key>-data`, or of the file `<key>` (relative to the kubeconfig's folder); None if both are
    absent. Bytes that are not text are replaced: certificates and keys are text."""
    data, file = section.text(f"{key}-data"), section.text(key)
    try:
        if data is not None:
            return base64.b64decode("".join(data.split()), validate=True).decode(errors="replace")
        return inputs.read_file(folder / file, limit=_MOST_BYTES).decode(errors="replace") if file is not None else None
    except OSError as error:
        raise UnusableError(f"its {key} {file} cannot be read ({error.strerror or error})") from error
    except (binascii.Error, ValueError):
        raise UnusableError(f"its {key} is not PEM in base64") from None
