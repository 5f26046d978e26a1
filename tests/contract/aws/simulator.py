"""The region's simulator of Route53, EC2 and STS as a process on loopback, without TLS and without a region.

It serves on two ports: as it is, and with Route53's limit of requests. The ports are its only line on stdout, and it
ends with its stdin.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import route53_backends
from werkzeug.serving import ThreadedWSGIServer

from hcp_dr_lab.ground.layout import AWS_ACCOUNT
from hcp_dr_lab.region.cloud.aws_simulator import PARTITION, Handler, Zones, follow_the_rules
from hcp_dr_lab.tabletop.aws.records import REQUESTS_PER_SECOND, Throttle
from hcp_dr_lab.tabletop.aws.refusal import Refusal

ROUTE53 = "/2013-04-01/"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def throttled(application: Application) -> Application:
    """Its clock goes on by a fiftieth of a second at each request, so that a slow machine is throttled too."""
    ticks = itertools.count()
    throttle = Throttle(REQUESTS_PER_SECOND, lambda: next(ticks) / 50)

    def answer(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environment["PATH_INFO"].startswith(ROUTE53):
            try:
                throttle.take()
            except Refusal as refusal:
                start(f"{refusal.http} Refused", [("Content-Type", "text/xml")])
                error = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
                return [f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()]
        return application(environment, start)

    return answer


def main(folder: Path) -> None:
    zones = Zones(route53_backends[AWS_ACCOUNT][PARTITION], folder / "zones.json")
    follow_the_rules(zones)
    plain = DomainDispatcherApplication(create_backend_app)
    servers = [ThreadedWSGIServer("127.0.0.1", 0, app, Handler) for app in (plain, throttled(plain))]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps([server.server_port for server in servers]) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
