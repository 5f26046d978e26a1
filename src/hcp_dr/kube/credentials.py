"""The credentials of a kubeconfig's user, renewed when they expire.

Tokens may expire during a relocation, so each request reads the credentials that are valid now, and renews a refused
token once. Many threads share the credentials and a plugin may be slow: it runs in one thread at a time.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hcp_dr.hiding import without_random_words
from hcp_dr.inputs import read_file, run_program
from hcp_dr.kube.fields import Fields, UnusableError, header_value
from hcp_dr.kube.kubeconfig import Plugin, User

_TOKEN_BYTES = 256 * 1024
RENEW_BEFORE = timedelta(seconds=30)  # before the expiry, so that requests in flight stay valid


class CredentialsError(Exception):
    """No credentials are available; the text gives the reason, without secrets."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The user's credential: an Authorization header, a client certificate with its key (PEM), or both."""

    authorization: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    expires: datetime | None = None

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires - RENEW_BEFORE


class Credentials:
    """`current` is for each request; `renewed` is for a request that the server refused with 401."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._lock = threading.Lock()
        self._from_plugin: Credential | None = None

    def current(self) -> Credential:
        """Raises CredentialsError."""
        user = self._user
        if user.plugin is None:
            return Credential(self._authorization(), user.certificate, user.key)
        with self._lock:
            if self._from_plugin is None or self._from_plugin.expired(datetime.now(UTC)):
                self._from_plugin = run_plugin(user.plugin)
            return self._from_plugin

    def renewed(self, refused: Credential) -> Credential | None:
        """A credential different from `refused`, or None. Raises CredentialsError."""
        if self._user.plugin is not None:
            with self._lock:
                if self._from_plugin is refused:
                    self._from_plugin = None
        credential = self.current()
        same = (credential.authorization, credential.certificate) == (
            refused.authorization,
            refused.certificate,
        )
        return None if same else credential

    def _authorization(self) -> str | None:
        user = self._user
        if user.token_file is not None:
            try:
                token = read_file(user.token_file, limit=_TOKEN_BYTES).decode()
            except (OSError, UnicodeDecodeError) as error:
                raise CredentialsError(f"the token file {user.token_file} cannot be read") from error
            return _bearer(token, f"the token in {user.token_file}")
        if user.token is not None:
            return f"Bearer {user.token}"
        if user.basic is not None:
            return "Basic " + base64.b64encode(":".join(user.basic).encode()).decode()
        return None


def _bearer(token: str, label: str) -> str:
    try:
        return f"Bearer {header_value(token, label)}"
    except UnusableError as error:
        raise CredentialsError(str(error)) from None


def run_plugin(plugin: Plugin) -> Credential:
    """Run the plugin and read its ExecCredential. Raises CredentialsError."""
    spec: dict[str, Any] = {"interactive": False}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    request = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    environment = {**os.environ, **plugin.environment, "KUBERNETES_EXEC_INFO": json.dumps(request, default=str)}
    try:
        process = run_program([plugin.command, *plugin.arguments], environment=environment)
    except OSError as error:
        hint = f" ({plugin.install_hint.strip()})" if plugin.install_hint else ""
        raise CredentialsError(
            f"the credential plugin {plugin.command} cannot be used: {error.strerror or error}{hint}"
        ) from error
    if process.returncode != 0:
        stderr = without_random_words(" ".join(process.stderr.decode(errors="replace").split()))
        raise CredentialsError(
            f"the credential plugin {plugin.command} ended with exit code {process.returncode}: {stderr}"
        )
    return _parse(plugin, process.stdout)


def _parse(plugin: Plugin, output: bytes) -> Credential:
    label = f"the credential plugin {plugin.command}"
    try:
        document = json.loads(output)
        status = Fields(document["status"])
        token, expiry = status.text("token"), status.text("expirationTimestamp")
        credential = Credential(
            _bearer(token, f"the token of {label}") if token else None,
            status.text("clientCertificateData"),
            status.text("clientKeyData"),
            _timestamp(expiry) if expiry else None,
        )
        version = document["apiVersion"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UnusableError):  # may quote the token
        raise CredentialsError(f"{label} did not print an ExecCredential") from None
    if version != plugin.api_version:
        raise CredentialsError(
            f"the credential plugin {plugin.command} answered with apiVersion {version} instead of {plugin.api_version}"
        )
    if bool(credential.certificate) != bool(credential.key) or not (credential.authorization or credential.certificate):
        raise CredentialsError(
            f"the credential plugin {plugin.command} returned neither a token nor a client certificate with its key"
        )
    return credential


def _timestamp(text: str) -> datetime:
    """Parse a timestamp; one without a time zone is in UTC."""
    timestamp = datetime.fromisoformat(text)
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
