"""An S3 client as boto3 finds its configuration, with what we ask of every client.

The checksums that newer versions of boto3 add by themselves are switched off: they come as streamed
trailers, which older servers refuse. Retries are botocore's alone (mode ``standard``).
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from archiver.config import StoreSettings
from archiver.errors import UsageError
from archiver.store.s3_errors import Doing, explain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 5
CONNECT_SECONDS = 10
READ_SECONDS = 60
_STYLES: "dict[bool | None, Literal['auto', 'path', 'virtual']]" = {
    None: "auto",
    True: "path",
    False: "virtual",
}


def make_client(settings: StoreSettings, bucket: str, url: str, connections: int) -> "S3Client":
    """Makes a client; nothing is asked of the server yet.

    Args:
        settings: where the service is.
        bucket: the bucket that it is for, and ``url`` the store in it, for messages.
        url: see ``bucket``.
        connections: how many threads will use it at once.

    Raises:
        StoreError: the configuration found is unusable.
        UsageError: a setting is.
    """
    if settings.ca_file is not None and not Path(settings.ca_file).is_file():
        raise UsageError(f"there is no file {settings.ca_file}", hint="check ca_file")
    try:
        return _client(settings, connections)
    except BotoCoreError as error:
        raise explain(error, Doing("open", "", url, bucket, settings.endpoint or "S3")) from error
    except ValueError as error:
        raise UsageError(
            f"{url} cannot be opened: {error}",
            hint="an endpoint is written as https://host or https://host:port",
        ) from error


def credentials_method(settings: StoreSettings) -> str | None:
    """Where botocore finds the credentials, in its own word such as ``env``; None if nowhere."""
    session = boto3.session.Session(profile_name=settings.profile, region_name=settings.region)
    found = session.get_credentials()
    return None if found is None else str(found.method)


def _client(settings: StoreSettings, connections: int) -> "S3Client":
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=connections,
        s3={"addressing_style": _STYLES[settings.path_style]},
    )
    session = boto3.session.Session(profile_name=settings.profile, region_name=settings.region)
    client = session.client(
        "s3", endpoint_url=settings.endpoint, config=config, verify=settings.ca_file
    )
    client.meta.events.register_last("before-parameter-build.s3.PutObject", _keep_octets)
    return client


def _keep_octets(params: dict[str, Any], **_: Any) -> None:
    """Gives small bodies back as octets, where botocore has made streams of them.

    A stream is announced by ``Expect: 100-continue`` and sent apart from its header: one more round
    trip for each small message. For a large one that may be refused it is worth it.
    """
    if isinstance(params.get("Body"), io.BytesIO):
        params["Body"] = params["Body"].getvalue()
