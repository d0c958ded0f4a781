"""A copy of the ledger a day, beside it and in the store, and what a failing one means."""

import gzip
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from by_hand import Place, directory_place
from command import PASSWORD, Archiver

from infra.faulty_pop3 import FaultyPop3


def letters(count: int) -> list[tuple[str, bytes]]:
    """So many messages."""
    return [
        (f"u{number}", f"Message-ID: <{number}@x>\r\n\r\n{number}\r\n".encode())
        for number in range(count)
    ]


def options(server: FaultyPop3, place: Place) -> tuple[str, ...]:
    """The options of a run from this server."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    where = ("--store", place.url, "--state", "s")
    return ("--server", url, "--password-env", PASSWORD, *where, "--json")


def copies(place: Place) -> dict[str, bytes]:
    """What is below ``state/`` in the store."""
    return {key: octets for key, octets in place.objects().items() if key.startswith("state/")}


def rows(ledger: Path) -> list[Any]:
    """What a ledger knows of messages and copies of them."""
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as db:
        return [
            db.execute(f"SELECT * FROM {table}").fetchall()
            for table in ("accounts", "batches", "messages", "copies", "manifests")
        ]


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with a password."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def test_after_a_run_that_changed_something(
    tmp_path: Path, archiver: Archiver, place: Place
) -> None:
    """The ledger lies in the store as it was, with its digest and heads; an idle run adds none."""
    archiver.environment.update(place.environment)
    with FaultyPop3(letters(20)) as server:
        report = archiver("run", *options(server, place)).record
        (local,) = (tmp_path / "s" / "snapshots").glob("*.db")
        found = copies(place)
        (packed,) = (key for key in found if key.endswith(".db.gz"))
        octets = gzip.decompress(found[packed])
        assert octets == local.read_bytes()
        said = json.loads(found[packed.replace(".db.gz", ".json")])
        assert said["format"] == 1
        assert (said["size"], said["sha256"]) == (len(octets), hashlib.sha256(octets).hexdigest())
        assert said["heads"]["user@127.0.0.1"]["digest"] == report["head"]
        assert (
            packed
            == f"state/ledger/{said['heads']['user@127.0.0.1']['writer']}/{local.stem[7:]}.db.gz"
        )
        assert rows(local)[1:] == rows(tmp_path / "s" / "ledger.db")[1:]
        before = place.objects()
        assert archiver("run", *options(server, place)).record["known"] == 20
        assert place.objects() == before
    with FaultyPop3(letters(30)) as server:
        archiver("run", *options(server, place))
    assert copies(place) == found, "once a day is enough"


def test_one_that_fails(tmp_path: Path, archiver: Archiver) -> None:
    """A copy that cannot be taken, or put, is a note; the run is done, and the next tries again."""
    place = directory_place(tmp_path / "archive")
    in_the_way = tmp_path / "archive" / "state" / "ledger"
    with FaultyPop3(letters(5)) as server:
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("")
        done = archiver("run", *options(server, place))
        assert done.record["archived"] == 5
        assert "ledger: there is no copy of it today: cannot" in done.stderr
        in_the_way.unlink()
        local = tmp_path / "s" / "snapshots"
        for file in local.iterdir():
            file.unlink()
        local.rmdir()
        local.write_text("")
        done = archiver("run", *options(server, place))
        assert "ledger: there is no copy of it today: cannot make" in done.stderr
        local.unlink()
        done = archiver("run", *options(server, place))
        assert "no copy" not in done.stderr
        assert len(copies(place)) == 2
