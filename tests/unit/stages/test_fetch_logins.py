"""When a mailbox is signed in to, how, and what the ledger remembers of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage_helpers import Desk, Time, box, desk, octets_of

from archiver.errors import LoginRefused, ServerUnavailable
from archiver.ledger.accounts import open_account
from archiver.ledger.seen import Counts

MESSAGES = box("one", "two", "three", "four")


def change(it: Desk, **faults: Any) -> None:
    """Lets the server misbehave in another way from now on."""
    it.server.faults = replace(it.server.faults, **faults)


def mechanism(it: Desk) -> str | None:
    """How the ledger thinks that signing in works."""
    return it.owner.mechanism


def test_delay_within_a_run(tmp_path: Path) -> None:
    """Between the sessions of a run as much time passes as the server wants."""
    large = [(f"u{n}", octets_of(f"w{n}", 1000)) for n in range(4)]
    with desk(tmp_path, large, login_delay=300) as it:
        it.spool.limit = 2500
        it.run()
        assert it.clock.slept == [300.0]


def test_delay_between_runs(tmp_path: Path) -> None:
    """The next run waits for what is left of the delay before it connects, and says how long."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.run()
        assert it.clock.slept == []
        it.clock.elapsed += 100
        it.run()
        assert it.clock.slept == [200.0]
        assert it.listener.waits == [200.0, 0]
        (note,) = [note for note in it.listener.notes if "waiting" in note]
        assert "300 s have to pass between two logins: waiting 200 s, until " in note
        it.clock.elapsed += 300
        it.run()
        assert it.clock.slept == [200.0]


def test_interrupted_wait(tmp_path: Path) -> None:
    """A run that is asked to end while it waits opens no session."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.run()

        class Interrupted(Time):
            def sleep(self, seconds: float) -> None:
                it.stop.ask()

        it.clock = Interrupted()
        assert it.run() == Counts()
        assert it.server.sessions == 1
        assert it.listener.waits[-1] == 0


@pytest.mark.parametrize(("wanted", "slept"), [(0.0, []), (20.0, [20.0])])
def test_the_settings_win(tmp_path: Path, wanted: float, slept: list[float]) -> None:
    """A person's delay stands in the place of the server's."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.set(login_delay=wanted)
        it.run()
        it.run()
        assert it.clock.slept == slept


def test_clock_set_back(tmp_path: Path) -> None:
    """A clock that was set back makes no wait longer than the delay."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.run()
        it.clock.elapsed -= 86_400
        it.run()
        assert it.clock.slept == [300.0]


def test_delay_that_is_no_longer_asked(tmp_path: Path) -> None:
    """A server that asks for a delay no more is not waited for after its next login."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.run()
        change(it, login_delay=None)
        it.run()
        it.run()
        assert it.clock.slept == [300.0]


def test_delay_of_another_store(tmp_path: Path) -> None:
    """A mailbox that is archived into a second store has been signed in to all the same."""
    with desk(tmp_path, MESSAGES, login_delay=300) as it:
        it.run()
        host = it.owner.host
        other = open_account(it.ledger, it.owner.name, store_url="file:///other", host=host)
        assert (other.last_login, other.login_delay) == (it.owner.last_login, 300)
        assert other.mechanism == "plain"
        moved = open_account(it.ledger, it.owner.name, store_url="file:///other", host="elsewhere")
        assert (moved.login_delay, moved.mechanism, moved.retires) == (None, None, False)


@pytest.mark.parametrize(("asked", "slept"), [(None, [60.0, 120.0]), (900, [900.0, 1800.0])])
def test_login_that_came_too_early(tmp_path: Path, asked: int | None, slept: list[float]) -> None:
    """A login refused with [LOGIN-DELAY] is tried again after the delay, and then after more."""
    with desk(tmp_path, MESSAGES, early_logins=2, login_delay=asked) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.clock.slept == slept
        assert it.server.sessions == 3


def test_refusal_against_the_settings(tmp_path: Path) -> None:
    """A login that was refused as too early waits as the server wants, whatever a person said."""
    with desk(tmp_path, MESSAGES, early_logins=1, login_delay=900) as it:
        it.set(login_delay=1.0)
        it.run()
        assert it.clock.slept == [900.0]


def test_logins_that_come_too_early_end(tmp_path: Path) -> None:
    """They count as reconnects, and no wait is longer than an hour, or the delay if that is."""
    with desk(tmp_path, MESSAGES, early_logins=99, login_delay=1000) as it:
        it.set(reconnects=4)
        with pytest.raises(ServerUnavailable) as caught:
            it.run()
        assert caught.value.code == "LOGIN-DELAY"
        assert it.clock.slept == [1000.0, 2000.0, 3600.0, 3600.0]
        change(it, login_delay=7200)
        it.set(reconnects=1)
        with pytest.raises(ServerUnavailable):
            it.run()
        assert it.clock.slept[4:] == [7200.0]


@pytest.mark.parametrize(
    "refusal", ["[IN-USE] another session", "[SYS/TEMP] later", "unable to lock maildrop"]
)
def test_busy_mailbox(tmp_path: Path, refusal: str) -> None:
    """A mailbox that is busy is tried again, each time after twice as long."""
    with desk(tmp_path, MESSAGES, login_refusals=[refusal, refusal]) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.clock.slept == [0.5, 1.0]


def test_mechanism_is_remembered(tmp_path: Path) -> None:
    """What worked is tried first the next time, and forgotten when nothing works."""
    with desk(tmp_path, MESSAGES, sasl=()) as it:
        it.run()
        assert mechanism(it) == "user"
        change(it, sasl=("PLAIN",))
        it.run()
        assert [line.split()[0] for line in it.server.commands].count("USER") == 2
        change(it, refuse_login="[AUTH] no")
        with pytest.raises(LoginRefused):
            it.run()
        assert mechanism(it) is None
        change(it, refuse_login=None)
        it.run()
        assert mechanism(it) == "plain"


def test_forecast(tmp_path: Path) -> None:
    """Where sessions are short and far apart, a run says how many and how long that is."""
    many = [(f"u{n}", octets_of(f"w{n}")) for n in range(650)]
    with desk(tmp_path, many, expire=0, login_delay=300) as it:
        assert it.run() == Counts(listed=650, fetched=650)
        notes = [note for note in it.listener.notes if "remain" in note]
        assert notes == [
            "650 messages remain: 3 sessions 300 s apart are 0.2 hours",
            "350 messages remain: 2 sessions 300 s apart are 0.1 hours",
        ]
