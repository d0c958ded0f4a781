"""A disk that is full or read-only, wherever it is: one line, and nothing lost.

Each disk is a real file system with little room; after more is made the same command ends as if
there had been enough from the start.
"""

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from by_hand import check_archive, heads, objects_in_directory
from command import PASSWORD, Archiver, Done, one_clear_line

from infra.faulty_pop3 import FaultyPop3

ACCOUNT = "user@127.0.0.1"
LETTERS = 1200


def letter(number: int, octets: int) -> bytes:
    """A message of words that no other has, which no compression makes small."""
    chance = random.Random(number)
    words = " ".join(f"{chance.getrandbits(48):x}" for _ in range(octets // 13))
    return f"Message-ID: <{number}@x>\r\nSubject: s{number}\r\n\r\n{words}\r\n".encode()


MANY = [letter(number, 400) for number in range(LETTERS)]
BIG = [letter(number, 300_000) for number in range(12)]


def serving(messages: list[bytes]) -> FaultyPop3:
    """A server of these."""
    return FaultyPop3([(f"u{number}", octets) for number, octets in enumerate(messages)])


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with a password."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount(place, "size=2m", "none")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def mount(place: Path, options: str, *device: str) -> None:
    """Mounts a file system in memory, or changes one that is."""
    command = ["mount", *(("-t", "tmpfs") if device else ()), "-o", options, *device, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    missing = f"no file system can be mounted here: {done.stderr.strip()}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def more_room(place: Path) -> None:
    """Makes room on a disk."""
    mount(place, "remount,size=64m")


def run(
    archiver: Archiver, server: FaultyPop3, state: str = "s", store: str = "archive", code: int = 0
) -> Done:
    """A run from this server."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    where = ("--store", store, "--state", state)
    options = ("--server", url, "--password-env", PASSWORD, *where, "--json")
    return archiver("run", *options, code=code)


def check_end(
    archiver: Archiver, messages: list[bytes], state: str = "s", store: str = "archive"
) -> None:
    """Everything is archived once, and found, and nothing waits any more."""
    objects = objects_in_directory(archiver.home / store)
    check_archive(objects, ACCOUNT, messages)
    assert len(heads(objects, ACCOUNT)) == 1
    status = archiver("status", "--state", state, "--json").record
    assert {stage: count for stage, count in status["stages"].items() if count} == {
        "archived": len(messages)
    }
    assert (status["bytes_spooled"], status["failed"]) == (0, 0)
    assert not [file for file in (archiver.home / state / "spool").rglob("*") if file.is_file()]
    hits = archiver("search", "s1", "--state", state, "--json").records
    assert [hit["subject"] for hit in hits] == ["s1"]


def elsewhere(archiver: Archiver, disk: Path, *names: str) -> None:
    """Has these of the state directory on the disk with room, and all else on the small one."""
    (disk / "s").mkdir(mode=0o700)
    for name in names:
        target = archiver.home / f"roomy-{name}"
        if "." not in name:
            target.mkdir(mode=0o700)
        (disk / "s" / name).symlink_to(target)


def test_under_the_spool(archiver: Archiver, disk: Path) -> None:
    """With no room in the spool the run ends with 3, and what did not fit is still there."""
    with serving(BIG) as server:
        done = run(archiver, server, state="disk/s", code=3)
        assert "is full" in one_clear_line(done)
        more_room(disk)
        run(archiver, server, state="disk/s")
    check_end(archiver, BIG, state="disk/s")


def test_under_the_ledger(archiver: Archiver, disk: Path) -> None:
    """With no room for the ledger's log the run ends with 3; what it had committed stays."""
    elsewhere(archiver, disk, "spool", "index.db", "snapshots")
    (disk / "filler").write_bytes(bytes(1_200_000))
    with serving(MANY) as server:
        done = run(archiver, server, state="disk/s", code=3)
        # A thread may be told that the disk is full, and another that it fails.
        assert "Traceback" not in done.stderr
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert said
        assert all("cannot use" in line and "ledger.db: " in line for line in said)
        assert "nothing is lost" in done.stderr
        more_room(disk)
        run(archiver, server, state="disk/s")
    check_end(archiver, MANY, state="disk/s")


def test_under_a_ledger_to_be_made(archiver: Archiver, disk: Path) -> None:
    """With no room to make a ledger nothing begins, and what there is of one is no obstacle."""
    (disk / "filler").write_bytes(bytes(2_000_000))
    with serving(MANY[:5]) as server:
        assert "full" in one_clear_line(run(archiver, server, state="disk/s", code=3))
        more_room(disk)
        run(archiver, server, state="disk/s")
    check_end(archiver, MANY[:5], state="disk/s")


def test_under_the_index(archiver: Archiver, disk: Path) -> None:
    """With no room for the index all is archived, the run ends with 3, and the next indexes it."""
    (archiver.home / "s").mkdir(mode=0o700)
    (archiver.home / "s" / "index.db").symlink_to(disk / "index.db")
    with serving(BIG) as server:
        done = run(archiver, server, code=3)
        assert one_clear_line(done) == "the index cannot be used: database or disk is full"
        assert done.record["archived"] == len(BIG)
        more_room(disk)
        run(archiver, server)
    check_end(archiver, BIG)


def test_under_the_snapshots(archiver: Archiver, disk: Path) -> None:
    """With no room for a copy of the ledger the run is done, says so, and the next one makes it."""
    (archiver.home / "s").mkdir(mode=0o700)
    (archiver.home / "s" / "snapshots").symlink_to(disk)
    (disk / "filler").write_bytes(bytes(1_950_000))
    with serving(MANY) as server:
        done = run(archiver, server)
        assert "ledger: there is no copy of it today: " in done.stderr
        assert "full" in done.stderr
        assert sorted(file.name for file in disk.iterdir()) == ["filler", "ledger.lock"]
        more_room(disk)
        assert "no copy" not in run(archiver, server).stderr
    assert len(list(disk.glob("ledger-*.db"))) == 1
    assert len(list((archiver.home / "archive" / "state" / "ledger").rglob("*.*"))) == 2
    check_end(archiver, MANY)


def forget(ledger: Path) -> None:
    """Has a ledger know of no copy that was taken of it."""
    with closing(sqlite3.connect(ledger)) as db, db:
        assert db.execute("DELETE FROM meta WHERE key LIKE 'snapshot %'").rowcount == 1


def test_under_the_compressed_snapshot(archiver: Archiver, disk: Path) -> None:
    """With room for the copy and not for its compressed form it is the same; the copy stays."""
    (archiver.home / "s").mkdir(mode=0o700)
    (archiver.home / "s" / "snapshots").symlink_to(disk)
    with serving(MANY) as server:
        run(archiver, server)
        (copy,) = disk.glob("ledger-*.db")
        size = copy.stat().st_size
        # As if none had been taken, with room for the same once more.
        copy.unlink()
        forget(archiver.home / "s" / "ledger.db")
        (disk / "filler").write_bytes(bytes(2 * 1024 * 1024 - size - 60_000))
        done = run(archiver, server)
        assert "ledger: there is no copy of it today: cannot write" in done.stderr
        assert sorted(disk.glob("ledger-*")) == [copy]
        more_room(disk)
        assert "no copy" not in run(archiver, server).stderr
    check_end(archiver, MANY)


def test_under_the_store(archiver: Archiver, disk: Path) -> None:
    """With no room in the store the run ends with 6, and the mail waits in the spool."""
    with serving(BIG) as server:
        done = run(archiver, server, store="disk/archive", code=6)
        assert "No space left" in one_clear_line(done)
        more_room(disk)
        run(archiver, server, store="disk/archive")
    check_end(archiver, BIG, store="disk/archive")


def test_a_store_that_is_read_only(archiver: Archiver, disk: Path) -> None:
    """A store that may not be written is exit code 6; what was fetched is stored once it may."""
    mount(disk, "remount,ro")
    with serving(MANY[:20]) as server:
        done = run(archiver, server, store="disk/archive", code=6)
        assert "Read-only" in one_clear_line(done)
        mount(disk, "remount,rw")
        run(archiver, server, store="disk/archive")
    check_end(archiver, MANY[:20], store="disk/archive")


def test_a_state_that_is_read_only(archiver: Archiver, disk: Path) -> None:
    """A state directory that may not be written is exit code 3, before and after the first run."""
    with serving(MANY[:20]) as server:
        for _ in range(2):
            mount(disk, "remount,ro")
            assert "Read-only" in one_clear_line(run(archiver, server, state="disk/s", code=3))
            mount(disk, "remount,rw")
            run(archiver, server, state="disk/s")
    check_end(archiver, MANY[:20], state="disk/s")
