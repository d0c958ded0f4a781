"""Connections that are cut anywhere: all is fetched, and what had arrived whole is not again."""

import tempfile
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_helpers import Desk, desk, octets_of

from archiver.ledger.seen import Counts
from infra.faulty_pop3 import Faults

SIZES = (40, 3000, 200, 1, 70_000, 9000)
MESSAGES = [(f"u{n}", octets_of(f"w{n}", size)) for n, size in enumerate(SIZES)]
ALL = Counts(listed=len(SIZES), fetched=len(SIZES))


def whole_run(directory: Path, pipelining: bool) -> Desk:
    """A run without faults, to see what it takes."""
    directory.mkdir()
    with desk(directory, MESSAGES, pipelining=pipelining) as it:
        assert it.run() == ALL
        return it


def asked_again(it: Desk) -> list[int]:
    """The messages that the last session asked for, if it was not the first."""
    last = len(it.server.commands) - it.server.commands[::-1].index("STAT")
    later = it.server.commands[last:] if it.server.sessions > 1 else []
    return [int(line.split()[1]) for line in later if line.startswith("RETR")]


def ends(whole: int) -> list[int]:
    """Where each message's answer ends, in all the octets that a server says in a whole run."""
    answers = [len(b"+OK\r\n.\r\n") + len(octets) for _, octets in MESSAGES]
    begin = whole - sum(answers) - len(b"+OK\r\n+OK bye\r\n")
    return list(accumulate(answers, initial=begin))[1:]


def check(it: Desk) -> None:
    """Everything is there once, octet for octet."""
    assert it.counts == ALL
    assert sorted(it.octets()) == sorted(octets for _, octets in MESSAGES)
    assert it.ledger.value("SELECT count(*) FROM messages") == len(MESSAGES)


@pytest.mark.parametrize("pipelining", [True, False])
def test_cut_at_every_command(tmp_path: Path, pipelining: bool) -> None:
    """Wherever a command is left without an answer, no message that had one is asked for again."""
    commands = len(whole_run(tmp_path / "whole", pipelining).server.commands)
    for last in range(1, commands + 1):
        directory = tmp_path / str(last)
        directory.mkdir()
        with desk(directory, MESSAGES, pipelining=pipelining, drop_at=[last]) as it:
            it.run()
            check(it)
            answered = [line for line in it.server.commands[: last - 1] if line.startswith("RETR")]
            # With commands ahead of it, a message is complete once the next answer begins.
            certain = answered[:-1] if pipelining else answered
            assert not set(certain) & {f"RETR {number}" for number in asked_again(it)}


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_cut_within_data(tmp_path: Path, pipelining: bool, reset: bool) -> None:
    """Wherever the server's words are cut, a message that had arrived whole is not sent again."""
    whole = whole_run(tmp_path / "whole", pipelining).server.octets
    places = ends(whole)
    edges = [end + near for end in places for near in (-1, 0, 1)]
    for cut in sorted({*range(1, whole, 7001), *edges}):
        directory = tmp_path / str(cut)
        directory.mkdir()
        faults = {"pipelining": pipelining, "reset": reset}
        with desk(directory, MESSAGES, drop_after=[cut], **faults) as it:
            it.run()
            check(it)
            # A reset may take octets with it that had arrived.
            if not reset:
                behind = 1 if pipelining else 0
                missing = [n for n, end in enumerate(places, 1) if end + behind > cut]
                assert asked_again(it) == missing


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    cuts=st.lists(st.none() | st.integers(1, 90_000), max_size=5),
    stops=st.lists(st.none() | st.integers(1, 16), max_size=5),
    pipelining=st.booleans(),
    uidl=st.booleans(),
)
def test_cut_again_and_again(
    cuts: list[int | None], stops: list[int | None], pipelining: bool, uidl: bool
) -> None:
    """However often and wherever sessions are cut, the mailbox is fetched whole, once."""
    faults = {"pipelining": pipelining, "without": set() if uidl else {"UIDL"}}
    with (
        tempfile.TemporaryDirectory() as directory,
        desk(Path(directory), MESSAGES, drop_after=cuts, drop_at=stops, **faults) as it,
    ):
        it.set(reconnects=99)
        it.run()
        # What a session was lost at again and again is left for the next run.
        it.server.faults = Faults()
        assert it.run().failed == 0
        assert sorted(it.octets()) == sorted(octets for _, octets in MESSAGES)
