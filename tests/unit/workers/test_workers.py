import hashlib
import os
import signal
import threading
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from archiver.config import StoreSettings
from archiver.errors import IntegrityError, Interrupted, MessageError, StoreError
from archiver.format import FORMAT_KEY, manifest_key
from archiver.model import Batch, SpooledMessage
from archiver.stopping import Stop
from archiver.store import Capabilities, Hazard, open_store, payload_of
from archiver.workers import (
    Archive,
    Claims,
    Hazards,
    Prepare,
    PutFile,
    PutManifest,
    Worker,
    WorkerDied,
    halves,
)
from infra.fixtures import Bucket

KEY = manifest_key("me", "w", 1)


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """A directory as a store."""
    return StoreSettings(str(tmp_path / "archive"))


def worker(settings: StoreSettings, stop: Stop | None = None) -> Worker:
    """A worker for this store."""
    return Worker(lambda: Prepare(settings, None, check=True), stop or Stop())


def pid_of(of: Worker) -> int:
    """The process of a worker."""
    assert of._process is not None
    return of._process.pid


def test_process_lives_from_first_task_to_close(settings: StoreSettings) -> None:
    """A process is started by the first task, kept for the next, and ended by close."""
    one = worker(settings)
    assert one._process is None
    found = one.run(Prepare(settings, None, check=True))
    assert isinstance(found, Capabilities)
    pid = pid_of(one)
    one.run(PutManifest(KEY, b"manifest"))
    assert pid_of(one) == pid
    one.close()
    one.close()
    assert not psutil.pid_exists(pid)
    with open_store(settings) as store:
        assert b"".join(store.read(KEY)) == b"manifest"
        assert store.head(FORMAT_KEY) is not None


def test_file(settings: StoreSettings, tmp_path: Path) -> None:
    """A file is put as it was when it was measured, and not when it changed."""
    path = tmp_path / "file"
    path.write_bytes(b"checkpoint")
    digest = hashlib.sha256(b"checkpoint").hexdigest()
    one = worker(settings)
    try:
        one.run(PutFile(KEY, path, 10, digest))
        path.write_bytes(b"chEckpoint")
        with pytest.raises(MessageError):
            one.run(PutFile(manifest_key("me", "w", 2), path, 10, digest))
    finally:
        one.close()
    with open_store(settings) as store:
        assert b"".join(store.read(KEY)) == b"checkpoint"


def test_errors_come_back(settings: StoreSettings) -> None:
    """A task that fails as tasks may raises its own error here, and the worker goes on."""
    one = worker(settings)
    try:
        one.run(PutManifest(KEY, b"ours"))
        with pytest.raises(IntegrityError, match="other octets") as caught:
            one.run(PutManifest(KEY, b"theirs"))
        assert caught.value.hint
        with pytest.raises(StoreError):
            one.run(PutManifest("../outside", b"x"))
        one.run(PutManifest(manifest_key("me", "w", 2), b"next"))
    finally:
        one.close()


def test_foreign_format(settings: StoreSettings) -> None:
    """A store that is of another format is refused by the first task."""
    with open_store(settings) as store:
        store.put(FORMAT_KEY, payload_of(b"{}"), content_type="x/y")
    one = worker(settings)
    try:
        with pytest.raises(IntegrityError, match="format"):
            one.run(PutManifest(KEY, b"x"))
    finally:
        one.close()


def test_hazards(settings: StoreSettings, ceph_aws: Bucket) -> None:
    """A worker tells what its store might do with mail by itself."""
    one = worker(settings)
    two = worker(StoreSettings(f"s3://{ceph_aws.name}/archive"))
    client: Any = boto3.client("s3")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    client.put_bucket_lifecycle_configuration(
        Bucket=ceph_aws.name, LifecycleConfiguration={"Rules": [rule]}
    )
    client.close()
    try:
        assert one.run(Hazards()) == ()
        (found,) = two.run(Hazards())
        assert isinstance(found, Hazard)
        assert "deletes mail after 1 day" in found.line
    finally:
        one.close()
        two.close()


def with_a_part(directory: Path) -> Archive:
    """A task that asks whether it is the one to put a part."""
    octets = b"Message-ID: <a@b>\r\nContent-Type: application/pdf\r\n\r\npart"
    (directory / "x.seg").write_bytes(octets)
    message = SpooledMessage(1, "u", None, "a" * 64, "a" * 64, 0, len(octets), 1e9)
    batch = Batch("b", "me", "2026-01-02", "x.seg", (message,))
    return Archive(batch, directory / "x.seg", upload=True, verify=True, index=False)


@pytest.mark.parametrize(
    ("number", "grace"),
    [
        # It hangs, and it dies by itself: both are how a run that is to end ends.
        (signal.SIGSTOP, 0.0),
        (signal.SIGKILL, 600.0),
    ],
)
def test_broken_off(number: int, grace: float, settings: StoreSettings, tmp_path: Path) -> None:
    """A worker of a run that is to end is ended in the middle of its task, which is no accident."""
    stop = Stop(grace)
    one = worker(settings, stop)
    hit: list[int] = []

    def hang(digest: str) -> bool:
        hit.append(pid_of(one))
        os.kill(hit[0], number)
        stop.ask()
        return True

    with pytest.raises(Interrupted):
        one.run(with_a_part(tmp_path), claim=hang)
    assert hit
    assert not psutil.pid_exists(hit[0])


def test_too_late(settings: StoreSettings) -> None:
    """No process is started in a run that should have ended by now."""
    stop = Stop(grace=0)
    stop.ask()
    one = worker(settings, stop)
    with pytest.raises(Interrupted):
        one.run(PutManifest(KEY, b"manifest"))
    assert one._process is None


def test_killed_at_work(settings: StoreSettings, tmp_path: Path) -> None:
    """A worker whose process is killed in the middle of a task says so, and gets a new process."""
    task = with_a_part(tmp_path)
    one = worker(settings)

    def kill(digest: str) -> bool:
        os.kill(pid_of(one), signal.SIGKILL)
        return True

    try:
        one.start()
        first = pid_of(one)
        with pytest.raises(WorkerDied):
            one.run(task, claim=kill)
        assert not psutil.pid_exists(first)
        one.run(PutManifest(KEY, b"manifest"))
        assert pid_of(one) != first
    finally:
        one.close()


def test_claims() -> None:
    """A part is granted to the first batch that asks, until that batch is dropped."""
    claims = Claims()
    assert claims.grant("me", "part", "one")
    assert not claims.grant("me", "part", "two")
    assert not claims.grant("me", "part", "one")
    assert claims.grant("you", "part", "two")
    claims.drop("one")
    assert claims.grant("me", "part", "two")


def test_waiting_for_claims() -> None:
    """Who needs a part that another batch is putting waits until that one is dropped."""
    claims = Claims()
    claims.grant("me", "part", "one")
    claims.wait("me", ["part", "free"], "one")
    claims.wait("you", ["part"], "two")
    ended = threading.Event()

    def wait() -> None:
        claims.wait("me", ["part"], "two")
        ended.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not ended.wait(0.05)
    claims.drop("one")
    assert ended.wait(5)
    thread.join()


def test_halves() -> None:
    """Both halves of a task have some of its messages, and together all of them in order."""
    messages = tuple(SpooledMessage(row, None, None, "d", "h", 0, 1, 0.0) for row in range(5))
    task = Archive(Batch("b", "me", "2026-01-02", "s", messages), Path("s"), True, True, True)
    first, second = halves(task)
    assert first.batch.messages + second.batch.messages == messages
    assert first.batch.messages
    assert second.batch.messages
    assert (first.segment, second.batch.id) == (task.segment, "b")
