from pathlib import Path

import pytest
from stage_helpers import box, desk, octets_of

from archiver.ledger.seen import Counts
from archiver.ledger.status import problem_count

WORDS = ("one", "two", "three", "four")
MESSAGES = box(*WORDS)


def test_limit(tmp_path: Path) -> None:
    """A run fetches as many as it is told, and says how many remain."""
    with desk(tmp_path, MESSAGES) as it:
        assert it.run(limit=3) == Counts(listed=4, fetched=3, remaining=1)
        assert it.listener.shown[-1] == ("fetch", 3, 3)
        assert it.run(limit=3) == Counts(listed=4, known=3, fetched=1)


@pytest.mark.parametrize("faults", [{}, {"expire": 0, "login_delay": 300}])
def test_limit_costs_no_login(tmp_path: Path, faults: dict[str, int]) -> None:
    """A run that has fetched as many as it was told opens no further session."""
    with desk(tmp_path, MESSAGES, **faults) as it:
        assert it.run(limit=2) == Counts(listed=4, fetched=2, remaining=2)
        assert it.server.sessions == 1
        assert it.clock.slept == []


def test_stopping(tmp_path: Path) -> None:
    """A run that is asked to end opens no further session."""
    with desk(tmp_path, MESSAGES) as it:
        it.stop.ask()
        assert it.run() == Counts()
        assert it.server.sessions == 0


def test_spool_full(tmp_path: Path) -> None:
    """When the spool is full the session ends, and another goes on when there is room."""
    large = [(f"u{n}", octets_of(f"w{n}", 1000)) for n in range(5)]
    with desk(tmp_path, large) as it:
        it.spool.limit = 2500
        assert it.run() == Counts(listed=5, fetched=5)
        assert len(it.heard("QUIT")) == 3


def test_spool_stays_full(tmp_path: Path) -> None:
    """When nobody makes room the run ends with what fitted, and says so."""
    large = [(f"u{n}", octets_of(f"w{n}", 1000)) for n in range(5)]
    with desk(tmp_path, large) as it:
        it.spool.limit = 2500
        it.makes_room = False
        assert it.run() == Counts(listed=5, fetched=2, remaining=3)
        assert "spool is full" in it.listener.notes[-1]


def test_spool_smaller_than_a_message(tmp_path: Path) -> None:
    """An empty spool takes one message of any size."""
    with desk(tmp_path, [("u", octets_of("w", 5000))]) as it:
        it.spool.limit = 100
        assert it.run() == Counts(listed=1, fetched=1)


@pytest.mark.parametrize("without", [{"UIDL", "TOP"}, {"UIDL"}, {"TOP"}])
def test_spool_full_where_little_is_known(tmp_path: Path, without: set[str]) -> None:
    """Each session goes on where the last one ended, whatever the server lacks."""
    large = [(f"u{n}", octets_of(f"w{n}", 1000)) for n in range(5)]
    with desk(tmp_path, large, without=without) as it:
        it.spool.limit = 2500
        assert it.run() == Counts(listed=5, fetched=5)
        assert len(it.heard("RETR")) == 5


@pytest.mark.parametrize(
    "without", [{"TOP"}, {"UIDL"}, {"UIDL", "TOP"}, {"CAPA"}, {"NOOP"}, {"CAPA", "UIDL", "TOP"}]
)
def test_servers_that_lack_something(tmp_path: Path, without: set[str]) -> None:
    """Whatever the server lacks, a mailbox is fetched whole and stored once."""
    with desk(tmp_path, MESSAGES, without=without) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        it.archive()
        assert it.run() == Counts(listed=4, known=4)
        assert it.ledger.value("SELECT count(*) FROM messages") == 4
        assert len(it.heard("QUIT")) == 2


def test_top_is_refused(tmp_path: Path) -> None:
    """A server that advertises TOP and refuses it is asked once, and all is retrieved instead."""
    same = [("same", octets_of(word)) for word in WORDS]
    with desk(tmp_path, same, pipelining=False, replies={"TOP": b"-ERR no\r\n"}) as it:
        assert it.run().fetched == 4
        assert it.run() == Counts(listed=4, known=4)
        assert len(it.heard("TOP")) == 1


def test_utf8_is_fixed(tmp_path: Path) -> None:
    """UTF8 mode is decided by an account's first session and kept in all later ones."""
    with desk(tmp_path, MESSAGES, utf8=True) as it:
        it.run()
        assert it.owner.utf8 is True
        it.run()
        assert len(it.heard("UTF8")) == 2
    (tmp_path / "other").mkdir()
    with desk(tmp_path / "other", MESSAGES) as it:
        it.run()
        it.server.faults = type(it.server.faults)(utf8=True)
        it.run()
        assert it.owner.utf8 is False
        assert it.heard("UTF8") == []


def test_no_tls_is_said(tmp_path: Path) -> None:
    """A connection without TLS is said out loud once a run."""
    with desk(tmp_path, MESSAGES) as it:
        it.run()
        assert sum("no TLS" in note for note in it.listener.notes) == 1


def test_left_meanwhile(tmp_path: Path) -> None:
    """A message that was refused and is no longer listed by the next run has vanished."""
    with desk(tmp_path, box("one", "two"), refuse={2: "no such message"}) as it:
        assert it.run() == Counts(listed=2, fetched=1, failed=1)
        it.server.mailbox.pop()
        assert it.run() == Counts(listed=1, known=1)
        assert it.ledger.value("SELECT stage FROM messages WHERE uidl = 'uidl-two'") == "vanished"
        assert problem_count(it.ledger, it.owner.row) == (0, 0)


def test_retiring_server(tmp_path: Path) -> None:
    """Where QUIT retires what was retrieved it is sent only when all of it is archived."""
    with desk(tmp_path, MESSAGES, expire=0) as it:
        it.waits = [None, None]
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.heard("NOOP")
        assert it.server.mailbox == []
        assert it.ledger.value("SELECT count(*) FROM messages WHERE stage = 'archived'") == 4


@pytest.mark.parametrize("without", [set(), {"TOP"}, {"UIDL", "TOP"}, {"NOOP"}])
def test_retiring_server_and_no_store(tmp_path: Path, without: set[str]) -> None:
    """Where QUIT retires what was retrieved nothing leaves the server before it is archived."""
    with desk(tmp_path, MESSAGES, expire=0, without=without) as it:
        it.archives = False
        for _ in range(2):
            it.run()
            assert len(it.server.mailbox) == 4
        assert any("without QUIT" in note for note in it.listener.notes)
        it.archives = True
        it.archive()
        it.run()
        assert it.ledger.value("SELECT count(*) FROM messages WHERE stage = 'archived'") == 4


def test_retiring_server_in_portions(tmp_path: Path) -> None:
    """A server that offers only its oldest messages is asked until it has no more."""
    with desk(tmp_path, MESSAGES, expire=0, offered=2) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.server.mailbox == []
