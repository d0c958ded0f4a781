import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from ledger_helpers import NAME, NOW, STORE, new_ledger, owner

from archiver.errors import LocalDiskError, UsageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import (
    begin_run,
    capabilities,
    distrust,
    end_run,
    fix_utf8,
    has_run,
    narrow,
    open_account,
    other_stores,
    remember_capabilities,
    renew_writer,
    writer,
)
from archiver.ledger.status import status


def test_pragmas(tmp_path: Path) -> None:
    """The ledger survives a power cut: WAL, and fully synchronous."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.value("PRAGMA journal_mode") == "wal"
        assert ledger.value("PRAGMA synchronous") == 2
        assert ledger.value("PRAGMA foreign_keys") == 1


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is no ledger is refused and left as it is."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no ledger at all" * 100)
    with pytest.raises(UsageError, match="not a usable ledger"):
        Ledger.open(path)
    assert path.read_bytes() == b"no ledger at all" * 100


def test_no_directory(tmp_path: Path) -> None:
    """A ledger that cannot be made is the local disk's fault."""
    with pytest.raises(LocalDiskError):
        Ledger.open(tmp_path / "missing" / "ledger.db")


def test_newer_version(tmp_path: Path) -> None:
    """A ledger that a newer version has changed is refused."""
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with sqlite3.connect(path) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(_sqlite_migrations)")]
        values = {"migration_set": "ledger", "name": "m999_later", "applied_at": "2030"}
        given = [column for column in columns if column in values]
        marks = ", ".join("?" for _ in given)
        db.execute(
            f"INSERT INTO _sqlite_migrations ({', '.join(given)}) VALUES ({marks})",
            [values[column] for column in given],
        )
    db.close()
    with pytest.raises(UsageError, match="newer version"):
        Ledger.open(path)


def test_opened_by_many_at_once(tmp_path: Path) -> None:
    """Processes that open a new ledger at the same time all find it made."""
    program = (
        "import sys; from pathlib import Path; from archiver.ledger import Ledger;"
        "sys.stdin.read(1); Ledger.open(Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "ledger.db")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in started:
        process.communicate(b"x")
    assert [process.returncode for process in started] == [0] * 4


def test_threads_write_in_turn(tmp_path: Path) -> None:
    """Threads with connections of their own wait for one another."""
    with new_ledger(tmp_path) as ledger:
        name = owner(ledger)

        def work() -> None:
            with Ledger.open(tmp_path / "ledger.db") as own:
                for _ in range(20):
                    begin_run(own, name, "run", NOW)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.value("SELECT count(*) FROM runs") == 80


def test_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    """A transaction that raises is rolled back, and the next one works."""
    with new_ledger(tmp_path) as ledger:
        with pytest.raises(ZeroDivisionError), ledger.write() as db:
            db.execute("UPDATE accounts SET host = 'elsewhere'")
            raise ZeroDivisionError
        assert owner(ledger).host == "pop.example.com"
        with ledger.write() as db:
            db.execute("UPDATE accounts SET host = 'elsewhere'")
        assert owner(ledger).host == "elsewhere"


def test_full_disk(tmp_path: Path) -> None:
    """A full disk is said in one line, and nothing of the transaction is kept."""
    with new_ledger(tmp_path) as ledger:
        pages = ledger.value("PRAGMA page_count")
        ledger.scratch(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LocalDiskError, match="full"), ledger.write() as db:
            db.execute("UPDATE accounts SET host = ?", ("x" * 100_000,))
        assert owner(ledger).host == "pop.example.com"


def test_account_is_made_once(tmp_path: Path) -> None:
    """An account is found again, follows its server's name, and is another one in another store."""
    with new_ledger(tmp_path) as ledger:
        first = owner(ledger)
        again = open_account(ledger, NAME, store_url=STORE, host="new.example.com")
        assert (again.row, again.host) == (first.row, "new.example.com")
        other = open_account(ledger, NAME, store_url="file:///other", host="pop.example.com")
        assert other.row != first.row
        assert other_stores(ledger, first) == ["file:///other"]
        assert not has_run(ledger, other)


def test_what_an_account_remembers(tmp_path: Path) -> None:
    """UTF8 mode, distrust with its first reason, and the narrow window last between runs."""
    with new_ledger(tmp_path) as ledger:
        assert (owner(ledger).utf8, owner(ledger).distrusted) == (None, None)
        fix_utf8(ledger, owner(ledger), True)
        distrust(ledger, owner(ledger), "first")
        distrust(ledger, owner(ledger), "second")
        narrow(ledger, owner(ledger), NOW)
        known = owner(ledger)
        assert (known.utf8, known.distrusted) == (True, "first")
        assert known.narrow_until == NOW + 30 * 86_400


def test_writer_and_store(tmp_path: Path) -> None:
    """The writer's id stays until it is renewed; a store's capabilities until they are probed."""
    with new_ledger(tmp_path) as ledger:
        first = writer(ledger)
        assert writer(ledger) == first
        assert renew_writer(ledger) == writer(ledger) != first
        store = owner(ledger).store
        assert capabilities(ledger, store) is None
        remember_capabilities(ledger, store, {"checksum": True})
        assert capabilities(ledger, store) == {"checksum": True}


def test_last_run(tmp_path: Path) -> None:
    """The newest run is shown, also one that never ended."""
    with new_ledger(tmp_path) as ledger:
        run = begin_run(ledger, owner(ledger), "run", NOW)
        end_run(ledger, run, now=NOW + 5, exit_code=3, report={"listed": 1})
        last = status(ledger)[0].last_run
        assert last is not None
        assert (last.verb, last.ended_at, last.exit_code) == ("run", int(NOW) + 5, 3)
        assert last.report == {"listed": 1}
        begin_run(ledger, owner(ledger), "fetch", NOW + 9)
        last = status(ledger)[0].last_run
        assert last is not None
        assert (last.verb, last.ended_at, last.report) == ("fetch", None, {})


def test_all_threads_are_one_writer(tmp_path: Path) -> None:
    """Threads that ask for the writer's id at the same time, before there is one, get the same."""
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    ready = Barrier(4)

    def ask(_: int) -> str:
        with Ledger.open(path) as ledger:
            ready.wait()
            return writer(ledger)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(4)))) == 1
