"""A ledger of an earlier version, and what becomes of it."""

import sqlite3
from pathlib import Path

from ledger_helpers import NAME, NOW, STORE, new_ledger, owner
from sqlite_utils import Database

from archiver.ledger import Ledger
from archiver.ledger.accounts import forget_mechanism, note_login, note_retiring, open_account
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
