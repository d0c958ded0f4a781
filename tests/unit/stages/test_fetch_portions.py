"""Servers that show a mailbox in portions."""

from pathlib import Path

import pytest
from stage_helpers import desk, octets_of

from archiver.ledger.seen import Counts


def messages(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    """So many messages under UIDLs of their own."""
    return [(f"u{n}", octets_of(f"w{n}")) for n in range(first, first + count)]


def test_window_that_moves_on(tmp_path: Path) -> None:
    """A server that shows other messages once it was quit is asked until it has no more."""
    with desk(tmp_path, messages(340), offered=150, hides=True) as it:
        assert it.run() == Counts(listed=340, fetched=340)
        assert it.server.mailbox == []


def test_window_of_an_odd_size(tmp_path: Path) -> None:
    """One whose portions are no round number is recognised by the second run at the latest."""
    with desk(tmp_path, messages(340), offered=123, hides=True) as it:
        assert it.run() == Counts(listed=123, fetched=123)
        assert it.run() == Counts(listed=217, fetched=217)


def test_hiding_is_remembered(tmp_path: Path) -> None:
    """A server that hid what was retrieved is left with QUIT only when all of it is archived."""
    with desk(tmp_path, messages(250), offered=100, hides=True) as it:
        it.archives = False
        it.run()
        assert it.owner.retires
        assert any("no longer shows" in note for note in it.listener.notes)
        # The first portion went before anybody could know; nothing after it did.
        assert len(it.server.mailbox) == 150
        assert it.run() == Counts(listed=100, known=100)
        assert len(it.server.mailbox) == 150


@pytest.mark.parametrize("count", [1, 99, 101, 320, 1050])
def test_ordinary_servers_cost_no_login_more(tmp_path: Path, count: int) -> None:
    """A server that keeps what was retrieved is signed in to once a run."""
    with desk(tmp_path, messages(count)) as it:
        assert it.run() == Counts(listed=count, fetched=count)
        assert it.server.sessions == 1
        it.run()
        assert it.server.sessions == 2


def test_round_number_costs_one_login_once(tmp_path: Path) -> None:
    """A new mailbox of just so many messages costs one login more, in its first run alone."""
    with desk(tmp_path, messages(200)) as it:
        assert it.run() == Counts(listed=200, fetched=200)
        assert it.server.sessions == 2
        assert not it.owner.retires
        it.run()
        assert it.server.sessions == 3


def test_messages_that_fail_in_a_portion(tmp_path: Path) -> None:
    """A message that is refused does not hide that there may be more."""
    with desk(tmp_path, messages(150), offered=100, hides=True, refuse={2: "no"}) as it:
        counts = it.run()
        assert (counts.listed, counts.fetched) == (150, 148)
        assert counts.failed == 2


@pytest.mark.parametrize("without", [{"UIDL"}, {"UIDL", "TOP"}])
def test_round_number_without_uidls(tmp_path: Path, without: set[str]) -> None:
    """Where messages have no names a round number of them costs no RETR more."""
    with desk(tmp_path, messages(100), without=without) as it:
        assert it.run() == Counts(listed=100, fetched=100)
        assert len(it.heard("RETR")) == 100
        assert it.server.sessions == 2


def test_only_the_newest_are_shown(tmp_path: Path) -> None:
    """A server that shows the newest 250 alone is not asked for the others again and again."""
    with desk(tmp_path, messages(400), offered=250, newest=True) as it:
        assert it.run() == Counts(listed=250, fetched=250)
        assert it.server.sessions == 2
