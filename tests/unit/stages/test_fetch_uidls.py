"""What servers do with UIDLs, from the wire to the ledger: nothing is missed or stored twice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage_helpers import Desk, box, desk, octets_of

from archiver.errors import ServerUnavailable
from archiver.ledger.seen import Counts
from infra.faulty_pop3 import Message

A, B, C = octets_of("a"), octets_of("b"), octets_of("c")


def change(it: Desk, **faults: Any) -> None:
    """Lets the server misbehave in another way from now on."""
    it.server.faults = replace(it.server.faults, **faults)


def asked(it: Desk, verb: str = "RETR") -> int:
    """How often the server has been asked for a message, or a header."""
    return len(it.heard(verb))


@pytest.mark.parametrize(
    "uidl",
    [
        "x" * 129,
        "x" * 513,
        "x" * 4000,
        "with inner spaces",
        " leading and trailing ",
        "8-bit \xe9\xff\x80",
        "\t",
        "+OK 7",
        "-ERR 7",
        "..",
        "a\x1b[2Jb",
        "7 7",
    ],
)
def test_odd_uidls(tmp_path: Path, uidl: str) -> None:
    """A UIDL of any length and any octets identifies its message."""
    with desk(tmp_path, [("first", A), (uidl, B), ("last", C)]) as it:
        assert it.run() == Counts(listed=3, fetched=3)
        assert it.run() == Counts(listed=3, known=3)
        assert asked(it) == 3
        assert it.octets() == [A, B, C]


@pytest.mark.parametrize("without", [{"UIDL"}, {"UIDL", "TOP"}])
def test_no_uidl(tmp_path: Path, without: set[str]) -> None:
    """Without UIDL nothing is stored twice; with TOP nothing is even asked for twice."""
    with desk(tmp_path, [("", A), ("", B)], without=without) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        it.server.mailbox.append(Message("", C))
        assert it.run() == Counts(listed=3, known=2, fetched=1)
        assert it.octets() == [A, B, C]
        assert asked(it) == (5 if "TOP" in without else 3)


def test_uidl_that_is_refused_for_now(tmp_path: Path) -> None:
    """A server that says to try UIDL later is tried later, and trusted as before."""
    with desk(tmp_path, box("a", "b"), replies={"UIDL": b"-ERR [SYS/TEMP] later\r\n"}) as it:
        it.set(reconnects=1)
        with pytest.raises(ServerUnavailable):
            it.run()
        change(it, replies={})
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.owner.distrusted is None


def test_empty_answer_to_uidl(tmp_path: Path) -> None:
    """A server that names nobody in its answer to UIDL counts as one without."""
    with desk(tmp_path, box("a", "b"), replies={"UIDL": b"+OK\r\n.\r\n"}) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.run() == Counts(listed=2, known=2)
        assert asked(it) == 2


def test_one_uidl_for_different_messages(tmp_path: Path) -> None:
    """Different messages that share a UIDL, also with a known one, are all fetched (popa3d)."""
    with desk(tmp_path, [("same", A), ("same", B)]) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        it.server.mailbox.append(Message("same", C))
        assert it.run() == Counts(listed=3, known=2, fetched=1)
        assert it.octets() == [A, B, C]
        assert asked(it) == 3


def test_one_uidl_for_identical_messages(tmp_path: Path) -> None:
    """Identical messages that share a UIDL are stored once (RFC 1939 section 7)."""
    with desk(tmp_path, [("same", A), ("same", A)]) as it:
        assert it.run() == Counts(listed=2, fetched=1, linked=1)
        assert it.octets() == [A]


def test_reused_while_nobody_looked(tmp_path: Path) -> None:
    """An equally long message under a UIDL that never seemed to go is not seen by a listing.

    It stays on the server: that its UIDL is known must never be a reason to delete it.
    """
    assert len(A) == len(B)
    with desk(tmp_path, [("u", A), ("v", C)]) as it:
        it.run()
        it.server.mailbox[0] = Message("u", B)
        assert it.run() == Counts(listed=2, known=2)
        assert it.server.mailbox[0].octets == B


@pytest.mark.parametrize("without", [set(), {"TOP"}])
def test_reused_after_it_was_gone(tmp_path: Path, without: set[str]) -> None:
    """An equally long message under a UIDL that a run has missed is fetched (cyrus)."""
    with desk(tmp_path, [("u", A), ("v", C)], without=without) as it:
        it.run()
        it.archive()
        gone = it.server.mailbox.pop(0)
        it.run()
        it.server.mailbox.append(Message(gone.uidl, B))
        assert it.run() == Counts(listed=2, known=1, fetched=1)
        assert it.octets() == [B]
        assert it.owner.distrusted == "a UIDL was given to other octets"


@pytest.mark.parametrize("size", [1, 500])
def test_reused_with_another_size(tmp_path: Path, size: int) -> None:
    """A message of another size under a known UIDL is fetched at once."""
    other = octets_of("other", size)
    with desk(tmp_path, [("u", A), ("v", C)]) as it:
        it.run()
        it.server.mailbox[0] = Message("u", other)
        assert it.run() == Counts(listed=2, known=1, fetched=1)
        assert it.octets() == [A, C, other]


@pytest.mark.parametrize("top", [True, False])
def test_changed_wholesale(tmp_path: Path, top: bool) -> None:
    """After all UIDLs changed nothing is stored twice, and with TOP nothing fetched again."""
    messages = [(f"old-{n}", octets_of(f"w{n}")) for n in range(40)]
    with desk(tmp_path, messages, without=set() if top else {"TOP"}) as it:
        it.run()
        it.archive()
        for number, message in enumerate(it.server.mailbox):
            message.uidl = f"new-{number}"
        assert it.run() == Counts(listed=40, linked=40)
        assert it.octets() == []
        assert (asked(it), asked(it, "TOP")) == ((40, 40) if top else (80, 0))
        assert it.run() == Counts(listed=40, known=40)
        assert asked(it) == (40 if top else 80)
        assert it.owner.distrusted is None


def test_numbers_as_uidls(tmp_path: Path) -> None:
    """Where UIDLs are numbers, a message that moved up is not taken for the one before it."""
    with desk(tmp_path, [("1", A), ("2", B), ("3", C)]) as it:
        assert it.run() == Counts(listed=3, fetched=3)
        it.server.mailbox[:] = [Message("1", B), Message("2", octets_of("d"))]
        assert it.run() == Counts(listed=2, linked=1, fetched=1)
        assert it.octets() == [A, B, C, octets_of("d")]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (b"u1\r\nu2\r\nu3\r\n", None),
        (b"1 u1\r\nu2\r\n3 u3\r\n", None),
        (b"+OK 1 u1\r\n+OK 2 u2\r\n+OK 3 u3\r\n", None),
        (b"+OK 3 messages\r\n1 u1\r\n2 u2\r\n3 u3\r\n", "a message has no UIDL, or more than one"),
        (b"u1\r\nu3\r\n", "the server gives no usable UIDLs"),
        (b"u1\r\nu2\r\nu3\r\nu4\r\nu5\r\n", "the server gives no usable UIDLs"),
        (b"1 u1\r\n2 \r\n3 u3\r\n", "a message has no UIDL, or more than one"),
        (b"1 u1\r\n2\r\n3 u3\r\n", None),
        (b"1 u1\r\n3 u3\r\n", "UIDL and LIST name different messages"),
        (b"1 u1\r\n2 u2\r\n3 u3\r\n4 u4\r\n", "UIDL and LIST name different messages"),
        (b"1 u1\r\n2 u2\r\n2 u2\r\n3 u3\r\n", "a message has no UIDL, or more than one"),
    ],
)
def test_odd_listings(tmp_path: Path, lines: bytes, reason: str | None) -> None:
    """Whatever UIDL answers, what LIST names is fetched, once, and known the next time."""
    messages = [("u1", A), ("u2", B), ("u3", C)]
    with desk(tmp_path, messages, replies={"UIDL": b"+OK\r\n" + lines + b".\r\n"}) as it:
        counts = it.run()
        assert (counts.fetched, counts.failed, counts.remaining) == (3, 0, 0)
        assert it.octets() == [A, B, C]
        assert it.owner.distrusted == reason
        again = it.run()
        assert (again.known, again.linked, again.fetched) == (3, 0, 0)
        assert it.ledger.value("SELECT count(*) FROM messages WHERE digest NOTNULL") == 3


@pytest.mark.parametrize(
    "lines",
    [
        b"1 -1\r\n2 -99999\r\n3 12x\r\n",
        b"1\r\n2\r\n3\r\n",
        b"1 99999999999999999999\r\n2 0\r\n3 1\r\n",
        b"+OK 3 messages (300 octets)\r\n1 100\r\n2 100\r\n3 100\r\n",
        b"3 100\r\n1 100\r\n2 100\r\n",
        b"1 100 octets\r\n2 100 octets\r\n3 100 octets\r\n",
    ],
)
def test_odd_sizes(tmp_path: Path, lines: bytes) -> None:
    """Whatever sizes LIST gives, or none, messages are fetched whole and known again."""
    with desk(tmp_path, box("a", "b", "c"), replies={"LIST": b"+OK\r\n" + lines + b".\r\n"}) as it:
        assert it.run() == Counts(listed=3, fetched=3)
        assert it.octets() == [A, B, C]
        assert it.run() == Counts(listed=3, known=3)
        assert asked(it) == 3


def test_sizes_that_lack_a_message(tmp_path: Path) -> None:
    """A message that LIST does not name is fetched all the same."""
    with desk(tmp_path, box("a", "b"), replies={"LIST": b"+OK\r\n1 9\r\n.\r\n"}) as it:
        assert it.run().fetched == 2
        assert it.octets() == [A, B]


def test_message_that_uidl_does_not_name(tmp_path: Path) -> None:
    """A message that only LIST names is fetched, and linked once it has a UIDL."""
    with desk(tmp_path, box("a", "b", "c"), unnamed={2}) as it:
        assert it.run() == Counts(listed=3, fetched=3)
        change(it, unnamed=set())
        assert it.run() == Counts(listed=3, known=2, linked=1)
        assert it.run() == Counts(listed=3, known=3)
        assert asked(it) == 3
        assert it.octets() == [A, B, C]


def test_message_that_arrives_between_uidl_and_list(tmp_path: Path) -> None:
    """A message that joins the mailbox while it is listed is fetched, and not stored twice."""
    with desk(tmp_path, box("a"), arrives=[("late", B)]) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.run() == Counts(listed=2, known=1, linked=1)
        assert it.octets() == [A, B]
        assert asked(it) == 2


def test_octets_that_change_under_one_uidl(tmp_path: Path) -> None:
    """Octets that change with each session are each stored, and the sizes never misled (mailutils).

    In the first session LIST counts before the server writes into the message.
    """
    with desk(tmp_path, [("u", A)], grows=b"X-UIDL: 1\r\n") as it:
        assert it.run() == Counts(listed=1, fetched=1)
        change(it, grows=b"")
        assert it.octets() == [b"X-UIDL: 1\r\n" + A]
        assert it.run() == Counts(listed=1, known=1)
        change(it, grows=b"X-IMAP: 2\r\n")
        assert it.run() == Counts(listed=1, fetched=1)
        change(it, grows=b"")
        assert it.run() == Counts(listed=1, known=1)
        assert it.octets() == [b"X-UIDL: 1\r\n" + A, b"X-IMAP: 2\r\nX-UIDL: 1\r\n" + A]
        assert it.owner.distrusted == "a UIDL was given to other octets"
