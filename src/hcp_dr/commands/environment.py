"""A context for this machine: the documented variables, kubeconfigs, AWS, and backup folders on disk."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hcp_dr import config
from hcp_dr.aws.client import Aws, settings_from
from hcp_dr.aws.client import connect as connect_aws
from hcp_dr.commands.backups import BackupsOnDisk
from hcp_dr.commands.context import Confirmation, Context, Requested
from hcp_dr.errors import ConfirmationMissing, UnreadableKubeconfig
from hcp_dr.kube.client import connect as connect_kube
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Side

_ID_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class KubeconfigsAndAws:
    """Implements `context.Connections`. `variables` are the documented variables and those of AWS."""

    settings: config.Settings
    variables: Mapping[str, str]

    def cluster(self, side: Side, pinned: str = "") -> Kubernetes:
        settings = self.settings
        path, context, prefix = {
            "source": (settings.mgmt_kubeconfig, settings.mgmt_context, "MGMT"),
            "destination": (settings.mgmt2_kubeconfig, settings.mgmt2_context, "MGMT2"),
            "hosted": (settings.hc_kubeconfig, settings.hc_context, "HC"),
        }[side]
        try:
            return connect_kube(path, side, context=context or pinned or None, variable=f"{prefix}_KUBECONFIG")
        except UnreadableKubeconfig as error:
            if pinned and not context:
                error.remedy = (
                    f"The relocation began with context {pinned}; if it has another name here, set {prefix}_CONTEXT. "
                    f"{error.remedy}"
                )
            raise

    def aws(self) -> Aws:
        settings = self.settings
        return connect_aws(
            settings_from(
                dict(self.variables),
                bucket=settings.bucket_name,
                zone_id=settings.aws_zone_id,
                region=settings.mgmt2_region,
            )
        )

    def fresh_id(self) -> str:
        return "".join(secrets.choice(_ID_LETTERS) for _ in range(12))

    def now(self) -> float:
        return time.time()


def refuse(confirmation: Confirmation) -> None:
    """The answer of a program without a way to ask. Raises ConfirmationMissing."""
    raise ConfirmationMissing(what=f"{confirmation.what} This program has no way to ask for confirmation.")


def from_environment(
    env_file: Path | None = None,
    backup: Path | None = None,
    *,
    confirm: Callable[[Confirmation], None] = refuse,
    contexts: Mapping[str, str] | None = None,
) -> Context:
    """The context described by the documented variables, from the environment and `env_file`. `backup` is the backup
    folder; by default the variables name it. `contexts` are contexts of kubeconfigs by variable (MGMT_CONTEXT, ...),
    in place of the variables' own. Opens nothing. Raises SettingsError."""
    variables = config.variables(env_file) | dict(contexts or {})
    settings = config.load(variables)
    return Context(
        requested=requested_by(settings),
        connections=KubeconfigsAndAws(settings, variables),
        backups=BackupsOnDisk(settings, backup),
        confirm=confirm,
    )


def requested_by(settings: config.Settings) -> Requested:
    pools = tuple(settings.nodepools.replace(",", " ").split()) if settings.nodepools else None
    return Requested(
        namespace=settings.hc_cluster_ns,
        name=settings.hc_cluster_name,
        source=settings.mgmt_cluster_name,
        destination=settings.mgmt2_cluster_name,
        region=settings.mgmt2_region,
        bucket=settings.bucket_name,
        zone_id=settings.aws_zone_id,
        domain=settings.external_dns_domain.rstrip(".").lower(),
        node_pools=pools,
        replicas=settings.node_pool_replicas,
        part_mib=settings.snapshot_part_mib,
    )
