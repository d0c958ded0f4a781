"""A ledger of an earlier version, and what becomes of it."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ledger_helpers import NAME, NOW, STORE, new_ledger, owner
from sqlite_utils import Database

from archiver.errors import AlreadyRunning, LocalDiskError
from archiver.ledger import Ledger
from archiver.ledger.accounts import forget_mechanism, note_login, note_retiring, open_account
from archiver.ledger.presence import Presence
from archiver.ledger.schema import m002_logins, migrations


def first_version(path: Path) -> None:
    """A ledger as the first version made it, with an account that was never archived since."""
    database = Database(path)
    migrations.apply(database, stop_before=m002_logins.__name__)
    database.execute("INSERT INTO stores (url) VALUES (?)", (STORE,))
    database.execute(
        "INSERT INTO accounts (name, store_id, host, distrusted) VALUES (?, 1, 'pop', 'why')",
        (NAME,),
    )
    database.conn.commit()
    database.close()


def test_upgrade_keeps_what_was_there(tmp_path: Path) -> None:
    """An account of an earlier version is the same account, and was never signed in to."""
    first_version(tmp_path / "ledger.db")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        known = owner(ledger)
        assert (known.name, known.host, known.distrusted) == (NAME, "pop", "why")
        assert (known.last_login, known.login_delay, known.mechanism) == (None, None, None)
        assert not known.retires


def test_copy_before_an_upgrade(tmp_path: Path) -> None:
    """The ledger as it was stays beside the new one, for the owner's eyes, and is whole."""
    first_version(tmp_path / "ledger.db")
    Ledger.open(tmp_path / "ledger.db").close()
    copy = tmp_path / "ledger.db.m001_first_tables"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT name, distrusted FROM accounts").fetchall() == [(NAME, "why")]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    before = copy.read_bytes()
    Ledger.open(tmp_path / "ledger.db").close()
    assert copy.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*.db*")) == ["ledger.db", copy.name]


_KILLED = """
import os, signal, sys
from pathlib import Path
from archiver.ledger import Ledger, database

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(real):
    return lambda *given, **named: (real(*given, **named), die())

path, step = Path(sys.argv[1]), sys.argv[2]
apply = database.migrations.apply
if step == "while it is copied":
    os.fsync = die
if step == "behind the copy":
    database.copy = then_die(database.copy)
if step == "in the middle":
    database.migrations.apply = then_die(lambda db: apply(db, stop_before="m003_deletion"))
if step == "before the commit":
    database.migrations.apply = then_die(apply)
Ledger.open(path)
"""


@pytest.mark.parametrize(
    "step", ["while it is copied", "behind the copy", "in the middle", "before the commit"]
)
def test_upgrade_that_is_killed(tmp_path: Path, step: str) -> None:
    """Wherever an upgrade is cut, the ledger is as it was, and the next one upgrades it."""
    path = tmp_path / "ledger.db"
    first_version(path)
    before = tables(path)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), step], check=False)
    assert done.returncode == -signal.SIGKILL
    assert tables(path) == before
    with Ledger.open(path) as ledger:
        assert (owner(ledger).name, owner(ledger).distrusted) == (NAME, "why")
    assert tables(tmp_path / "ledger.db.m001_first_tables") == before
    assert not list(tmp_path.glob("*.part"))


def tables(path: Path) -> list[str]:
    """What a database consists of, and what it holds; it is read as it lies there."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def test_copy_is_durable_before_anything_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the copy cannot be made durable there is none, and the ledger stays as it was."""
    path = tmp_path / "ledger.db"
    first_version(path)
    before = tables(path)

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(LocalDiskError, match="Input/output error"):
            Ledger.open(path)
    assert tables(path) == before
    assert not list(tmp_path.glob("ledger.db.m*"))


def test_an_older_version_is_at_work(tmp_path: Path) -> None:
    """A ledger is not upgraded under another process that has it open."""
    first_version(tmp_path / "ledger.db")
    older = Presence.enter(tmp_path / "ledger.db")
    older.admit()
    with pytest.raises(AlreadyRunning, match="older version"):
        Ledger.open(tmp_path / "ledger.db")
    older.leave()
    Ledger.open(tmp_path / "ledger.db").close()


def test_new_ledger_has_no_copy(tmp_path: Path) -> None:
    """A ledger that is made has nothing before it that could be kept."""
    with new_ledger(tmp_path):
        assert not list(tmp_path.glob("ledger.db.m*"))


def test_what_logins_taught(tmp_path: Path) -> None:
    """A login is remembered for each store of its mailbox, and for no mailbox of another server."""
    with new_ledger(tmp_path) as ledger:
        first = owner(ledger)
        note_login(ledger, first, now=NOW + 0.2, delay=30, mechanism="plain")
        note_retiring(ledger, first)
        second = open_account(ledger, NAME, store_url="file:///other", host=first.host)
        for known in (owner(ledger), second):
            assert (known.last_login, known.login_delay) == (int(NOW) + 1, 30)
            assert (known.mechanism, known.retires) == ("plain", True)
        third = open_account(ledger, NAME, store_url="file:///third", host="elsewhere")
        assert (third.last_login, third.mechanism, third.retires) == (None, None, False)
        forget_mechanism(ledger, second)
        assert owner(ledger).mechanism is None
        moved = open_account(ledger, NAME, store_url=STORE, host="elsewhere")
        assert (moved.login_delay, moved.mechanism, moved.retires) == (None, None, False)
