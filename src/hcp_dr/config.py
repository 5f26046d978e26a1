"""The settings: the documented variables, from the environment or from the file of --env-file.

Values that can be discovered have no variable. A documented variable with different values in the file and in the
environment is an error, because an old export is easily forgotten. For AWS's own variables the file takes precedence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hcp_dr.errors import SettingsError

_PREFIXES = ("AWS_",)
_PATHS = frozenset(
    {"MGMT_KUBECONFIG", "MGMT2_KUBECONFIG", "HC_KUBECONFIG", "BACKUP_DIR", "HC_CLUSTER_DIR", "AWS_CREDS"}
    | {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE"}
)
_SHELL_SYNTAX = re.compile(r"\$\w+|\$[({]|`")
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


class Settings(BaseSettings):
    """Each field is the documented variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    hc_cluster_ns: str = Field(pattern=f"^{_LABEL}$", max_length=63)
    hc_cluster_name: str = Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)
    mgmt_kubeconfig: Path
    mgmt2_kubeconfig: Path
    hc_kubeconfig: Path
    bucket_name: str = Field(min_length=1)
    bucket_encryption: str | None = None
    snapshot_part_mib: int = Field(default=128, ge=5, le=4096)
    aws_zone_id: str = Field(min_length=1)
    external_dns_domain: str = Field(min_length=1)
    mgmt_context: str | None = None
    mgmt2_context: str | None = None
    hc_context: str | None = None
    mgmt_cluster_name: str = Field(min_length=1)
    mgmt2_cluster_name: str = Field(min_length=1)
    mgmt2_region: str | None = None
    nodepools: str | None = None
    node_pool_replicas: int | None = None
    backup_dir: Path | None = None
    hc_cluster_dir: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the values of `variables`: pydantic reads neither the environment nor files itself."""
        return (init_settings,)


def variables(env_file: Path | None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The documented and the AWS variables, file and environment merged. Raises SettingsError if file and environment
    contradict each other, or if a value contains shell syntax."""
    environment = os.environ if environment is None else environment
    documented = {name.upper() for name in Settings.model_fields}
    merged = _expand({k: v for k, v in environment.items() if v and (k in documented or k.startswith(_PREFIXES))})
    if env_file is None:
        return merged
    try:
        text = env_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            what=f"The file {env_file}, given with --env-file, cannot be read: {error}.",
            todo="Correct the path and run the command again.",
        ) from error
    for name, value in _expand(_parse(text)).items():
        if name in documented and merged.get(name, value) != value:
            raise SettingsError(
                what=f"{name} has different values in the environment and in {env_file}.",
                todo=f"Unset it (`unset {name}`) or correct the file, and run the command again.",
            )
        merged[name] = value
    return merged


def _parse(text: str) -> dict[str, str]:
    values = dotenv_values(stream=StringIO(text), interpolate=True)
    return {name: value for name, value in values.items() if value}


def _expand(given: Mapping[str, str]) -> dict[str, str]:
    """Replace ~ in paths with the home folder."""
    expanded, documented = dict(given), {name.upper() for name in Settings.model_fields}
    for name, value in given.items():
        match = _SHELL_SYNTAX.search(value) if name in documented | _PATHS else None
        if match is not None:
            raise SettingsError(
                what=f"{name} contains {match[0]}, which was not expanded by a shell.",
                todo="Write the value itself, or refer to another variable of the same file as ${NAME}.",
            )
        if name in _PATHS and value.startswith("~"):
            try:
                expanded[name] = str(Path(value).expanduser())
            except RuntimeError:
                what = (
                    f"{name} begins with {value.partition('/')[0]}, but this machine has no home folder for that user."
                )
                raise SettingsError(what=what, todo="Write the full path.") from None
    return expanded


def load(given: Mapping[str, str]) -> Settings:
    """Raises SettingsError, which names every missing or invalid variable."""
    try:
        return Settings(**{name.lower(): value for name, value in _expand(given).items()})  # type: ignore[arg-type]
    except ValidationError as error:
        missing = [str(e["loc"][0]).upper() for e in error.errors() if e["type"] == "missing"]
        invalid = [f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors() if e["type"] != "missing"]
        parts = []
        if missing:
            parts.append(f"{'Variables are' if len(missing) > 1 else 'A variable is'} missing: {', '.join(missing)}.")
        if invalid:
            parts.append(f"Invalid values: {'; '.join(invalid)}.")
        raise SettingsError(what=" ".join(parts)) from error
