"""A ledger that came to harm: it is told before anything is done, with what to do about it."""

import hashlib
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from by_hand import objects_in_directory
from command import PASSWORD, Archiver, one_clear_line

from infra.faulty_pop3 import FaultyPop3

MAIL = [
    (f"u{number}", f"Message-ID: <{number}@x>\r\n\r\n".encode() + b"x" * 60_000 + b"\r\n")
    for number in range(60)
]


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with a password."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "s" / "ledger.db"


def options(server: FaultyPop3) -> tuple[str, ...]:
    """The options of a run from this server."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    where = ("--store", "archive", "--state", "s")
    return ("--server", url, "--password-env", PASSWORD, *where, "--json")


def everything(place: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {
        str(file.relative_to(place)): file.read_bytes()
        for file in place.rglob("*")
        if file.is_file() and not file.name.endswith(("-shm", ".lock"))
    }


def kill(archiver: Archiver, server: FaultyPop3) -> None:
    """Kills a run in the middle."""
    process = archiver.start("run", *options(server))
    while sum(command.startswith("RETR") for command in list(server.commands)) < 20:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_damage_after_a_kill(archiver: Archiver, ledger: Path) -> None:
    """A run after a kill finds the damage before it does anything, and touches nothing."""
    with FaultyPop3(MAIL[:10]) as server:
        archiver("run", *options(server))
    with FaultyPop3(MAIL, pipelining=False) as server:
        kill(archiver, server)
        octets = bytearray(ledger.read_bytes())
        octets[4096 * 9 : 4096 * 12] = bytes(4096 * 3)
        ledger.write_bytes(octets)
        before = everything(archiver.home)
        heard = len(server.commands)
        for verb, given in (("run", options(server)), ("status", ("--state", "s"))):
            done = archiver(verb, *given, code=7)
            assert "ledger.db is damaged: " in one_clear_line(done)
            assert "archiver rebuild --replace makes it again from the store" in done.stderr
        assert everything(archiver.home) == before
        assert len(server.commands) == heard
        archiver("rebuild", "--replace", "--store", "archive", "--state", "s")
        report = archiver("run", *options(server)).record
    assert (report["listed"], report["remaining"]) == (len(MAIL), 0)
    assert report["known"] + report["fetched"] == len(MAIL)
    assert report["known"] >= 10
    objects = objects_in_directory(archiver.home / "archive")
    kept = {Path(key).stem for key in objects if key.endswith(".eml")}
    assert {hashlib.sha256(octets).hexdigest() for _, octets in MAIL} <= kept
    status = archiver("status", "--state", "s", "--json").record
    assert status["stages"]["archived"] == len(MAIL)


def test_damage_found_by_a_copy(archiver: Archiver, ledger: Path) -> None:
    """Damage that shows when the ledger is copied ends that run with 7, and keeps the next out."""
    with FaultyPop3(MAIL[:10]) as server:
        archiver("run", *options(server))
        with closing(sqlite3.connect(ledger)) as db, db:
            db.execute("DELETE FROM meta WHERE key LIKE 'snapshot %'")
            db.execute("INSERT INTO runs (account_id, verb, started_at) VALUES (99, 'run', 0)")
    copy = next((archiver.home / "s" / "snapshots").glob("*.db")).read_bytes()
    with FaultyPop3(MAIL[:20]) as server:
        done = archiver("run", *options(server), code=7)
        assert "of runs belongs to a row of accounts that is not there" in one_clear_line(done)
        assert done.record["archived"] == 10
        assert "is damaged" in one_clear_line(archiver("run", *options(server), code=7))
    assert next((archiver.home / "s" / "snapshots").glob("*.db")).read_bytes() == copy


def test_a_ledger_that_is_gone(archiver: Archiver, ledger: Path) -> None:
    """Where copies show that there was a ledger, a run does not begin anew by itself."""
    with FaultyPop3(MAIL[:10]) as server:
        archiver("run", *options(server))
        ledger.unlink()
        done = archiver("run", *options(server), code=7)
        assert "ledger.db is gone" in one_clear_line(done)
        assert not ledger.exists()


def test_a_ledger_of_a_newer_version(archiver: Archiver, ledger: Path) -> None:
    """A ledger of a newer version is refused and stays as it is."""
    with FaultyPop3(MAIL[:10]) as server:
        archiver("run", *options(server))
        with closing(sqlite3.connect(ledger)) as db, db:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
                " VALUES ('ledger', 'm999_future', '2030')"
            )
        before = everything(archiver.home)
        done = archiver("run", *options(server), code=2)
    assert one_clear_line(done).endswith("ledger.db was made by a newer version of archiver")
    assert everything(archiver.home) == before
