"""spec.kubeAPIServerDNSName: a further name of the API, which its owner keeps, and which no external-dns moves."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.step import Check
from hcp_dr.hypershift.dns.external_dns import under
from hcp_dr.kube.port import Object
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig


@dataclass(frozen=True, slots=True)
class CustomName:
    name: str
    target: str  # the fixed hostname of the API
    found: str = ""  # the value of its record in the zone; "" if the zone has none

    @property
    def follows(self) -> bool:
        return self.found == self.target


def read_custom_name(ports: Ports, case: Case, hosted_cluster: Object) -> CustomName | None:
    """Reads the zone only if the name is in it."""
    name = str(dig(hosted_cluster, "spec", "kubeAPIServerDNSName") or "").rstrip(".").lower()
    if not name or name == case.api_hostname:
        return None
    records = ports.zone.records() if under(name, ports.zone.domain()) else ()
    values = [each.alias[1] if each.alias else ", ".join(each.values) for each in records if each.name == name]
    return CustomName(name, case.api_hostname, next((value.rstrip(".").lower() for value in values), ""))


def check_custom_name(custom: CustomName) -> tuple[Check, ...]:
    label = "custom_api_name"
    if custom.follows:
        return (Check(label, "ok", f"{custom.name} follows {custom.target} by its record"),)
    leads = f"its record leads to {custom.found}" if custom.found else "its record is kept outside of the zone"
    return (
        Check(
            label,
            "warning",
            f"kubeAPIServerDNSName is {custom.name}, and {leads}",
            "no external-dns moves this name: kubeconfigs with it lead to the source, and to nothing after teardown",
            f"let {custom.name} be a CNAME of {custom.target}, which moves; or change its record by hand as soon as "
            "the API answers on the destination",
        ),
    )
