import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from archiver.config import StoreSettings
from archiver.errors import UsageError
from archiver.store import Capabilities, open_store, remembered
from archiver.store.opening import BucketPlace, DirectoryPlace, MemoryPlace, place_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://mail", BucketPlace("mail", "")),
        ("s3://mail/", BucketPlace("mail", "")),
        ("S3://mail/a/b/", BucketPlace("mail", "a/b")),
        ("s3://my.bucket-1/a b?#c", BucketPlace("my.bucket-1", "a b?#c")),
        ("/var/mail archive/", DirectoryPlace(Path("/var/mail archive"))),
        ("/var/../srv", DirectoryPlace(Path("/srv"))),
        ("file:///var/mail%20archive/", DirectoryPlace(Path("/var/mail archive"))),
        ("memory://one", MemoryPlace("one")),
    ],
)
def test_urls(url: str, place: object) -> None:
    """Each form names one place, however its slashes are written."""
    assert place_of(url) == place


def test_relative_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path without a slash counts from the working directory, one with ``~`` from home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert place_of("archive") == DirectoryPlace(tmp_path / "archive")
    assert place_of("~/archive") == DirectoryPlace(Path("/home/me/archive"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://",
        "s3:///prefix",
        "s3://a",
        "s3://key:secret@mail/prefix",
        "s3://host:9000/mail",
        "s3://mail/a//b",
        "s3://mail/../b",
        "file://relative/path",
        "http://mail/prefix",
        "gs://mail",
        "a\0b",
        "file:///a%00b",
    ],
)
def test_what_names_no_store(url: str) -> None:
    """What cannot be a store is refused before anything is tried, with a word on what can."""
    with pytest.raises(UsageError) as caught:
        place_of(url)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        StoreSettings("s3://mail", sse="rot13"),
        StoreSettings("s3://mail", kms_key="key"),
        StoreSettings("s3://mail", sse="AES256", kms_key="key"),
        StoreSettings("s3://mail", lock_mode="SOMETIMES", lock_days=1),
        StoreSettings("s3://mail", lock_mode="GOVERNANCE"),
        StoreSettings("s3://mail", lock_days=1),
        StoreSettings("s3://mail", lock_mode="COMPLIANCE", lock_days=0),
    ],
)
def test_options_that_contradict(settings: StoreSettings) -> None:
    """Options that cannot be meant are refused before anything is tried."""
    with pytest.raises(UsageError):
        open_store(settings)


def test_identity(tmp_path: Path, aws: pytest.MonkeyPatch) -> None:
    """A store has one name, however it was written."""
    for url in (str(tmp_path / "a b"), f"{tmp_path}/a b/", f"file://{tmp_path}/a%20b"):
        assert open_store(StoreSettings(url)).url == f"file://{tmp_path}/a%20b"
    for url in ("s3://mail/pre/fix", "s3://mail/pre/fix/"):
        with open_store(StoreSettings(url)) as store:
            assert store.url == "s3://mail/pre/fix"
    with open_store(StoreSettings("s3://mail/")) as store:
        assert store.url == "s3://mail"


def test_a_directory_needs_no_s3(tmp_path: Path) -> None:
    """The S3 client, which costs half a second, is not imported for a directory."""
    program = (
        "import sys; from archiver.config import StoreSettings;"
        "from archiver.store import open_store;"
        f"open_store(StoreSettings({str(tmp_path)!r}));"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_was_found_is_remembered() -> None:
    """What a probe found is taken from JSON, unless another version did not ask for all of it."""
    found = Capabilities(conditional=True, md5_etag=False, checksum=True, exchange=True)
    known = json.loads(json.dumps(asdict(found)))
    assert remembered(known) == found
    assert remembered(known | {"appends": True}) == found
    del known["exchange"]
    assert remembered(known) is None
    assert remembered(None) is None
    assert not Capabilities(**known).exchange
