"""`hcp-dr rbac`: prints the minimal permissions of hcp-dr's user, for the administrator. Sends no request."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import typer

from hcp_dr import config
from hcp_dr.aws.client import settings_from
from hcp_dr.aws.partition import partition_of
from hcp_dr.cli.asking import show
from hcp_dr.cli.options import EnvFile, OutputOption
from hcp_dr.errors import SettingsError
from hcp_dr.hypershift.access import iam, roles
from hcp_dr.hypershift.access.permissions import SIDES
from hcp_dr.kube.port import Object
from hcp_dr.model import Side
from hcp_dr.objects.naming import is_name

Part = Literal["source", "destination", "hosted", "iam", "all"]
DEFAULT_USER = "hcp-dr"


def rbac(
    part: Annotated[Part, typer.Argument(help="The roles of a cluster, the AWS policy, or all.")] = "all",
    env_file: EnvFile = None,
    *,
    user: Annotated[str | None, typer.Option(help=f"Bind to this user; default: {DEFAULT_USER}.")] = None,
    group: Annotated[str | None, typer.Option(help="Bind to this group instead.")] = None,
    service_account: Annotated[
        str | None, typer.Option(help="Bind to this service account instead: NAMESPACE/NAME.")
    ] = None,
    infra_id: Annotated[
        str, typer.Option(help="Narrow the AWS policy to the instances with this infraID, of the HostedCluster's spec.")
    ] = "",
    output: OutputOption = "text",
) -> None:
    """Print the minimal roles and the AWS policy for a relocation. No request is sent, and nothing is changed."""
    variables = config.variables(env_file)
    settings = config.load(variables)
    subject = _subject(user, group, service_account)
    namespace, name = settings.hc_cluster_ns, settings.hc_cluster_name
    values: dict[str, Any] = {
        side: roles.as_list(roles.manifests(side, namespace, name, subject)) for side in SIDES if part in (side, "all")
    }
    texts = [roles.text(side, namespace, name) for side in SIDES if part in (side, "all")]
    if part in ("iam", "all"):
        named = settings_from(
            variables, bucket=settings.bucket_name, zone_id=settings.aws_zone_id, region=settings.mgmt2_region
        )
        region = settings.mgmt2_region or named.region or ""
        partition, suffix = partition_of(region)
        values["iam"] = iam.policy(
            iam.Scope(
                namespace=namespace,
                name=name,
                bucket=settings.bucket_name,
                zone_id=settings.aws_zone_id,
                domain=settings.external_dns_domain.rstrip(".").lower(),
                region=region,
                encryption=settings.bucket_encryption or "",
                infra_id=infra_id,
                partition=partition,
                suffix=suffix,
            )
        )
        texts.append(iam.text(values["iam"]))
    value = values if part == "all" else values[cast("Side", part)]
    show(output, value, "\n".join(texts))


def _subject(user: str | None, group: str | None, service_account: str | None) -> Object:
    if sum(given is not None for given in (user, group, service_account)) > 1:
        raise SettingsError(
            what="Roles are bound to one subject: --user, --group and --service-account exclude each other.",
            todo="Pass only one of these options.",
        )
    if unusable := [each for each in (user, group) if each is not None and not (each and each.isprintable())]:
        raise SettingsError(what=f"{unusable[0]!r} is not a name.", todo="Pass the name of a user or a group.")
    if group is not None:
        return roles.group(group)
    if service_account is not None:
        namespace, slash, name = service_account.partition("/")
        if not (slash and is_name(namespace) and is_name(name)):
            raise SettingsError(
                what=f"{service_account} is not a service account's name.",
                todo="Pass --service-account as NAMESPACE/NAME.",
            )
        return roles.service_account(namespace, name)
    return roles.user(user or DEFAULT_USER)
