"""What is said to append, and what is understood of the answers."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from archiver.imap.append import (
    Abilities,
    Appended,
    Letter,
    Rejected,
    append,
    internal_date,
)
from archiver.imap.wire import Answer, Wire


class Paper(Wire):
    """A wire that is written down; it answers each command with the next of these."""

    def __init__(self, *answers: Answer) -> None:
        self.said = b""
        self._answers = list(answers)

    def ask(self, command: bytes) -> bytes:
        self.said += command
        return b"A"

    def send(self, data: Any) -> None:
        self.said += data

    def answer(self, tag: bytes) -> Answer:
        return self._answers.pop(0)


MORE = Answer("+")


def letters(*octets: bytes, binary: bool = False) -> list[Letter]:
    """Letters of the first day of 2020."""
    return [Letter(BytesIO(each), len(each), 1577836800, binary) for each in octets]


def test_many_in_one_command() -> None:
    """MULTIAPPEND is one command, and each message gets its UID from the one answer."""
    wire = Paper(Answer("OK", "done", "APPENDUID", "7 3,9:10"))
    done = append(wire, b'"F"', letters(b"a", b"bc", b"\r\n"), ["\\Seen"], Abilities(True, None))
    date = b'"' + b' 1-Jan-2020 00:00:00 +0000"'
    assert wire.said == (
        b'APPEND "F" (\\Seen) ' + date + b" {1+}\r\na (\\Seen) " + date + b" {2+}\r\nbc"
        b" (\\Seen) " + date + b" {2+}\r\n\r\n\r\n"
    )
    assert done == [Appended(7, 3), Appended(7, 9), Appended(7, 10)]


def test_a_refused_batch_is_tried_one_by_one() -> None:
    """Where all are refused for one of them, the others arrive."""
    no = Answer("NO", "too large", "TOOBIG")
    wire = Paper(no, Answer("OK", "", "APPENDUID", "7 1"), no)
    done = append(wire, b"F", letters(b"a", b"b"), [], Abilities(True, None))
    assert done == [Appended(7, 1), Rejected("TOOBIG", "[TOOBIG] too large")]


def test_each_waits_without_literal_plus() -> None:
    """A literal is sent when the server wants it; one that it does not want is never sent."""
    wire = Paper(MORE, Answer("OK"), Answer("NO", "no"), MORE, Answer("OK"))
    done = append(wire, b"F", letters(b"one", b"two", b"six"), [], Abilities())
    assert done == [Appended(), Rejected("", "no"), Appended()]
    assert b"one" in wire.said
    assert b"two" not in wire.said
    assert b"six" in wire.said


def test_small_literals_go_ahead() -> None:
    """LITERAL- lets those of up to 4,096 octets go ahead, and none above."""
    wire = Paper(MORE, Answer("OK"), Answer("OK"))
    append(wire, b"F", letters(b"a" * 4096, b"a" * 4097), [], Abilities(False, 4096))
    assert b"{4096+}" in wire.said
    assert b"{4097}" in wire.said


def test_nul_needs_another_literal() -> None:
    """What holds NUL is sent as a literal8."""
    wire = Paper(Answer("OK"))
    append(wire, b"F", letters(b"\0", binary=True), [], Abilities(False, None))
    assert b"~{1+}\r\n\0" in wire.said


@pytest.mark.parametrize("arguments", ["7 1:3", "7 1", "7", "", "7 x", "7 1:", "7 5:1000000000"])
def test_uids_that_do_not_fit_are_none(arguments: str) -> None:
    """UIDs that are not as many as the messages are believed of none."""
    wire = Paper(Answer("OK", "", "APPENDUID", arguments))
    done = append(wire, b"F", letters(b"a", b"b"), [], Abilities(True, None))
    assert done == [Appended(), Appended()]


@pytest.mark.parametrize(
    ("capabilities", "abilities"),
    [
        (set(), Abilities(False, 0)),
        ({"LITERAL-"}, Abilities(False, 4096)),
        ({"LITERAL+", "LITERAL-"}, Abilities(False, None)),
        ({"MULTIAPPEND"}, Abilities(True, 0)),
    ],
)
def test_abilities(capabilities: set[str], abilities: Abilities) -> None:
    """What a server can do follows from what it says."""
    assert Abilities.of(frozenset(capabilities)) == abilities


def test_internal_date() -> None:
    """A day of one digit has a space before it, and the month its English name."""
    seconds = int(datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp())
    assert internal_date(seconds) == b'" 3-Feb-2024 04:05:06 +0000"'
