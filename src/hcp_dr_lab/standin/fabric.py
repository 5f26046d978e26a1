"""Cloud resources of the operators except instances, in memory: OIDC documents, security groups, private connections.

One instance is shared by all management clusters, like the cloud.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from hcp_dr_lab.standin.change import (
    AllowInto,
    CloudChange,
    CreateEndpoint,
    CreateEndpointService,
    CreateSecurityGroup,
    DeleteDocument,
    DeleteEndpoint,
    DeleteEndpointService,
    DeletePrivateRecord,
    DeleteSecurityGroup,
    PutDocument,
    PutPrivateRecord,
    RevokeRules,
)
from hcp_dr_lab.standin.view import Endpoint, EndpointService, SecurityGroup

_SERVICE = "com.amazonaws.vpce.us-east-1"
_ENDPOINT_DOMAIN = "vpce-svc.us-east-1.vpce.amazonaws.com"


@dataclass(slots=True)
class Fabric:
    """`parts` are the fields of View with the same names."""

    documents: dict[str, str] = field(default_factory=dict)
    security_groups: dict[str, SecurityGroup] = field(default_factory=dict)
    endpoint_services: dict[str, EndpointService] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    private_records: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def parts(self) -> dict[str, Any]:
        """Return copies for one View."""
        return {
            "documents": dict(self.documents),
            "security_groups": dict(self.security_groups),
            "endpoint_services": dict(self.endpoint_services),
            "endpoints": dict(self.endpoints),
            "private_records": dict(self.private_records),
        }

    def perform(self, change: CloudChange, *, groups_in_use: Iterable[str] = ()) -> bool:
        """Perform a change. Return False if AWS would refuse: deleting a security group with an instance."""
        match change:
            case PutDocument(key, content):
                self.documents[key] = content
            case DeleteDocument(key):
                self.documents.pop(key, None)
            case CreateSecurityGroup(name, _, rules, tags):
                made = SecurityGroup(self._identity("sg"), name, rules, {**tags, "Name": name})
                self.security_groups[made.group_id] = made
            case AllowInto(group_id, rules):
                found = self.security_groups[group_id]
                self.security_groups[group_id] = replace(found, rules=(*found.rules, *rules))
            case RevokeRules(group_id):
                self.security_groups[group_id] = replace(self.security_groups[group_id], rules=())
            case DeleteSecurityGroup(group_id):
                if group_id in groups_in_use:
                    return False
                self.security_groups.pop(group_id, None)
            case PutPrivateRecord(_, name, value):
                self.private_records[name] = value
            case DeletePrivateRecord(_, name):
                self.private_records.pop(name, None)
            case _:
                self._change_way(change)
        return True

    def _change_way(
        self, change: CreateEndpointService | DeleteEndpointService | CreateEndpoint | DeleteEndpoint
    ) -> None:
        match change:
            case CreateEndpointService(load_balancer):
                identity = self._identity("vpce-svc")
                self.endpoint_services[identity] = EndpointService(identity, f"{_SERVICE}.{identity}", load_balancer)
            case DeleteEndpointService(service_id):
                self.endpoint_services.pop(service_id, None)
            case CreateEndpoint(service_name, _, _, _, tags):
                identity = self._identity("vpce")
                made = Endpoint(identity, service_name, f"{identity}.{_ENDPOINT_DOMAIN}", tags)
                self.endpoints[identity] = made
            case DeleteEndpoint(endpoint_id):
                self.endpoints.pop(endpoint_id, None)

    def _identity(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers):017x}"
