"""What the tests of S3 stores share."""

from typing import Any
from urllib.parse import urlsplit

from archiver.config import StoreSettings
from archiver.store import Capabilities, open_store, payload_of
from archiver.store.s3 import S3Store
from infra.fixtures import Bucket

TYPE = "message/rfc822"
GUARDED = Capabilities(conditional=True, md5_etag=True, checksum=False)
UNGUARDED = Capabilities(conditional=False, md5_etag=True, checksum=False)
ONE = payload_of(b"one")


def opened(url: str, capabilities: Capabilities | None = GUARDED, **settings: Any) -> S3Store:
    """A store with some settings."""
    made = StoreSettings(url, **settings)
    store = open_store(made, capabilities=capabilities)
    assert isinstance(store, S3Store)
    return store


def port_of(bucket: Bucket) -> int:
    """Where the real server listens."""
    port = urlsplit(bucket.endpoint_url).port
    assert port is not None
    return port
