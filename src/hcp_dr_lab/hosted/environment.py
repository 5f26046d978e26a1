"""The documented variables for one hosted cluster of the region, and the AWS variables that point to the region."""

from __future__ import annotations

from hcp_dr_lab.ground.layout import AWS_REGION, BUCKET, HOSTED_DOMAIN, MANAGEMENT_CLUSTERS, HostedClusterNames, Layout


def variables(
    layout: Layout, names: HostedClusterNames, *, zone_id: str, replicas: int, availability: str = "SingleReplica"
) -> dict[str, str]:
    """Return the variables for relocating from mgmt-1 to mgmt-2. `replicas` is the sum over all NodePools."""
    source, destination = MANAGEMENT_CLUSTERS
    credentials = str(layout.aws_credentials_file)
    folder = layout.root / "hosted" / names.name
    return {
        "HC_CLUSTER_NS": names.namespace,
        "HC_CLUSTER_NAME": names.name,
        "HC_CLUSTER_DIR": str(folder),
        "BACKUP_DIR": str(folder / "backup"),
        "MGMT_CLUSTER_NAME": source.name,
        "MGMT2_CLUSTER_NAME": destination.name,
        "MGMT_KUBECONFIG": str(layout.product_kubeconfig(source.name)),
        "MGMT2_KUBECONFIG": str(layout.product_kubeconfig(destination.name)),
        "MGMT2_REGION": AWS_REGION,
        "HC_KUBECONFIG": str(layout.product_kubeconfig(names.name)),
        "BUCKET_NAME": BUCKET,
        "AWS_CREDS": credentials,
        "AWS_ZONE_ID": zone_id,
        "EXTERNAL_DNS_DOMAIN": HOSTED_DOMAIN,
        "NODEPOOLS": ",".join(names.node_pools),
        "NODE_POOL_REPLICAS": str(replicas),
        "CONTROL_PLANE_AVAILABILITY_POLICY": availability,
        "AWS_SHARED_CREDENTIALS_FILE": credentials,
        "AWS_REGION": AWS_REGION,
        "AWS_DEFAULT_REGION": AWS_REGION,  # the variable that boto3 reads
        "AWS_CA_BUNDLE": str(layout.ca_file),
        "AWS_ENDPOINT_URL_S3": layout.s3_endpoint,
        "AWS_ENDPOINT_URL_EC2": layout.aws_endpoint,
        "AWS_ENDPOINT_URL_ROUTE_53": layout.aws_endpoint,
        "AWS_ENDPOINT_URL_STS": layout.aws_endpoint,
    }


def text(values: dict[str, str]) -> str:
    """Format for a shell and for `--env-file`."""
    return "".join(f"{name}={value}\n" for name, value in values.items())
