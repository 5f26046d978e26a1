"""The env file: the documented variables for one hosted cluster, and those that point an AWS client at the region."""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr_lab.region.cloud import aws
from hcp_dr_lab.region.layout import (
    AWS_REGION,
    BUCKET,
    HOSTED_DOMAIN,
    MANAGEMENT_CLUSTERS,
    HostedClusterNames,
    Layout,
)
from hcp_dr_lab.region.pki import write_secret


def write(layout: Layout, names: HostedClusterNames, *, workers: int, availability: str) -> None:
    """`availability` is SingleReplica or HighlyAvailable; `workers` the replicas of the NodePool."""
    values = variables(layout, names, workers=workers, availability=availability)
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    write_secret(layout.env_file(names.name), text.encode())


def variables(layout: Layout, names: HostedClusterNames, *, workers: int, availability: str) -> Mapping[str, str]:
    """In the order in which the documented procedure uses them; AWS's own names last."""
    source, destination = MANAGEMENT_CLUSTERS
    folder = layout.root / "hosted" / names.name
    return {
        "HC_CLUSTER_NS": names.namespace,
        "HC_CLUSTER_NAME": names.name,
        "HC_CLUSTER_DIR": str(folder),
        "BACKUP_DIR": str(folder / "backup"),
        "HC_KUBECONFIG": str(layout.hosted_kubeconfig(names.name)),
        "MGMT_CLUSTER_NAME": source.name,
        "MGMT_KUBECONFIG": str(layout.management_kubeconfig(source)),
        "MGMT2_CLUSTER_NAME": destination.name,
        "MGMT2_KUBECONFIG": str(layout.management_kubeconfig(destination)),
        "MGMT2_REGION": AWS_REGION,
        "BUCKET_NAME": BUCKET,
        "AWS_CREDS": str(layout.aws_credentials_file),
        "AWS_ZONE_ID": aws.seeded(layout).zone_id,
        "EXTERNAL_DNS_DOMAIN": HOSTED_DOMAIN,
        "CONTROL_PLANE_AVAILABILITY_POLICY": availability,
        "NODEPOOLS": names.node_pool,
        "NODE_POOL_REPLICAS": str(workers),
        "AWS_ENDPOINT_URL_S3": layout.s3_endpoint,
        "AWS_ENDPOINT_URL_EC2": layout.aws_endpoint,
        "AWS_ENDPOINT_URL_ROUTE_53": layout.aws_endpoint,
        "AWS_ENDPOINT_URL_STS": layout.aws_endpoint,
        "AWS_CA_BUNDLE": str(layout.ca_file),
        "AWS_REGION": AWS_REGION,
        "AWS_SHARED_CREDENTIALS_FILE": str(layout.aws_credentials_file),
    }
