"""The AWS services of one relocation, from settings given as values: the process's own environment is not changed.

botocore's retries are off: the engine retries, and reads the state first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import (
    AssumeRoleProvider,
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
    ProcessProvider,
    ProfileProviderBuilder,
)
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError
from botocore.utils import FileWebIdentityTokenLoader

from hcp_dr.aws.bucket import S3Bucket
from hcp_dr.aws.instances import Ec2Instances, StsIdentity
from hcp_dr.aws.limits import limit_client
from hcp_dr.aws.mapping import MALFORMED, translate_errors
from hcp_dr.aws.port import Bucket, Encryption, HostedZone, Identity, Instances
from hcp_dr.aws.zone import Route53Zone
from hcp_dr.errors import SettingsError
from hcp_dr.hiding import without_random_words
from hcp_dr.inputs import read_file, run_program
from hcp_dr.limits import RESPONSE_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Service = Literal["s3", "ec2", "route53", "sts"]

CONNECT_SECONDS = 5
_MOST_BYTES = 4 * 1024**2
_UNUSABLE: tuple[type[Exception], ...] = (BotoCoreError, OSError, *MALFORMED)
ENDPOINT_VARIABLES: Mapping[Service, str] = {
    "s3": "AWS_ENDPOINT_URL_S3",
    "ec2": "AWS_ENDPOINT_URL_EC2",
    "route53": "AWS_ENDPOINT_URL_ROUTE_53",
    "sts": "AWS_ENDPOINT_URL_STS",
}
_CREDENTIALS = "AWS_CREDS"
OWN_CREDENTIALS: Mapping[Service, str] = {"route53": "AWS_CREDS_ROUTE53", "ec2": "AWS_CREDS_EC2"}
"""The variables with a credentials file for one service: zone, instances and bucket may be in several accounts."""
_NAMES: Mapping[Service, str] = {"route53": "Route53", "ec2": "EC2"}


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A role, and the file with the token that proves who may assume it."""

    role_arn: str
    token_file: Path
    session_name: str | None = None


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Region, endpoints and credentials. Without a credentials file or keys, boto3 searches its usual places."""

    bucket: str
    zone_id: str
    region: str | None = None
    credentials_file: Path | None = None
    credentials_variable: str = _CREDENTIALS
    own_credentials: Mapping[Service, Path] = field(default_factory=dict)
    profile: str | None = None
    keys: tuple[str, str, str | None] | None = field(default=None, repr=False)  # id, secret, session token
    endpoints: Mapping[Service, str] = field(default_factory=dict)
    ca_bundle: Path | None = None
    encryption: Encryption | None = None  # None uses the bucket's default
    fips: bool | None = None  # whether to use AWS's FIPS endpoints; None uses the profile's setting
    dualstack: bool | None = None  # whether to use endpoints with IPv6; None uses the profile's setting
    config_file: Path | None = None
    web_identity: WebIdentity | None = None
    metadata: bool = True  # whether the credentials of an EC2 instance may be used


def settings_from(variables: Mapping[str, str], *, bucket: str, zone_id: str, region: str | None = None) -> AwsSettings:
    """The settings from AWS_CREDS, BUCKET_ENCRYPTION and the usual AWS variables, from a file or from the environment.
    AWS_CREDS takes precedence over keys, keys over a profile, and a profile over a web identity; `region` is the
    fallback for AWS_REGION and AWS_DEFAULT_REGION. Raises SettingsError."""

    def value_of(*names: str) -> str | None:
        return next((variables[name] for name in names if variables.get(name)), None)

    file, bundle = value_of("AWS_CREDS", "AWS_SHARED_CREDENTIALS_FILE"), value_of("AWS_CA_BUNDLE")
    key, secret = value_of("AWS_ACCESS_KEY_ID"), value_of("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret) and not value_of("AWS_CREDS"):
        present, absent = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")[:: 1 if key else -1]
        raise SettingsError(what=f"{present} is set without {absent}, so it names no AWS identity.")
    profile, role, token = (value_of(name) for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"))
    if profile and value_of("AWS_DEFAULT_PROFILE") not in (None, profile):
        raise SettingsError(
            what="AWS_PROFILE and AWS_DEFAULT_PROFILE name different profiles.",
            todo="Unset one of them, and run the command again.",
        )
    config_file = value_of("AWS_CONFIG_FILE")
    fallback = value_of("AWS_ENDPOINT_URL")
    endpoints = {service: value_of(name) or fallback for service, name in ENDPOINT_VARIABLES.items()}
    return AwsSettings(
        bucket=bucket,
        zone_id=zone_id,
        region=value_of("AWS_REGION", "AWS_DEFAULT_REGION") or region,
        credentials_file=Path(file).expanduser() if file else None,
        own_credentials={
            service: Path(own).expanduser() for service, name in OWN_CREDENTIALS.items() if (own := value_of(name))
        },
        profile=profile or value_of("AWS_DEFAULT_PROFILE"),
        keys=(key, secret, value_of("AWS_SESSION_TOKEN")) if key and secret and not value_of("AWS_CREDS") else None,
        endpoints={service: url for service, url in endpoints.items() if url},
        ca_bundle=Path(bundle).expanduser() if bundle else None,
        encryption=_encryption(value_of("BUCKET_ENCRYPTION")),
        fips=_boolean(value_of("AWS_USE_FIPS_ENDPOINT")),
        dualstack=_boolean(value_of("AWS_USE_DUALSTACK_ENDPOINT")),
        config_file=Path(config_file).expanduser() if config_file else None,
        web_identity=WebIdentity(role, Path(token).expanduser(), value_of("AWS_ROLE_SESSION_NAME"))
        if role and token
        else None,
        metadata=_boolean(value_of("AWS_EC2_METADATA_DISABLED")) is not True,
    )


def _boolean(text: str | None) -> bool | None:
    """The value as all AWS tools read it."""
    return None if text is None else text.strip().lower() == "true"


def _encryption(text: str | None) -> Encryption | None:
    supported = {word: word for word in get_args(Encryption)}
    if text is not None and text not in supported:
        raise SettingsError(what=f"BUCKET_ENCRYPTION is {text}, but must be one of {', '.join(supported)}.")
    return supported[text] if text is not None else None


@dataclass(frozen=True, slots=True)
class Aws:
    """The AWS services that the product uses."""

    bucket: Bucket
    zone: HostedZone
    instances: Instances
    identity: Identity


def connect(settings: AwsSettings) -> Aws:
    """Create the clients; the only request finds the bucket's region. Raises SettingsError, AwsError."""
    factory = _ClientFactory(settings)
    own = {
        service: _ClientFactory(
            replace(
                settings,
                region=factory.region,
                credentials_file=file,
                credentials_variable=OWN_CREDENTIALS[service],
                profile=None,
                keys=None,
                web_identity=None,
            )
        )
        for service, file in settings.own_credentials.items()
    }
    others = {_NAMES[service]: StsIdentity(each.client("sts"), each.credentials) for service, each in own.items()}
    return Aws(
        bucket=S3Bucket(factory.s3(), settings.bucket, encryption=settings.encryption, authorities=settings.ca_bundle),
        zone=Route53Zone(own.get("route53", factory).client("route53"), settings.zone_id),
        instances=Ec2Instances(own.get("ec2", factory).client("ec2"), factory.region),
        identity=StsIdentity(factory.client("sts"), factory.credentials, others),
    )


class _ClientFactory:
    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._session = _session(settings)
        if not self._session.region_name:
            raise SettingsError(what="The AWS region is unknown: AWS_REGION is not set.")
        self.region: str = self._session.region_name
        self.credentials = self._session.get_credentials()

    def client(self, service: Service, region: str | None = None) -> Any:
        try:
            return self._new_client(service, region)
        except _UNUSABLE as error:  # for an invalid endpoint, region or profile
            raise SettingsError(
                what=f"The client for AWS {service} cannot be created with these settings: "
                f"{without_random_words(str(error))}.",
                todo=f"Correct AWS_REGION, {ENDPOINT_VARIABLES[service]} (or AWS_ENDPOINT_URL), or the profile in the "
                "files of AWS, and try again.",
            ) from error

    def _new_client(self, service: Service, region: str | None) -> Any:
        endpoint, bundle = self._endpoint(service), self._settings.ca_bundle
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=RESPONSE_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=32,
            user_agent_extra="hcp-dr",
            signature_version="s3v4" if service == "s3" else None,
            s3=_addressing(endpoint),
            use_fips_endpoint=self._settings.fips,
            use_dualstack_endpoint=self._settings.dualstack,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        new_client: Any = self._session.client  # one overload for each service
        client = new_client(
            service,
            region_name=region or self.region,
            endpoint_url=endpoint,
            verify=str(bundle) if bundle else None,
            config=config,
        )
        limit_client(client)
        client.meta.events.register_last("before-call.s3.HeadBucket", _disable_redirects)
        return client

    def s3(self) -> S3Client:
        """A client for the bucket's own region: a URL signed for another region is invalid."""
        client: S3Client = self.client("s3")
        if self._endpoint("s3") is not None:
            return client
        with translate_errors("S3", "HeadBucket", self._settings.bucket):
            try:
                answer: Mapping[str, Any] = client.head_bucket(Bucket=self._settings.bucket)
            except ClientError as error:
                answer = error.response
                if "x-amz-bucket-region" not in answer["ResponseMetadata"]["HTTPHeaders"]:
                    raise
        region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", self.region)
        return client if region == self.region else self.client("s3", region)

    def _endpoint(self, service: Service) -> str | None:
        """The endpoint of a variable or of the profile, instead of AWS's own."""
        endpoint = self._settings.endpoints.get(service)
        core: Any = self._session._session  # noqa: SLF001 - boto3 has no public access to it
        if endpoint is not None or core.get_config_variable("ignore_configured_endpoint_urls"):
            return endpoint
        provider = ConfiguredEndpointProvider(core.full_config, core.get_scoped_config(), service, environ={})
        configured: str | None = provider.provide()
        return configured


def _disable_redirects(context: dict[str, Any], **_: object) -> None:
    """After a redirect without the bucket's region, botocore sends HeadBucket; a redirect of HeadBucket would repeat
    without end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _addressing(endpoint: str | None) -> Any:
    """How a bucket is addressed. A configured endpoint has no DNS name for each bucket. For AWS the regional endpoint
    is used: the global endpoint, botocore's default, redirects requests for buckets that are only hours old, and
    refuses requests in regions opened after March 2019 (S3 guide, "Request redirection")."""
    if endpoint is not None:
        return {"addressing_style": "path"}
    return {
        "addressing_style": "virtual",
        "us_east_1_regional_endpoint": "regional",
        "use_accelerate_endpoint": False,
    }


def _session(settings: AwsSettings) -> boto3.Session:
    for variable, file in (
        (settings.credentials_variable, settings.credentials_file),
        ("AWS_CONFIG_FILE", settings.config_file),
        ("AWS_CA_BUNDLE", settings.ca_bundle),
    ):
        try:
            if file is not None:
                read_file(file, limit=_MOST_BYTES)
        except OSError as error:
            why = error.strerror or error
            raise SettingsError(what=f"{variable} names {file}, which cannot be read ({why}).") from error
    core = botocore.session.Session()
    core.set_default_client_config(Config(connect_timeout=CONNECT_SECONDS, read_timeout=RESPONSE_SECONDS))
    _choose_profile(core, settings)
    try:
        _limit_programs(core, metadata=settings.metadata)
        if settings.keys is not None:
            core.set_credentials(*settings.keys)
        elif settings.web_identity is not None and settings.credentials_file is None and settings.profile is None:
            _assume_role(core, settings.web_identity, settings)
        session = boto3.Session(botocore_session=core, region_name=settings.region)
        credentials = session.get_credentials()
        profile = {} if settings.keys is not None else core.get_scoped_config()
    except _UNUSABLE as error:
        # also for a credential_process that fails; the text may quote its output
        reason = without_random_words(" ".join(str(error).split())) or type(error).__name__
        of_service = f" of {settings.credentials_variable}" if settings.credentials_variable != _CREDENTIALS else ""
        raise SettingsError(what=f"The AWS credentials{of_service} cannot be read: {reason}.") from error
    _check_token_file(profile.get("web_identity_token_file"), core.profile or "default")
    if credentials is None:
        place = variable = settings.credentials_variable
        if settings.credentials_file:
            place = f"{settings.credentials_file}, named by {variable},"
        raise SettingsError(what=f"{place} has no AWS credentials for the profile {core.profile or 'default'}.")
    return session


def _choose_profile(core: botocore.session.Session, settings: AwsSettings) -> None:
    """The files and the profile of the settings, instead of those of the process's environment."""
    if settings.config_file is not None:
        core.set_config_variable("config_file", str(settings.config_file))
    if settings.credentials_file is not None:
        core.set_config_variable("credentials_file", str(settings.credentials_file))
        # With an explicit profile, keys in the environment do not take precedence over the file.
        core.set_config_variable("profile", settings.profile or "default")
    elif settings.profile is not None:
        core.set_config_variable("profile", settings.profile)
    elif settings.keys is not None or settings.web_identity is not None:
        core.session_var_map["profile"] = (None, None, None, None)  # AWS_PROFILE of the environment does not count


def _limit_programs(core: botocore.session.Session, *, metadata: bool) -> None:
    """botocore waits for a credential_process without end."""
    resolver: Any = core.get_component("credential_provider")
    for provider in resolver.providers:
        if isinstance(provider, ProcessProvider):
            provider._popen = _LimitedProcess  # type: ignore[attr-defined]  # noqa: SLF001 - botocore has no way to set it
        if isinstance(provider, AssumeRoleProvider):
            provider._profile_provider_builder = _Providers(core)  # type: ignore[attr-defined]  # noqa: SLF001
    if not metadata:
        resolver.remove("iam-role")


class _Providers(ProfileProviderBuilder):
    """The providers of a source profile."""

    def _create_process_provider(self, profile_name: str) -> ProcessProvider:
        core: Any = self._session  # type: ignore[attr-defined]
        return ProcessProvider(profile_name, lambda: core.full_config, popen=_LimitedProcess)


class _LimitedProcess:
    """The part of subprocess.Popen that botocore uses. Its errors do not quote the program's output: it may contain the
    credentials."""

    def __init__(self, arguments: Sequence[str], **_: object) -> None:
        self._arguments = arguments
        self.returncode = 0

    def communicate(self) -> tuple[bytes, bytes]:
        try:
            done = run_program(self._arguments)
        except OSError as error:
            raise CredentialRetrievalError(
                provider="credential_process", error_msg=f"{self._arguments[0]}: {error.strerror or error}"
            ) from error
        self.returncode = done.returncode
        stderr = without_random_words(done.stderr.decode(errors="replace"))
        return done.stdout, f"{self._arguments[0]} ended with exit code {done.returncode}: {stderr}".encode()


def _assume_role(core: botocore.session.Session, identity: WebIdentity, settings: AwsSettings) -> None:
    """Sign as the role; the first request assumes it."""
    _check_token_file(str(identity.token_file), "of the settings")
    given: Any = {
        "region_name": settings.region,
        "endpoint_url": settings.endpoints.get("sts"),
        "verify": str(settings.ca_bundle) if settings.ca_bundle else None,
    }
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=lambda service, **values: core.create_client(service, **given, **values),
        web_identity_token_loader=FileWebIdentityTokenLoader(str(identity.token_file)),
        role_arn=identity.role_arn,
        extra_args={"RoleSessionName": identity.session_name} if identity.session_name else {},
        cache={},
    )
    core._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001 - as set_credentials
        method="assume-role-with-web-identity", refresh_using=fetcher.fetch_credentials
    )


def _check_token_file(file: str | None, profile: str) -> None:
    """Check the web identity token early: boto3 reads the file only with the first request, and often it exists only in
    the pod of the credentials."""
    if file is None:
        return
    try:
        read_file(Path(file).expanduser(), limit=_MOST_BYTES)
    except OSError as error:
        raise SettingsError(
            what=f"The AWS profile {profile} needs the web identity token {file}, which cannot be read on this machine "
            f"({error.strerror}).",
            todo="Run the command on a machine with that file, or name other credentials in AWS_CREDS.",
        ) from error
