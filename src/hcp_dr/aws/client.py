"""The AWS services of one relocation, from settings given as values: the process's own environment is not changed.

botocore's retries are off: trying again belongs to the engine, which looks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, ClientError

from hcp_dr.aws.bucket import S3Bucket
from hcp_dr.aws.instances import Ec2Instances, StsIdentity
from hcp_dr.aws.mapping import translate_errors
from hcp_dr.aws.port import Bucket, Encryption, HostedZone, Identity, Instances
from hcp_dr.aws.zone import Route53Zone
from hcp_dr.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Service = Literal["s3", "ec2", "route53", "sts"]

CONNECT_SECONDS = 5
READ_SECONDS = 30
ENDPOINT_VARIABLES: Mapping[Service, str] = {
    "s3": "AWS_ENDPOINT_URL_S3",
    "ec2": "AWS_ENDPOINT_URL_EC2",
    "route53": "AWS_ENDPOINT_URL_ROUTE_53",
    "sts": "AWS_ENDPOINT_URL_STS",
}


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Where and as whom. Without a credentials file or keys, boto3 looks where it always does."""

    bucket: str
    zone_id: str
    region: str | None = None
    credentials_file: Path | None = None
    profile: str | None = None
    keys: tuple[str, str, str | None] | None = field(default=None, repr=False)  # id, secret, session token
    endpoints: Mapping[Service, str] = field(default_factory=dict)
    ca_bundle: Path | None = None
    encryption: Encryption | None = None  # None leaves it to the bucket's own default
    fips: bool | None = None  # whether AWS's validated endpoints are asked; None leaves it to the profile
    dualstack: bool | None = None  # whether those that have IPv6 too are asked; None leaves it to the profile


def settings_from(variables: Mapping[str, str], *, bucket: str, zone_id: str, region: str | None = None) -> AwsSettings:
    """From AWS_CREDS, BUCKET_ENCRYPTION and the variables that AWS tools know, whether they stood in a file or in the
    environment. AWS_CREDS wins over keys; `region` is used where AWS_REGION and AWS_DEFAULT_REGION are not set. Raises
    SettingsError."""

    def given(*names: str) -> str | None:
        return next((variables[name] for name in names if variables.get(name)), None)

    file, bundle = given("AWS_CREDS", "AWS_SHARED_CREDENTIALS_FILE"), given("AWS_CA_BUNDLE")
    key, secret = given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")
    everywhere = given("AWS_ENDPOINT_URL")
    endpoints = {service: given(name) or everywhere for service, name in ENDPOINT_VARIABLES.items()}
    return AwsSettings(
        bucket=bucket,
        zone_id=zone_id,
        region=given("AWS_REGION", "AWS_DEFAULT_REGION") or region,
        credentials_file=Path(file).expanduser() if file else None,
        profile=given("AWS_PROFILE"),
        keys=(key, secret, given("AWS_SESSION_TOKEN")) if key and secret and not given("AWS_CREDS") else None,
        endpoints={service: url for service, url in endpoints.items() if url},
        ca_bundle=Path(bundle).expanduser() if bundle else None,
        encryption=_encryption(given("BUCKET_ENCRYPTION")),
        fips=_switch(given("AWS_USE_FIPS_ENDPOINT")),
        dualstack=_switch(given("AWS_USE_DUALSTACK_ENDPOINT")),
    )


def _switch(said: str | None) -> bool | None:
    """As all AWS tools read it."""
    return None if said is None else said.strip().lower() == "true"


def _encryption(asked: str | None) -> Encryption | None:
    known = {word: word for word in get_args(Encryption)}
    if asked is not None and asked not in known:
        raise SettingsError(what=f"BUCKET_ENCRYPTION is {asked}, and must be one of {', '.join(known)}.")
    return known[asked] if asked is not None else None


@dataclass(frozen=True, slots=True)
class Aws:
    """All that the product asks of AWS."""

    bucket: Bucket
    zone: HostedZone
    instances: Instances
    identity: Identity


def connect(settings: AwsSettings) -> Aws:
    """Asks only where the bucket is. Raises SettingsError, AwsError."""
    maker = _ClientMaker(settings)
    return Aws(
        bucket=S3Bucket(maker.s3(), settings.bucket, encryption=settings.encryption, authorities=settings.ca_bundle),
        zone=Route53Zone(maker.client("route53"), settings.zone_id),
        instances=Ec2Instances(maker.client("ec2"), maker.region),
        identity=StsIdentity(maker.client("sts"), maker.credentials),
    )


class _ClientMaker:
    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._session = _session(settings)
        if not self._session.region_name:
            raise SettingsError(what="The AWS region is not known: AWS_REGION is not set.")
        self.region: str = self._session.region_name
        self.credentials = self._session.get_credentials()

    def client(self, service: Service, region: str | None = None) -> Any:
        endpoint, bundle = self._endpoint(service), self._settings.ca_bundle
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
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
        make: Any = self._session.client  # one overload for each service
        try:
            made = make(
                service,
                region_name=region or self.region,
                endpoint_url=endpoint,
                verify=str(bundle) if bundle else None,
                config=config,
            )
        except (BotoCoreError, ValueError) as error:  # of an endpoint or a region that can be none
            raise SettingsError(
                what=f"AWS {service} cannot be asked with these settings: {error}.",
                todo=f"Correct AWS_REGION or {ENDPOINT_VARIABLES[service]} (or AWS_ENDPOINT_URL), and run again.",
            ) from error
        made.meta.events.register_last("before-call.s3.HeadBucket", _heard_as_it_is)
        return made

    def s3(self) -> S3Client:
        """For the bucket's own region: an URL signed for another one is worth nothing."""
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
        """That is named instead of AWS's own: by a variable, or by the profile."""
        named = self._settings.endpoints.get(service)
        core: Any = self._session._session  # noqa: SLF001 - boto3 shows it nowhere else
        if named is not None or core.get_config_variable("ignore_configured_endpoint_urls"):
            return named
        of_profile = ConfiguredEndpointProvider(core.full_config, core.get_scoped_config(), service, environ={})
        found: str | None = of_profile.provide()
        return found


def _heard_as_it_is(context: dict[str, Any], **_: object) -> None:
    """For a redirect that does not say where the bucket is, botocore asks for the bucket's head, and for a redirect of
    that again, without end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _addressing(endpoint: str | None) -> Any:
    """How a bucket is addressed. A named endpoint has no name for each bucket. AWS's own is that of the region: at the
    global one, which is what is signed for where nothing is said, S3 redirects whoever asks for a bucket that is some
    hours old, and refuses in regions that were opened after March 2019 (S3 guide, "Request redirection")."""
    if endpoint is not None:
        return {"addressing_style": "path"}
    return {
        "addressing_style": "virtual",
        "us_east_1_regional_endpoint": "regional",
        "use_accelerate_endpoint": False,
    }


def _session(settings: AwsSettings) -> boto3.Session:
    for variable, file in (("AWS_CREDS", settings.credentials_file), ("AWS_CA_BUNDLE", settings.ca_bundle)):
        try:
            if file is not None:
                file.read_bytes()
        except OSError as error:
            raise SettingsError(what=f"{variable} names {file}, which cannot be read ({error.strerror}).") from error
    core = botocore.session.Session()
    if settings.credentials_file is not None:
        core.set_config_variable("credentials_file", str(settings.credentials_file))
        # A profile that is named keeps keys in the environment from winning over the file.
        core.set_config_variable("profile", settings.profile or "default")
    elif settings.profile is not None:
        core.set_config_variable("profile", settings.profile)
    try:
        if settings.keys is not None:
            core.set_credentials(*settings.keys)
        session = boto3.Session(botocore_session=core, region_name=settings.region)
        found = session.get_credentials()
        profile = {} if settings.keys is not None else core.get_scoped_config()
    except (BotoCoreError, OSError, ValueError) as error:  # also of a credential_process that cannot be run or read
        raise SettingsError(what=f"The AWS credentials cannot be read: {error}.") from error
    _must_have_token(profile.get("web_identity_token_file"), core.profile or "default")
    if found is None:
        place = f"{settings.credentials_file}, which AWS_CREDS names," if settings.credentials_file else "AWS_CREDS"
        raise SettingsError(what=f"{place} gives no AWS credentials for the profile {core.profile or 'default'}.")
    return session


def _must_have_token(file: str | None, profile: str) -> None:
    """It is read when the first service is asked, and is often only in the pod that the credentials were made for."""
    if file is None:
        return
    try:
        Path(file).expanduser().read_bytes()
    except OSError as error:
        raise SettingsError(
            what=f"The AWS profile {profile} asks for a web identity token in {file}, which cannot be read here "
            f"({error.strerror}).",
            todo="Run where that file is, or name other credentials in AWS_CREDS, and run the command again.",
        ) from error
