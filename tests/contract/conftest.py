"""An empty store of each kind, for every test that holds stores to their contract."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from archiver.config import StoreSettings
from archiver.store import Store, open_store

_names = itertools.count(1)


@pytest.fixture(params=["memory", "directory", "moto", "ceph", "ceph-tls"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, aws: pytest.MonkeyPatch
) -> Iterator[StoreSettings]:
    """Settings of an empty store of each kind."""
    if request.param == "memory":
        yield StoreSettings(url=f"memory://contract-{next(_names)}")
    elif request.param == "directory":
        yield StoreSettings(url=str(tmp_path / "archive"))
    elif request.param == "moto":
        import boto3

        with mock_aws():
            boto3.client("s3").create_bucket(Bucket="mail")
            yield StoreSettings(url="s3://mail/pre/fix")
    else:
        bucket = request.getfixturevalue("bucket")
        for name, value in bucket.environment.items():
            aws.setenv(name, value)
        if request.param == "ceph-tls":
            yield StoreSettings(
                url=f"s3://{bucket.name}/archive",
                endpoint=bucket.tls_endpoint_url,
                ca_file=str(bucket.ca_file),
            )
        else:
            yield StoreSettings(url=f"s3://{bucket.name}")


@pytest.fixture
def store(settings: StoreSettings) -> Iterator[Store]:
    """An empty store of each kind."""
    with open_store(settings) as opened:
        yield opened
