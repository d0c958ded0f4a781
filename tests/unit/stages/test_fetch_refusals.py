"""Messages that a server refuses: none holds up another, and in the end a person decides."""

from dataclasses import replace
from pathlib import Path

import pytest
from stage_helpers import Desk, box, desk

from archiver.errors import ServerUnavailable
from archiver.ledger.holding import hold, release
from archiver.ledger.seen import Counts
from archiver.ledger.status import problem_count
from archiver.ledger.versions import problems

WORDS = ("one", "two", "three", "four")
MESSAGES = box(*WORDS)


def run(it: Desk) -> Counts:
    """A run, and what follows it at the end of a run of the whole command."""
    counts = it.run()
    hold(it.ledger, it.owner, tries=it.settings.tries)
    return counts


def test_held_and_released(tmp_path: Path) -> None:
    """A message that failed too often waits for a person, and once released is fetched."""
    with desk(tmp_path, MESSAGES, refuse={2: "disk error"}) as it:
        it.set(tries=2)
        for tries in (1, 2):
            assert run(it).failed == 1
            assert problems(it.ledger)[0].tries == tries
        (held,) = problems(it.ledger)
        assert (held.uidl, held.problem) == ("uidl-two", "held")
        assert held.reason == "the server refused it: disk error"
        asked = len(it.heard("RETR"))
        assert run(it) == Counts(listed=4, known=3, failed=1)
        assert len(it.heard("RETR")) == asked
        release(it.ledger, [held.row])
        assert problem_count(it.ledger, it.owner.row) == (0, 0)
        it.server.faults = replace(it.server.faults, refuse={})
        assert run(it) == Counts(listed=4, known=3, fetched=1)


def test_raising_tries_releases_nothing(tmp_path: Path) -> None:
    """What is held waits for a person, also when the settings grant more tries since."""
    with desk(tmp_path, MESSAGES, refuse={2: "no"}) as it:
        it.set(tries=1)
        run(it)
        it.set(tries=9)
        asked = len(it.heard("RETR"))
        assert run(it).failed == 1
        assert len(it.heard("RETR")) == asked


def test_another_message_under_a_held_uidl(tmp_path: Path) -> None:
    """A message of another size under the UIDL of one that is held is tried."""
    with desk(tmp_path, MESSAGES, refuse={2: "no"}) as it:
        it.set(tries=1)
        run(it)
        it.server.faults = replace(it.server.faults, refuse={})
        it.server.mailbox[1].octets += b"longer\r\n"
        assert run(it) == Counts(listed=4, known=3, fetched=1)
        assert problem_count(it.ledger, it.owner.row) == (0, 0)


def test_held_message_that_left(tmp_path: Path) -> None:
    """A message that is held and left the server is no problem any more."""
    with desk(tmp_path, MESSAGES, refuse={2: "no"}) as it:
        it.set(tries=1)
        run(it)
        del it.server.mailbox[1]
        assert run(it) == Counts(listed=3, known=3)
        assert problem_count(it.ledger, it.owner.row) == (0, 0)


@pytest.mark.parametrize("pipelining", [True, False])
def test_temporary_trouble_is_no_try(tmp_path: Path, pipelining: bool) -> None:
    """A mailbox that a server refuses for now is not given up, however often it does."""
    refuse = dict.fromkeys(range(1, 5), "[SYS/TEMP] later")
    with desk(tmp_path, MESSAGES, refuse=refuse, pipelining=pipelining) as it:
        it.set(tries=2)
        for _ in range(3):
            assert run(it) == Counts(listed=4, failed=4)
        it.server.faults = replace(it.server.faults, refuse={})
        assert run(it) == Counts(listed=4, fetched=4)


@pytest.mark.parametrize("pipelining", [True, False])
def test_session_that_ends_with_refusals(tmp_path: Path, pipelining: bool) -> None:
    """A server that cuts a session after some refusals gives what lies behind them in this run."""
    messages = box(*(f"w{n}" for n in range(20)))
    refuse = dict.fromkeys(range(1, 13), "no")
    with desk(tmp_path, messages, refuse=refuse, patience=2, pipelining=pipelining) as it:
        it.set(reconnects=1)
        assert run(it) == Counts(listed=20, fetched=8, failed=12)


@pytest.mark.parametrize("uidl", ["", "same"])
def test_without_usable_uidls_nothing_is_held(tmp_path: Path, uidl: str) -> None:
    """Where a UIDL may be the next message's too, what failed is tried in every run."""
    messages = [(uidl, octets) for _, octets in MESSAGES]
    with desk(tmp_path, messages, refuse={2: "no"}) as it:
        it.set(tries=2)
        for _ in range(4):
            assert run(it).failed == 1
        # One message whose header is refused does not cost the octets of the others.
        assert len(it.heard("RETR")) == 3 + 4
        it.server.faults = replace(it.server.faults, refuse={})
        assert run(it) == Counts(listed=4, known=3, fetched=1)


def test_hmailserver_says_plus_err(tmp_path: Path) -> None:
    """``+ERR`` is a refusal like any other."""
    with desk(tmp_path, MESSAGES, refuse={2: "no"}, word="+ERR") as it:
        assert run(it) == Counts(listed=4, fetched=3, failed=1)


@pytest.mark.parametrize("pipelining", [True, False])
def test_what_failed_comes_last(tmp_path: Path, pipelining: bool) -> None:
    """Messages at which each session is lost hold up the others for one run at most."""
    messages = box(*(f"w{n}" for n in range(12)))
    broken = dict.fromkeys((2, 3, 4), b"rest\r\n.\r\n")
    with desk(tmp_path, messages, tail=broken, pipelining=pipelining) as it:
        with pytest.raises(ServerUnavailable):
            it.run()
        assert it.counts.remaining > 0
        with pytest.raises(ServerUnavailable):
            it.run()
        assert it.ledger.value("SELECT count(*) FROM messages WHERE digest NOTNULL") == 9
        it.server.faults = replace(it.server.faults, tail={})
        assert it.run() == Counts(listed=12, known=9, fetched=3)


def test_what_is_refused_for_good(tmp_path: Path) -> None:
    """Trouble that no repetition changes ends the account at once, and says where to look."""
    off = b"-ERR [SYS/PERM] POP access is not enabled\r\n"
    with desk(tmp_path, MESSAGES, replies={"STAT": off}) as it:
        with pytest.raises(ServerUnavailable, match="not enabled") as caught:
            it.run()
        assert "POP3 is switched on" in caught.value.hint
        assert it.server.logins == 1
