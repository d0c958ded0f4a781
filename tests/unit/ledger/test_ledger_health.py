import os
import sqlite3
from pathlib import Path

import pytest
from ledger_helpers import leave_open

from archiver.errors import LedgerDamaged, LocalDiskError, UsageError
from archiver.ledger import Ledger
from archiver.ledger.health import look
from archiver.ledger.schema import MIGRATION_NAMES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of this version, without a message."""
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    return path


def test_a_new_ledger(path: Path) -> None:
    """A ledger of this version is whole, and looking at it changes nothing."""
    before = path.read_bytes()
    health = look(path)
    assert (health.version, health.missing, health.foreign) == (len(MIGRATION_NAMES), 0, False)
    assert (health.newest, health.damage) == (None, "")
    assert path.read_bytes() == before


def change(path: Path, *statements: str) -> None:
    """Changes a ledger behind the program's back."""
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def test_the_newest_message(path: Path) -> None:
    """When the newest message was fetched is known, for whoever doubts the clock."""
    change(
        path,
        "INSERT INTO stores (id, url) VALUES (1, 'file:///a')",
        "INSERT INTO accounts (id, name, store_id, host) VALUES (1, 'me', 1, 'h')",
        *(
            "INSERT INTO messages (account_id, uidl, stage, listed_at, fetched_at)"
            f" VALUES (1, 'u{time}', 'archived', 1, {time})"
            for time in (5, 9, 7)
        ),
    )
    assert look(path).newest == 9


def test_a_ledger_of_a_newer_version(path: Path) -> None:
    """A ledger with migrations that this version does not know is foreign."""
    change(
        path,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('ledger', 'm999_future', '')",
    )
    assert look(path).foreign


def test_a_ledger_of_an_older_version(path: Path) -> None:
    """What an older version has not yet had is counted, and not made up for."""
    change(path, "DELETE FROM _sqlite_migrations WHERE id > 1")
    health = look(path)
    assert (health.version, health.missing) == (1, len(MIGRATION_NAMES) - 1)
    assert look(path) == health


def test_a_damaged_ledger(path: Path) -> None:
    """Damage is seen, by what SQLite meets or by its own check."""
    octets = bytearray(path.read_bytes())
    octets[4096 * 3 :] = b"\x55" * (len(octets) - 4096 * 3)
    path.write_bytes(octets)
    with pytest.raises(LedgerDamaged, match="is damaged: ") as caught:
        look(path)
    assert "archiver rebuild" in caught.value.hint


def test_a_ledger_that_was_left_open(path: Path) -> None:
    """What a killed process left in the log is read, and left where it is."""
    leave_open(path)
    log = path.with_name("ledger.db-wal")
    before = (path.read_bytes(), log.read_bytes())
    assert look(path).damage == ""
    assert (path.read_bytes(), log.read_bytes()) == before


def test_no_ledger(tmp_path: Path) -> None:
    """A file that is none is said to be none, and one that is not there is not made."""
    file = tmp_path / "ledger.db"
    with pytest.raises(LocalDiskError, match="unable to open"):
        look(file)
    assert not file.exists()
    file.write_text("hello, this is no database, as anybody can see" * 99)
    with pytest.raises(UsageError, match="not a usable ledger"):
        look(file)


def test_a_ledger_that_nobody_may_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger in a directory that may not be written is read all the same."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert look(path).version == len(MIGRATION_NAMES)
