"""Wire samples of POP3 and the means to cut them; no test of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.model import Listed
from archiver.pop3.events import (
    Challenge,
    Chunk,
    Finished,
    Lines,
    Refused,
    Reply,
    Started,
    WireEvent,
)
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import State, Verb

ONE, TWO, THREE = (Listed(number, f"u{number}", 10) for number in (1, 2, 3))
NONE = Listed(4, "u4", 0)
STRAY = ("unstuffed-dot",)


def greeted() -> Protocol:
    """A protocol that heard the greeting."""

    protocol = Protocol()
    protocol.feed(b"+OK hello\r\n")
    assert protocol.next_event() == Reply(True, "", "hello")
    return protocol


def signed_in() -> Protocol:
    """A protocol in the transaction state."""

    protocol = greeted()
    for verb in (Verb.USER, Verb.PASS):
        protocol.send(verb, b"x")
        protocol.feed(b"+OK\r\n")
        assert protocol.next_event() == Reply(True, "", "")
    assert protocol.state is State.TRANSACTION
    return protocol


def events(protocol: Protocol, pieces: Iterable[bytes]) -> Iterator[WireEvent]:
    """What these octets mean, piece by piece."""

    for piece in pieces:
        protocol.feed(piece)
        while (event := protocol.next_event()) is not None:
            yield event


def merged(stream: Iterable[WireEvent]) -> list[WireEvent]:
    """The same events however the octets were cut."""
    result: list[WireEvent] = []
    for event in stream:
        last = result[-1] if result else None
        if isinstance(event, Chunk) and isinstance(last, Chunk):
            result[-1] = Chunk(last.octets + event.octets)
        elif isinstance(event, Lines) and isinstance(last, Lines) and not last.last:
            result[-1] = Lines(last.lines + event.lines, event.last)
        else:
            result.append(event)
    return result


def single(octets: bytes) -> list[bytes]:
    """The octets one at a time."""

    return [octets[at : at + 1] for at in range(len(octets))]


@dataclass(frozen=True)
class Sample:
    """Commands, the octets that answer them, and what they mean."""

    name: str
    commands: tuple[tuple[Verb, Listed | None], ...]
    octets: bytes
    meaning: list[WireEvent]

    def protocol(self) -> Protocol:
        """A protocol that sent the commands."""
        protocol = greeted() if self.commands[0][0] in (Verb.AUTH, Verb.STLS) else signed_in()
        for verb, listed in self.commands:
            protocol.send(verb, b"%d" % listed.number if listed else b"", listed)
        return protocol


def message(name: str, body: bytes, octets: bytes, anomalies: tuple[str, ...] = ()) -> Sample:
    """A sample of one message: as it comes and as it is."""

    chunks: list[WireEvent] = [Chunk(octets)] if octets else []
    meaning = [Started(ONE), *chunks, Finished(ONE, anomalies)]
    return Sample(name, ((Verb.RETR, ONE),), b"+OK\r\n" + body, meaning)


def listing(name: str, body: bytes, *lines: bytes) -> Sample:
    """A sample of a listing."""

    meaning: list[WireEvent] = [Reply(True, "", ""), Lines(lines, True)]
    return Sample(name, ((Verb.UIDL, None),), b"+OK\r\n" + body, meaning)


def line(name: str, octets: bytes, ok: bool, code: str, text: str) -> Sample:
    """A sample of a status line."""

    return Sample(name, ((Verb.NOOP, None),), octets, [Reply(ok, code, text)])


SAMPLES = [
    line("bare +OK", b"+OK\r\n", True, "", ""),
    line("+OK with words", b"+OK \t two words \r\n", True, "", "two words"),
    line("lower case", b"+ok fine\r\n", True, "", "fine"),
    line("-ERR with a code", b"-ERR [in-use] locked\r\n", False, "IN-USE", "[in-use] locked"),
    line("a code of two levels", b"-ERR [SYS/TEMP] x\r\n", False, "SYS/TEMP", "[SYS/TEMP] x"),
    line("a bracket that is no code", b"-ERR [a b] x\r\n", False, "", "[a b] x"),
    line("+ERR of hMailServer", b"+ERR no\r\n", False, "", "no"),
    line("words in UTF-8", b"+OK gr\xc3\xbcezi\r\n", True, "", "grüezi"),
    line("words that move a cursor", b"-ERR \x1b[2J\xff\x00\r\n", False, "", "�[2J��"),
    line("the longest line", b"+OK " + b"x" * 8188 + b"\r\n", True, "", "x" * 8188),
    message("one line", b"hello\r\n.\r\n", b"hello\r\n"),
    Sample(
        "no octets at all", ((Verb.RETR, NONE),), b"+OK\r\n.\r\n", [Started(NONE), Finished(NONE)]
    ),
    message("one empty line", b"\r\n.\r\n", b"\r\n"),
    message("a lone dot", b"..\r\n.\r\n", b".\r\n"),
    message("two dots in the first line", b"...\r\n.\r\n", b"..\r\n"),
    message("stuffed lines", b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
    message("dots behind bare LF", b"a\n.\nb\n..\n.\r\n\r\n.\r\n", b"a\n.\nb\n..\n.\r\n\r\n"),
    message("dots behind both", b"..a\n..b\n.\r\n..c\r\n.\r\n", b".a\n..b\n.\r\n.c\r\n"),
    message("dots behind bare CR", b"a\r.\r\n.\r\n", b"a\r.\r\n"),
    message("a dot line ended by LF", b"a\r\n..\n.\r\nb\r\n.\r\n", b"a\r\n.\n.\r\nb\r\n"),
    message("a dot line ended by CR alone", b"a\r\n..\rb\r\n.\r\n", b"a\r\n.\rb\r\n"),
    message("CRCRLF", b"a\r\r\nb\r\r\n.\r\n", b"a\r\r\nb\r\r\n"),
    message("CR before the end", b"a\r\n.\r\r\n.\r\n", b"a\r\n.\r\r\n", STRAY),
    message("NUL and 8-bit", b"\x00\xff\xfe\r\n.\r\n", b"\x00\xff\xfe\r\n"),
    message("status lines in the body", b"+OK\r\n-ERR\r\n.\r\n", b"+OK\r\n-ERR\r\n"),
    message("a dot not stuffed, first", b".x\r\n.\r\n", b".x\r\n", STRAY),
    message("a dot not stuffed", b"a\r\n.x\r\n..y\r\n.\r\n", b"a\r\n.x\r\n.y\r\n", STRAY),
    message("a dot then LF", b"a\r\n.\nb\r\n.\r\n", b"a\r\n.\nb\r\n", STRAY),
    message("a long line", b"x" * 70_000 + b"\r\n.\r\n", b"x" * 70_000 + b"\r\n"),
    listing("a listing", b"1 a\r\n2 b\r\n.\r\n", b"1 a", b"2 b"),
    listing("no lines", b".\r\n"),
    listing("an empty line", b"\r\n.\r\n", b""),
    listing("lines with dots", b"..\r\n..a\r\n.b\r\n.\r\n", b".", b".a", b".b"),
    listing("the longest lines", (b"x" * 4096 + b"\r\n") * 2 + b".\r\n", b"x" * 4096, b"x" * 4096),
    listing("CR and LF apart", b"1 a\rb\nc\r\n.\r\n", b"1 a\rb\nc"),
    Sample("no UIDL", ((Verb.UIDL, None),), b"-ERR what\r\n", [Reply(False, "", "what")]),
    Sample("a challenge", ((Verb.AUTH, None),), b"+ aGk=\r\n", [Challenge(b"hi")]),
    Sample("an empty challenge", ((Verb.AUTH, None),), b"+\r\n", [Challenge(b"")]),
    Sample("a challenge in words", ((Verb.AUTH, None),), b"+ go ahead\r\n", [Challenge(b"")]),
    Sample("AUTH refused", ((Verb.AUTH, None),), b"-ERR\r\n", [Reply(False, "", "")]),
    Sample(
        "a window with a refusal in it",
        ((Verb.RETR, ONE), (Verb.RETR, TWO), (Verb.RETR, THREE)),
        b"+OK 3 octets\r\na\r\n.\r\n-ERR [SYS/TEMP] gone\r\n+OK\r\n..\r\n.\r\n",
        [
            *(Started(ONE), Chunk(b"a\r\n"), Finished(ONE)),
            Refused(TWO, "SYS/TEMP", "[SYS/TEMP] gone"),
            *(Started(THREE), Chunk(b".\r\n"), Finished(THREE)),
        ],
    ),
    Sample(
        "an anomaly stays with its message",
        ((Verb.TOP, ONE), (Verb.TOP, TWO)),
        b"+OK\r\n.x\r\n.\r\n+OK\r\n\r\n.\r\n",
        [
            *(Started(ONE), Chunk(b".x\r\n"), Finished(ONE, STRAY)),
            *(Started(TWO), Chunk(b"\r\n"), Finished(TWO)),
        ],
    ),
    Sample(
        "deletions",
        ((Verb.DELE, ONE), (Verb.DELE, TWO)),
        b"+OK\r\n-ERR no\r\n",
        [Finished(ONE), Refused(TWO, "", "no")],
    ),
]


def pieces_of(octets: bytes, lengths: list[int]) -> Iterator[bytes]:
    """The octets cut into these lengths in turn."""

    at = turn = 0
    while at < len(octets):
        length = lengths[turn % len(lengths)]
        yield octets[at : at + length]
        at, turn = at + length, turn + 1
