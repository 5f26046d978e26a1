"""The settings: the documented variables, from the environment or from the file of --env-file.

Values that can be discovered have no variable. A documented variable with different values in the file and in the
environment is an error, because an old export is easily forgotten. For AWS's own variables the file takes precedence.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hcp_dr import envfile
from hcp_dr.errors import SettingsError

_PREFIXES = ("AWS_",)
_PATHS = frozenset(
    {"MGMT_KUBECONFIG", "MGMT2_KUBECONFIG", "HC_KUBECONFIG", "BACKUP_DIR", "HC_CLUSTER_DIR", "AWS_CREDS"}
    | {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE"}
    | {"AWS_CREDS_EC2", "AWS_CREDS_ROUTE53"}
)
AWS_IDENTITY = frozenset(
    {"AWS_CREDS", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"}
    | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    | {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME"}
)
"""The variables that decide as whom AWS requests are signed."""
_OWN_IDENTITY = frozenset({"AWS_CREDS_EC2", "AWS_CREDS_ROUTE53"})
"""The same for the requests of one service: a file names all identities, or only these."""
_IDENTITIES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN")
_NEEDS = {
    "AWS_ACCESS_KEY_ID": "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY": "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN": "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN": "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME": "AWS_ROLE_ARN",
}
_AWS_OTHER = frozenset(
    {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE", "AWS_EC2_METADATA_DISABLED"}
    | {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EC2"}
    | {"AWS_ENDPOINT_URL_ROUTE_53", "AWS_ENDPOINT_URL_STS"}
    | {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
)
_AWS_UNSUPPORTED = frozenset(
    {"AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_FILE", "AWS_CREDENTIAL_PROCESS", "AWS_BEARER_TOKEN"}
    | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}
    | {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"}
)
_OTHER = frozenset(
    {"MGMT_REGION", "MGMT_CLUSTER_NS", "MGMT_CLUSTER_DIR", "MGMT2_CLUSTER_NS", "MGMT2_CLUSTER_DIR", "HC_REGION"}
    | {"AWS_ACCOUNT_ID", "AWS_DEFAULT_OUTPUT", "AWS_PAGER", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"}
    | {"AWS_SDK_LOAD_CONFIG", "AWS_STS_REGIONAL_ENDPOINTS"}
)
"""Variables of the documented procedure and of the AWS command line that hcp-dr does not need."""
_SIMILAR, _LENGTH_DIFFERENCE = 0.85, 3
_SHELL_SYNTAX = re.compile(r"\$\w+|\$[({]|`")
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_AS_A_NAME = "must be the name of a Kubernetes object: lower-case letters, digits and -"
_PRINTABLE = Field(pattern=r"^[^\p{C}]+$", max_length=500, description="must be a name without control characters")


class Settings(BaseSettings):
    """Each field is the documented variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    hc_cluster_ns: str = Field(pattern=f"^{_LABEL}$", max_length=63, description=_AS_A_NAME)
    hc_cluster_name: str = Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253, description=_AS_A_NAME)
    mgmt_kubeconfig: Path
    mgmt2_kubeconfig: Path
    hc_kubeconfig: Path
    bucket_name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=255,
        description="must be the name of a bucket, without s3:// and without a folder",
    )
    bucket_encryption: str | None = None
    snapshot_part_mib: int = Field(default=128, ge=5, le=4096)
    aws_zone_id: str = Field(
        pattern=r"^(/?hostedzone/)?[A-Za-z0-9_-]+$",
        max_length=64,
        description="must be the id of a Route53 hosted zone",
    )
    external_dns_domain: str = Field(
        pattern=r"^([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$", max_length=253, description="must be a domain name"
    )
    mgmt_context: Annotated[str | None, _PRINTABLE] = None
    mgmt2_context: Annotated[str | None, _PRINTABLE] = None
    hc_context: Annotated[str | None, _PRINTABLE] = None
    mgmt_cluster_name: Annotated[str, _PRINTABLE]
    mgmt2_cluster_name: Annotated[str, _PRINTABLE]
    mgmt2_region: str | None = Field(
        default=None, pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$", description="must be the name of an AWS region"
    )
    nodepools: str | None = None
    node_pool_replicas: int | None = Field(default=None, ge=0, le=100_000)
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


_DOCUMENTED = frozenset(name.upper() for name in Settings.model_fields)
_SUPPORTED = _DOCUMENTED | AWS_IDENTITY | _OWN_IDENTITY | _AWS_OTHER


def variables(env_file: Path | None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The documented and the AWS variables, file and environment merged. If the file names AWS credentials, those of
    the environment do not count. Raises SettingsError if file and environment contradict each other, if a value cannot
    be expanded, or if a name is probably misspelled."""
    environment = os.environ if environment is None else environment
    ours = {name: value for name, value in environment.items() if value and is_ours(name)}
    merged = _expand_home(ours, check=True)
    assignments = envfile.read(env_file, environment) if env_file is not None else {}
    _check_names(assignments, set(merged), env_file)
    values = _expand_home(_values_of(assignments), check=False)
    _check_identity(values, env_file)
    if values.keys() & AWS_IDENTITY:
        merged = {name: value for name, value in merged.items() if name not in AWS_IDENTITY | _OWN_IDENTITY}
    for name, value in values.items():
        if name in _DOCUMENTED and merged.get(name, value) != value:
            raise SettingsError(
                what=f"{name} has different values in the environment and in {env_file}.",
                todo=f"Unset it (`unset {name}`) or correct the file, and run the command again.",
            )
        merged[name] = value
    return merged


def is_ours(name: str) -> bool:
    return name in _DOCUMENTED or name.startswith(_PREFIXES)


def _values_of(assignments: Mapping[str, envfile.Assignment]) -> dict[str, str]:
    """The values that are ours, without the empty ones. Raises SettingsError for a value that cannot be expanded."""
    values = {name: each.value() for name, each in assignments.items() if is_ours(name) or name in _PATHS}
    return {name: value for name, value in values.items() if value}


def _check_names(assignments: Mapping[str, envfile.Assignment], known: set[str], env_file: Path | None) -> None:
    """Raises SettingsError for a name that is almost the name of a variable that is not set: a misspelled variable
    would be ignored silently."""
    unset = _SUPPORTED - known - assignments.keys()
    for name, assignment in assignments.items():
        if name in _SUPPORTED | _OTHER or assignment.used:
            continue
        candidates = [each for each in unset if abs(len(each) - len(name)) <= _LENGTH_DIFFERENCE]
        nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=_SIMILAR)
        if nearest or name in _AWS_UNSUPPORTED:
            why = (
                f"did you mean {nearest[0]}?"
                if nearest
                else "it would change who acts, and hcp-dr does not support it."
            )
            raise SettingsError(
                what=f"{name} in line {assignment.line} of {env_file} is not a variable of hcp-dr: {why}",
                todo="Correct or remove that line, and run the command again.",
            )


def _check_identity(values: Mapping[str, str], env_file: Path | None) -> None:
    """Raises SettingsError if the file names several AWS identities, or half of one."""
    for name, needed in _NEEDS.items():
        if name in values and needed not in values and "AWS_CREDS" not in values:
            raise SettingsError(
                what=f"{env_file} has {name} without {needed}, so it names no AWS identity.",
                todo=f"Add {needed}, or name the identity by AWS_CREDS or AWS_PROFILE instead, and run the command "
                "again.",
            )
    named = [name for name in _IDENTITIES if name in values]
    if len(named) > 1 and "AWS_CREDS" not in values:
        raise SettingsError(
            what=f"{env_file} names several AWS identities: by {' and by '.join(named)}.",
            todo="Keep the one that is to act, and run the command again.",
        )


def _expand_home(given: Mapping[str, str], *, check: bool) -> dict[str, str]:
    """Replace ~ in paths with the home folder. `check`: shell syntax is refused, because it was not expanded."""
    expanded = dict(given)
    for name, value in given.items():
        match = _SHELL_SYNTAX.search(value) if check and name in _DOCUMENTED | _PATHS else None
        if match is not None:
            raise SettingsError(
                what=f"{name} contains {match[0]}, which was not expanded by a shell.",
                todo="Write the value itself, or set it in the file of --env-file, where other variables are expanded.",
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
        return Settings(**{name.lower(): value for name, value in _expand_home(given, check=True).items()})  # type: ignore[arg-type]
    except ValidationError as error:
        missing = [str(e["loc"][0]).upper() for e in error.errors() if e["type"] == "missing"]
        invalid = [f"{str(e['loc'][0]).upper()}: {_describe(e)}" for e in error.errors() if e["type"] != "missing"]
        parts = []
        if missing:
            parts.append(f"{'Variables are' if len(missing) > 1 else 'A variable is'} missing: {', '.join(missing)}.")
        if invalid:
            parts.append(f"Invalid values: {'; '.join(invalid)}.")
        raise SettingsError(what=" ".join(parts)) from error


def _describe(error: ErrorDetails) -> str:
    described = Settings.model_fields[str(error["loc"][0])].description
    return described if described and error["type"] == "string_pattern_mismatch" else error["msg"]
