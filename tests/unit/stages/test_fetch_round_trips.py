"""How often a run waits for the server before it goes on: over a long line that is its time."""

from pathlib import Path

import pytest
from stage_helpers import box, desk, octets_of

from archiver.errors import ServerUnavailable
from archiver.ledger.seen import Counts

COMMANDS_OF_A_SESSION = ["CAPA", "AUTH", "CAPA", "STAT", "UIDL", "LIST", "NOOP", "QUIT"]


@pytest.mark.parametrize(("count", "trips"), [(0, 4), (1, 5), (31, 5)])
def test_pipelined(tmp_path: Path, count: int, trips: int) -> None:
    """A session waits for CAPA, AUTH, its listing, each window, and QUIT, and for no more."""
    with desk(tmp_path, box(*(f"w{n}" for n in range(count)))) as it:
        assert it.run().fetched == count
        assert it.server.round_trips == trips


def test_windows_overlap(tmp_path: Path) -> None:
    """The next messages are asked for while half a window is still under way."""
    with desk(tmp_path, box(*(f"w{n}" for n in range(320)))) as it:
        it.run()
        assert it.server.round_trips <= 6 + 320 // 50 + 1


def test_one_by_one(tmp_path: Path) -> None:
    """Without PIPELINING every command waits for its answer."""
    with desk(tmp_path, box("one", "two", "three"), pipelining=False) as it:
        assert it.run() == Counts(listed=3, fetched=3)
        assert [line.split()[0] for line in it.server.commands] == [
            *COMMANDS_OF_A_SESSION[:6],
            *["RETR"] * 3,
            *COMMANDS_OF_A_SESSION[6:],
        ]
        assert it.server.round_trips == len(it.server.commands)


@pytest.mark.parametrize("pipelining", [True, False])
def test_answer_behind_the_last_message(tmp_path: Path, pipelining: bool) -> None:
    """Octets behind the last message show that it was cut short, since an answer was to follow."""
    messages = [("u1", octets_of("one")), ("u2", octets_of("two"))]
    faults = {"tail": {2: b"rest\r\n.\r\n"}, "pipelining": pipelining}
    with desk(tmp_path, messages, drop_at=[None], **faults) as it:
        it.set(reconnects=0)
        with pytest.raises(ServerUnavailable, match=r"more behind the end|answered"):
            it.run()
        assert it.octets() == [octets_of("one")]


def test_refused_uidl_among_what_was_asked_ahead(tmp_path: Path) -> None:
    """A refusal of UIDL leaves the answer to LIST behind it where it belongs."""
    with desk(tmp_path, box("one", "two"), without={"UIDL"}) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert [size for _, size in it.ledger.rows("SELECT uidl, listed_size FROM messages")] == [
            len(octets_of("one")),
            len(octets_of("two")),
        ]
