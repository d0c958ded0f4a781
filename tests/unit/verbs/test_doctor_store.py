"""What the doctor says about stores: directories here, and a real Ceph."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from doctor_helpers import NOW, about, last, problems

from archiver.config import StoreSettings
from archiver.errors import StoreError
from archiver.format import format_document
from archiver.model import Clock
from archiver.store import Capabilities, Stat, Store, open_store
from archiver.store.memory import MemoryStore
from archiver.verbs.doctor import bucket as bucket_module
from archiver.verbs.doctor import disk as disk_module
from archiver.verbs.doctor.bucket import examine_bucket
from archiver.verbs.doctor.directory import examine_directory
from archiver.verbs.doctor.examine import examine
from archiver.verbs.doctor.findings import Chart, Examination, Mark
from archiver.verbs.doctor.probe import try_store
from infra.fixtures import Bucket


class _Now:
    """A clock that stands."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError


STANDING: Clock = _Now()


def directory(path: Path) -> Examination:
    """What is found about a directory."""
    return examine_directory(StoreSettings(str(path)), path, path.parent / "state")


def test_a_directory(tmp_path: Path) -> None:
    """A directory that takes mail is tried, and left as it was."""
    root = tmp_path / "archive"
    root.mkdir()
    found = directory(root)
    assert (problems(found), list(root.iterdir())) == ([], [])
    facts = found.facts
    assert facts["writes"] and facts["reads"] and facts["lists"] and facts["removes"]
    assert facts["conditional"] and facts["exchange"]
    assert facts["free_bytes"] and facts["same_device"]
    assert facts["format"] is False


def test_what_is_there_stays(tmp_path: Path) -> None:
    """What else lies in the store, below ``state/`` too, stays."""
    kept = {tmp_path / "state" / "lease": b"1", tmp_path / "mail" / "x": b"2"}
    for file, octets in kept.items():
        file.parent.mkdir()
        file.write_bytes(octets)
    (tmp_path / "format.json").write_bytes(format_document())
    found = directory(tmp_path)
    assert found.facts["format"] is True
    assert {
        file: file.read_bytes() for file in tmp_path.rglob("*") if file.parent.name in "state mail"
    } == kept


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    """The first run makes a directory; the doctor does not."""
    found = directory(tmp_path / "archive")
    assert (found.exit_code, found.facts["exists"]) == (0, False)
    assert last(found, "directory").mark is Mark.NOTE
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("none/archive", "no directory"), ("file", "is no directory")]
)
def test_a_directory_that_cannot_be(name: str, words: str, tmp_path: Path) -> None:
    """A disk that is not mounted, or a file in the way, is exit code 6."""
    (tmp_path / "file").touch()
    found = directory(tmp_path / name)
    assert words in last(found, "directory").seen
    assert found.exit_code == 6


def test_another_format(tmp_path: Path) -> None:
    """An archive that this version cannot read is exit code 7."""
    (tmp_path / "format.json").write_text(json.dumps({"format": 99, "requires": []}))
    found = directory(tmp_path)
    assert (problems(found), found.exit_code) == (["format"], 7)


def test_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is nearly full is worth a note."""
    monkeypatch.setattr(disk_module, "LOW_OCTETS", 1 << 62)
    assert last(directory(tmp_path), "space").mark is Mark.NOTE


def test_another_disk(tmp_path: Path) -> None:
    """State on another disk than the archive is as it should be."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        other = Path("/proc")
    found = examine_directory(StoreSettings(str(tmp_path)), tmp_path, other)
    assert found.facts["same_device"] is False


class _Trouble(MemoryStore):
    """A store in memory that does one thing wrong."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self._trouble = trouble

    def replace(self, key: str, octets: bytes) -> Stat:
        if self._trouble == "write":
            raise StoreError("it does not let us write", hint="grant it")
        return super().replace(key, b"rotten" if self._trouble == "read" else octets)

    def list(self, prefix: str) -> Iterator[Stat]:
        return iter(()) if self._trouble == "list" else super().list(prefix)

    def remove(self, key: str) -> None:
        if self._trouble == "remove":
            raise StoreError("it does not let us remove", hint="grant it")
        super().remove(key)

    def probe(self) -> Capabilities:
        gives = replace(super().probe(), md5_etag=False)
        return replace(gives, checksum=False, conditional=False)


def tried(store: Store) -> Examination:
    """What a trial of a store finds."""
    chart = Chart("store", store.url, "", bucket_module.FACTS)
    try_store(chart, store)
    return chart.examination()


@pytest.mark.parametrize(
    ("trouble", "code"), [("write", 6), ("read", 7), ("list", 6), ("remove", 6)]
)
def test_a_store_in_trouble(trouble: str, code: int) -> None:
    """What a store cannot do is a problem, and what it left is removed where it may be."""
    store = _Trouble(trouble)
    found = tried(store)
    assert (problems(found), found.exit_code) == ([trouble], code)
    left = list(MemoryStore.list(store, ""))
    assert len(left) == (trouble == "remove")


def test_a_store_with_poor_proofs() -> None:
    """A store that gives no proof of its own and overwrites is named so, and is no problem."""
    found = tried(_Trouble(""))
    assert "read back" in last(found, "proofs").seen
    assert last(found, "overwriting").mark is Mark.NOTE
    assert found.exit_code == 0


@pytest.fixture
def client(bucket: Bucket, aws: pytest.MonkeyPatch) -> Any:
    """A client beside the store."""
    for name, value in bucket.environment.items():
        aws.setenv(name, value)
    made = boto3.client("s3")
    yield made
    made.close()


def in_bucket(bucket: str, **settings: Any) -> Examination:
    """What is found about the prefix ``archive`` of a bucket."""
    return examine_bucket(StoreSettings(f"s3://{bucket}/archive", **settings))


def test_a_bucket(client: Any, bucket: Bucket) -> None:
    """A real bucket is tried, and left empty."""
    found = in_bucket(bucket.name)
    assert problems(found) == []
    facts = found.facts
    assert facts["writes"] and facts["reads"] and facts["lists"] and facts["removes"]
    assert facts["md5_etag"] and facts["credentials"] == "env"
    assert facts["exchange"] is False and "side by side" in last(found, "machines").seen
    assert abs(facts["clock_ahead"]) < 5
    assert facts["lifecycle"] == [] and facts["versioning"] == ""
    assert "Contents" not in client.list_objects_v2(Bucket=bucket.name)


def test_a_bucket_with_versions(client: Any, bucket: Bucket) -> None:
    """Where versions are kept none of what was tried is left, and no marker either."""
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    found = in_bucket(bucket.name)
    assert last(found, "versioning").mark is Mark.OK
    left = client.list_object_versions(Bucket=bucket.name)
    assert not left.get("Versions") and not left.get("DeleteMarkers")


def test_a_bucket_that_deletes_mail(client: Any, bucket: Bucket) -> None:
    """A lifecycle rule over the archive is a problem, one for ``state/`` is none."""
    rules = [
        {
            "ID": name,
            "Status": "Enabled",
            "Filter": {"Prefix": f"archive/{name}/"},
            "Expiration": {"Days": 30},
        }
        for name in ("mail", "state")
    ]
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": rules}
    )
    found = in_bucket(bucket.name)
    assert [one.seen for one in about(found, "lifecycle")] == [
        "the rule 'mail' deletes mail after 30 days"
    ]
    assert found.exit_code == 6


def test_a_bucket_that_locks(client: Any, bucket: Bucket) -> None:
    """A lock by default is named, also for what the trial had to leave behind."""
    name = f"{bucket.name}-locked"
    bucket.server.make_bucket(name, object_lock=True)
    assert "locks nothing by default" in last(in_bucket(name), "lock").seen
    default = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    client.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default}
    )
    found = in_bucket(name)
    assert (found.facts["lock_mode"], found.facts["lock_days"]) == ("GOVERNANCE", 3)
    assert "keeps its octets" in last(found, "remove").seen
    assert found.exit_code == 0
    chosen = in_bucket(name, lock_mode="COMPLIANCE", lock_days=9)
    assert last(chosen, "lock").seen == "COMPLIANCE for 9 days, as the settings say"


def test_a_lock_that_the_bucket_has_not(client: Any, bucket: Bucket) -> None:
    """Settings that ask for a lock where there is none are found out before mail is."""
    found = in_bucket(bucket.name, lock_mode="GOVERNANCE", lock_days=1)
    assert (problems(found), found.exit_code) == (["lock"], 6)


def forbid(client: Any, bucket: Bucket, *actions: str) -> None:
    """A policy that forbids everybody to do some things."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket=bucket.name, Policy=policy)


@pytest.mark.parametrize(
    ("action", "topics"),
    [
        ("s3:PutObject", ["write"]),
        ("s3:GetObject", ["read", "proofs", "format"]),
        ("s3:ListBucket", ["bucket", "list", "format"]),
        ("s3:DeleteObject", ["remove"]),
    ],
)
def test_a_bucket_that_forbids(action: str, topics: list[str], client: Any, bucket: Bucket) -> None:
    """Each right that is missing is named, and all else is examined all the same."""
    forbid(client, bucket, action)
    found = in_bucket(bucket.name)
    assert set(problems(found)) <= set(topics)
    assert problems(found)
    assert action in " ".join(one.advice for one in found.findings)
    assert about(found, "encryption")
    assert found.exit_code == 6


def test_a_policy_against_deletion(client: Any, bucket: Bucket) -> None:
    """A policy that lets nobody delete mail is well, as long as ``state/`` is not under it."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject*",
        "Resource": f"arn:aws:s3:::{bucket.name}/archive/mail/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket=bucket.name, Policy=policy)
    found = in_bucket(bucket.name)
    assert (problems(found), found.facts["denies_deletion"]) == ([], True)


def test_settings_that_cannot_be_asked_for(client: Any, bucket: Bucket) -> None:
    """What we may not see is not known, which is no problem."""
    forbid(client, bucket, "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration")
    found = in_bucket(bucket.name)
    assert last(found, "versioning").seen.startswith("not known: ")
    assert (found.facts["lifecycle"], found.exit_code) == (None, 0)


def test_a_wrong_secret(client: Any, bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    """A secret that is refused ends the examination of the bucket, and is not shown."""
    aws.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    found = in_bucket(bucket.name)
    assert (problems(found), found.exit_code) == (["bucket"], 6)
    assert "hunter2" not in repr(found)


def test_no_such_bucket(client: Any, bucket: Bucket) -> None:
    """A missing bucket is one problem, not one for each question."""
    found = in_bucket(f"{bucket.name}-none")
    assert problems(found) == ["bucket"]
    assert found.facts["writes"] is None


def test_a_clock_that_is_off(client: Any, bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    """A clock that differs is a note before S3 refuses for it."""
    aws.setattr(bucket_module, "_CLOCK_SECONDS", -1.0)
    assert last(in_bucket(bucket.name), "clock").mark is Mark.NOTE


@pytest.mark.parametrize(
    ("url", "words"), [("ftp://x", "no store that"), ("memory://x", "for tests alone")]
)
def test_no_store_at_all(url: str, words: str, tmp_path: Path) -> None:
    """A URL that names no store is said to name none, and this machine is examined."""
    store, here = examine((), StoreSettings(url), tmp_path, STANDING)
    assert words in last(store, "settings").seen
    assert (store.exit_code, here.kind) == (2, "here")


def test_settings_of_a_bucket(aws: pytest.MonkeyPatch) -> None:
    """Settings that contradict each other are a problem of their own."""
    assert problems(in_bucket("mail", ca_file="none")) == ["settings"]


def test_open_to_all(aws: pytest.MonkeyPatch) -> None:
    """An endpoint without TLS on another machine is a note, one on this machine is none."""
    from archiver.store.s3_examination import Reached

    for endpoint, notes in (("http://s3.example.com", 1), ("http://[::1]:80", 0)):
        chart = Chart("store", "s3://x", "", bucket_module.FACTS)
        bucket_module._see_way(chart, Reached(endpoint, "r", 0.1, None, None))
        assert len(chart.examination().findings) == notes


def test_stores_close(tmp_path: Path) -> None:
    """What a store of each kind says about itself is plain text for people and JSON."""
    found = directory(tmp_path)
    json.dumps(dict(found.facts))
    assert open_store(StoreSettings(str(tmp_path))).url == found.name
    assert os.fspath(tmp_path) in found.about
