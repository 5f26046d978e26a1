"""What the region's servers share: certificates from the region's authority, and probes that say why one is not up."""

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
    """Certificate and key of one server, made at its first start and kept."""
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
    """None when the URL answers over TLS that the region's authority vouches for; any HTTP status is an answer."""
    if not layout.ca_file.exists():
        return f"{layout.ca_file} is not there"
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
    """None when every one of these takes TCP connections."""
    for address, port in places:
        try:
            socket.create_connection((address, port), timeout=PROBE_SECONDS).close()
        except OSError as error:
            return f"{address}:{port} takes no connections: {error}"
    return None


def all_of(*probes: Callable[[], str | None]) -> Callable[[], str | None]:
    """The first reason that any of the probes gives."""
    return lambda: next((reason for probe in probes if (reason := probe())), None)


def log_to_stderr() -> None:
    """What a server does and meets; not each request that it sends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
