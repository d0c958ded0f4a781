"""A run that is asked to end while its server says nothing: what had arrived whole is kept."""

from dataclasses import astuple
from pathlib import Path

import pytest
from stage_helpers import AtSilence, desk, octets_of

from archiver.ledger.seen import Counts
from archiver.stopping import Stop
from infra.faulty_pop3 import Faults

MESSAGES = [(f"u{n}", octets_of(f"w{n}", 900)) for n in range(4)]
ALL = len(MESSAGES)
BEFORE_RETR = len(("CAPA", "AUTH", "CAPA", "STAT", "UIDL", "LIST"))


@pytest.mark.parametrize("pipelining", [True, False])
def test_silent_at_every_command(tmp_path: Path, pipelining: bool) -> None:
    """Whichever command is not answered, the run ends, adds up, and the next one goes on."""
    (tmp_path / "whole").mkdir()
    with desk(tmp_path / "whole", MESSAGES, pipelining=pipelining) as it:
        it.run()
        commands = list(it.server.commands)
    for last in range(1, len(commands) + 1):
        directory = tmp_path / str(last)
        directory.mkdir()
        with desk(directory, MESSAGES, pipelining=pipelining, silent_at=[last]) as it:
            it.stop = AtSilence(it.server, last)
            counts = it.run()
            assert counts.listed == sum(astuple(counts)[1:])
            answered = sum(line.startswith("RETR") for line in commands[: last - 1])
            # The answer that follows a message shows that it was whole.
            confirmed = answered - (commands[last - 1][:4] in ("RETR", "NOOP"))
            assert counts.fetched == max(confirmed, 0)
            assert (it.heard("QUIT") != []) is (last == len(commands))
            it.server.faults, it.stop = Faults(), Stop()
            again = it.run()
            assert again == Counts(listed=ALL, known=counts.fetched, fetched=ALL - counts.fetched)
            assert sorted(it.octets()) == sorted(octets for _, octets in MESSAGES)


def test_in_the_middle_of_a_message(tmp_path: Path) -> None:
    """Of a message that stops half way nothing is kept; the ones before it are."""
    with desk(tmp_path, MESSAGES, stall=(3, 500)) as it:
        it.stop = AtSilence(it.server, BEFORE_RETR + 3)
        counts = it.run()
        assert counts == Counts(listed=4, fetched=2, remaining=2)
        assert it.octets() == [octets for _, octets in MESSAGES[:2]]
        assert len(it.batches) == 1
        assert not [note for note in it.listener.notes if "trying again" in note]


def test_a_retiring_server(tmp_path: Path) -> None:
    """Where QUIT retires what was retrieved, a session that is broken off is not quit."""
    with desk(tmp_path, MESSAGES, stall=(3, 500), expire=0) as it:
        it.stop = AtSilence(it.server, BEFORE_RETR + 3)
        it.run()
        assert it.heard("QUIT") == []
        assert len(it.server.mailbox) == ALL
