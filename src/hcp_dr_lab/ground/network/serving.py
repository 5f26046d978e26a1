"""Shared code of the region's servers: certificates from the region's authority, and readiness probes."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair

PROBE_SECONDS = 3.0


def server_certificate(
    layout: Layout, name: str, *, dns: tuple[str, ...], addresses: tuple[str, ...]
) -> tuple[Path, Path]:
    """Return certificate and key of a server, created at the first start and kept."""
    stem = layout.pki / name
    certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    if not (certificate.exists() and key.exists()):
        authority = CertificateAuthority(KeyPair.read(layout.ca_file.with_suffix("")))
        authority.issue(name, dns=dns, addresses=addresses, server=True).write(stem)
    return certificate, key


def server_context(layout: Layout, name: str, *, dns: tuple[str, ...], addresses: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_certificate(layout, name, dns=dns, addresses=addresses))
    return context


def not_answering(layout: Layout, url: str) -> str | None:
    """Return None if the URL answers over TLS with a certificate of the region's authority, with any HTTP status."""
    if not layout.ca_file.exists():
        return f"{layout.ca_file} does not exist"
    context = ssl.create_default_context(cafile=layout.ca_file)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        opener.open(url, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer: {error}"
    return None


def not_listening(*places: tuple[str, int]) -> str | None:
    """Return None if all places accept TCP connections."""
    for address, port in places:
        try:
            socket.create_connection((address, port), timeout=PROBE_SECONDS).close()
        except OSError as error:
            return f"{address}:{port} accepts no connections: {error}"
    return None


def all_of(*probes: Callable[[], str | None]) -> Callable[[], str | None]:
    """Combine the probes; return the first failing probe's reason."""
    return lambda: next((reason for probe in probes if (reason := probe())), None)


def log_to_stderr() -> None:
    """Log a server's events and errors, without every request sent by it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
