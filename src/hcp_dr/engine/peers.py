"""The identity of a relocation's clusters, and whether the kubeconfigs still lead to them.

A kubeconfig leads to the target of its current-context, a proxy or a DNS name at the moment, and fleets reuse the names
of hosted clusters in several places. Some identifiers are unique: the uid of namespace kube-system of a management
cluster, the uid of the HostedCluster and its infraID, the cluster ID of the hosted cluster, the AWS account.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hcp_dr.aws.port import Identity
from hcp_dr.errors import RESUME, CreatedAgain, KubernetesError, SettingsError, WrongCluster
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CLUSTER_VERSION, HOSTED_CLUSTER, NAMESPACE
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import dig, uid_of
from hcp_dr.upstream import KUBE_SYSTEM, OPERATOR, OPERATOR_NAMESPACE

VARIABLES = {"source": "MGMT_KUBECONFIG", "destination": "MGMT2_KUBECONFIG", "hosted": "HC_KUBECONFIG"}
_OTHER: dict[Side, Side] = {"source": "destination", "destination": "source"}


@dataclass(frozen=True, slots=True)
class Stranger:
    """A cluster behind a kubeconfig that is not the cluster with which the relocation began. `again`: the management
    cluster is the same, and the hosted cluster was created there again."""

    side: Side
    server: str
    why: str
    again: bool = False

    @property
    def error(self) -> WrongCluster:
        if self.again:
            return _created_again(self)
        todo = WrongCluster.todo.replace("the kubeconfig", VARIABLES[self.side])
        return WrongCluster(side=self.side, server=self.server, why=self.why, todo=todo)


def _created_again(found: Stranger) -> CreatedAgain:
    stop = f"oc -n {OPERATOR_NAMESPACE} scale deployment/{OPERATOR} --replicas=0"
    return CreatedAgain(
        what=f"Another client created the hosted cluster on the {found.side} ({found.server}) again: {found.why}. A "
        "second control plane with this infraID comes up there: it creates instances and replaces the OIDC documents.",
        left="The objects that were created again are left unchanged.",
        todo=f"At once, stop the HyperShift operator of the {found.side}: `{stop}`. Then stop the client that creates "
        "these objects. While the operator is stopped, also scale the Deployments of the control plane namespace to 0; "
        "delete the NodePools, the machine objects, the HostedControlPlane and the HostedCluster, and remove their "
        "finalizers: a running operator would terminate instances and delete the OIDC documents. Start the operator, "
        f"then run {RESUME}.",
    )


def uid_of_cluster(cluster: Kubernetes) -> str:
    """The identity of a management cluster. Raises KubernetesError."""
    return uid_of(cluster.get(NAMESPACE, KUBE_SYSTEM))


def known_uid(case: Case, side: Side) -> str:
    """The uid of the management cluster when the relocation began; "" if the journal has none."""
    return case.source_uid if side == "source" else case.destination_uid


def stranger(ports: Ports, case: Case, side: Side) -> Stranger | None:
    """The management cluster behind this port if it is not the one of the case. A HostedCluster missing on the source
    is no sign: teardown removes it. Raises KubernetesError."""
    cluster = ports.cluster(side)
    other = another_cluster(cluster, case, side)
    if other is None and side == "source":
        found = namesake(ports, case, cluster.find(HOSTED_CLUSTER, case.name, case.namespace))
        return replace(found, again=True) if found else None
    return other


def another_cluster(cluster: Kubernetes, case: Case, side: Side) -> Stranger | None:
    """This management cluster if its uid is not the one of the case. Raises KubernetesError."""
    known, now = known_uid(case, side), uid_of_cluster(cluster)
    why = ""
    if now == known_uid(case, _OTHER[side]):
        why = f"it is the {_OTHER[side]} of this relocation"
    elif now != known:
        why = f"its namespace {KUBE_SYSTEM} has uid {now}, and the journal has {known or 'none'}"
    return Stranger(side, cluster.server, why) if why else None


def namesake(ports: Ports, case: Case, hosted_cluster: Object | None) -> Stranger | None:
    """The source, if its HostedCluster of this name is not the one of the case."""
    if hosted_cluster is None:
        return None
    identifiers = (
        ("uid", uid_of(hosted_cluster), case.hosted_cluster_uid),
        ("infraID", str(dig(hosted_cluster, "spec", "infraID") or ""), case.infra_id),
    )
    differences = [
        f"{word} {now or 'none'} instead of {known}" for word, now, known in identifiers if known and now != known
    ]
    why = f"its HostedCluster {case.namespace}/{case.name} has {' and '.join(differences)}"
    return Stranger("source", ports.source.server, why) if differences else None


def stranger_inside(ports: Ports, cluster_id: str) -> Stranger | None:
    """The hosted cluster behind its port if its cluster ID differs from this one. None if no ID is known. Raises
    KubernetesError."""
    if not cluster_id:
        return None
    now = str(dig(ports.hosted.find(CLUSTER_VERSION, "version"), "spec", "clusterID") or "")
    why = f"its ClusterVersion has clusterID {now or 'none'} instead of {cluster_id}"
    return Stranger("hosted", ports.hosted.server, why) if now != cluster_id else None


def another_address(ports: Ports, case: Case) -> Stranger | None:
    """The hosted kubeconfig if its server is not the API's fixed hostname: a load balancer of the source dies with the
    source, and an address of the destination would prove nothing about the name."""
    host = urlsplit(ports.hosted.server).hostname or ""
    why = f"its server is {host or 'none'}, and the fixed hostname of the API is {case.api_hostname}"
    return Stranger("hosted", ports.hosted.server, why) if host != case.api_hostname.lower() else None


def account_of(arn: str) -> str:
    """The AWS account in an ARN, "" if it has none."""
    return next(iter(arn.split(":")[4:5]), "")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The AWS accounts of the credentials for each part."""

    bucket: str = ""
    zone: str = ""
    instances: str = ""


def read_accounts(identity: Identity) -> Accounts:
    """Raises AwsError."""
    account = account_of(identity.arn())
    own = {service: account_of(each.arn()) for service, each in identity.others().items()}
    return Accounts(account, own.get("Route53", account), own.get("EC2", account))


def check_same_account(ports: Ports, case: Case) -> None:
    """A profile of another account finds other instances, or none; a bucket may be created again in another region.
    Raises SettingsError, AwsError."""
    accounts = read_accounts(ports.identity) if case.account else Accounts()
    for what, now, known in (
        ("AWS credentials of account", accounts.bucket, case.account),
        ("AWS credentials for Route53 of account", accounts.zone, case.zone_account),
        ("AWS credentials for EC2 of account", accounts.instances, case.instances_account),
        (f"bucket {case.bucket} in region", ports.bucket.region, case.bucket_region),
    ):
        if known and now != known:
            raise SettingsError(
                what=f"The relocation began with {what} {known}, but the settings lead to {what} {now or 'unknown'}.",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Use the AWS credentials and settings of the beginning of the relocation.",
            )


def other_ways(ports: Ports, case: Case) -> tuple[str, ...]:
    """The management clusters that are reached by another server or certificate authority than at the beginning. Both
    change in the life of a cluster: its uid proves that it is the same."""
    return tuple(
        f"The kubeconfig of the {side} has server {cluster.server}{f' instead of {server}' if moved else ''}"
        f"{', with another certificate authority' if renewed else ''}: hcp-dr continues only if the uid of its "
        f"namespace {KUBE_SYSTEM} is the one of this relocation."
        for side, cluster, server, authority in (
            ("source", ports.source, case.source_server, case.source_authority),
            ("destination", ports.destination, case.destination_server, case.destination_authority),
        )
        for moved, renewed in [(server and cluster.server != server, authority and cluster.authority != authority)]
        if moved or renewed
    )


def check_answering(ports: Ports, case: Case, *, lost: bool) -> None:
    """Before anything else is read or a Lease is taken: each cluster that answers is the one of the case. The steps and
    the Leases check the others once they answer. A hosted cluster without clusterID is judged by its content later.
    Raises WrongCluster, KubernetesError."""
    for side in _OTHER:
        if known_uid(case, side) and not (lost and side == "source"):
            try:
                check_same_cluster(ports, case, side)
            except KubernetesError as error:
                if not error.passing:
                    raise
    with suppress(KubernetesError):
        inside = dig(ports.hosted.find(CLUSTER_VERSION, "version"), "spec", "clusterID")
        other = stranger_inside(ports, case.cluster_id) if inside else None
        if other is not None:
            raise other.error


def check_same_cluster(ports: Ports, case: Case, side: Side) -> None:
    """Raises WrongCluster, KubernetesError."""
    other = stranger(ports, case, side)
    if other is not None:
        raise other.error
