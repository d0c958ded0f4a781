"""Servers that show a mailbox in portions."""

from dataclasses import replace
from pathlib import Path

import pytest
from stage_helpers import desk, octets_of

from archiver.ledger.holding import give_up
from archiver.ledger.seen import Counts
from archiver.ledger.versions import problems


def messages(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    """So many messages under UIDLs of their own."""
    return [(f"u{n}", octets_of(f"w{n}")) for n in range(first, first + count)]


@pytest.mark.parametrize("offered", [100, 123, 150])
def test_window_that_moves_on(tmp_path: Path, offered: int) -> None:
    """A server that shows other messages once it was quit is found out by the second run.

    That run asks until there is nothing more.
    """
    with desk(tmp_path, messages(340), offered=offered, hides=True) as it:
        assert it.run() == Counts(listed=offered, fetched=offered)
        assert it.run() == Counts(listed=340 - offered, fetched=340 - offered)
        assert it.server.mailbox == []


def test_hiding_is_remembered(tmp_path: Path) -> None:
    """A server that hid what was retrieved is left with QUIT only when all of it is archived."""
    with desk(tmp_path, messages(250), offered=100, hides=True) as it:
        it.archives = False
        it.run()
        it.run()
        assert it.owner.retires
        assert any("no longer shows" in note for note in it.listener.notes)
        # Two portions went before anybody could know; nothing after them did.
        assert len(it.server.mailbox) == 50
        assert it.run() == Counts(listed=50, known=50)
        assert len(it.server.mailbox) == 50


@pytest.mark.parametrize("count", [1, 99, 200, 300, 1050])
def test_ordinary_servers_cost_no_login_more(tmp_path: Path, count: int) -> None:
    """A server that keeps what was retrieved is signed in to once a run."""
    with desk(tmp_path, messages(count)) as it:
        assert it.run() == Counts(listed=count, fetched=count)
        assert it.server.sessions == 1
        it.run()
        assert it.server.sessions == 2


def test_messages_that_fail_in_a_portion(tmp_path: Path) -> None:
    """A message that is refused does not hide that there may be more."""
    with desk(tmp_path, messages(350), offered=100, hides=True, refuse={2: "no"}) as it:
        assert it.run() == Counts(listed=100, fetched=99, failed=1)
        counts = it.run()
        assert (counts.listed, counts.fetched + counts.failed) == (251, 251)
        assert it.server.sessions > 3


def test_message_that_was_given_up_in_a_portion(tmp_path: Path) -> None:
    """Neither does one that was given up."""
    with desk(tmp_path, messages(350), offered=100, hides=True, refuse={2: "no"}) as it:
        it.run()
        give_up(it.ledger, [one.row for one in problems(it.ledger)])
        it.server.faults = replace(it.server.faults, refuse={})
        counts = it.run()
        assert (counts.listed, counts.fetched, counts.known) == (251, 250, 1)
        assert [message.uidl for message in it.server.mailbox] == ["u1"]


def test_only_the_newest_are_shown(tmp_path: Path) -> None:
    """A server that shows the newest 250 alone is not asked for the others again and again."""
    with desk(tmp_path, messages(400), offered=250, newest=True) as it:
        assert it.run() == Counts(listed=250, fetched=250)
        assert it.server.sessions == 1
