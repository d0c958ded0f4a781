"""One suite for every POP3 server that tests talk to: the fakes answer as the real one does.

The servers are Dovecot, ``FaultyPop3`` without faults and the demonstration's server, which is not
read-only: it deletes at QUIT like the others. Commands and answers are octets on a bare socket.
Where a server truly differs from the others, a test whose name begins with the server's says how.
"""

import itertools
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from archiver.verbs.demo import demo_server
from infra.dovecot import Dovecot
from infra.faulty_pop3 import FaultyPop3

MESSAGES = {
    "lines": b"a: b\r\n\r\none\r\ntwo\r\n\r\nfour\r\nfive\r\n",
    "dots": b"a: b\r\n.c: d\r\n\r\n.\r\n..\r\n...x\r\n.y\r\nz.\r\n.\r\n",
    "8-bit": b"a: \xff\xe9\r\n\r\n" + bytes(range(0x80, 0x100)) + b"\r\n",
    "nul": b"a: \0\r\n\r\n\0x\0\r\n\0\r\n.\0\r\n",
    "bare cr": b"a: b\r\n\r\n\rx\r.\ry\r\r\n\r\r\n.\r.\r\nz\r\r\n",
    "long line": b"a: b\r\n\r\n" + b"x" * 70_000 + b"\r\n" + b"." * 70_000 + b"\r\nend\r\n",
    "answers": b"a: b\r\n\r\n+OK injected\r\n-ERR injected\r\n.\r\n+OK 3 octets\r\n",
    "empty body": b"a: b\r\n\r\n",
    "empty lines": b"a: b\r\n\r\n\r\n\r\n\r\n\r\n",
    "no end": b"a: b\r\n\r\nx",
    "no end but cr": b"a: b\r\n\r\n.\r",
    "no octets": b"",
    "no header": b"\r\none\r\n.two\r\nthree\r\nfour\r\n",
    "no empty line": b"a: b\r\n",
}
"""Hostile but legal."""

SERVERS = [pytest.param("dovecot", marks=pytest.mark.dovecot), "faulty", "demo"]
NAMES = tuple(MESSAGES)
PLAIN = (b"a: 1\r\n\r\nx\r\n", b"a: 2\r\n\r\nxy\r\n", b"a: 3\r\n\r\nxyz\r\n")
CRLF = b"\r\n"
_users = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox of its own on one of the servers."""

    server: str
    port: int
    user: str
    password: str

    def sign_in(self) -> "Wire":
        """A session that was let in."""
        wire = Wire(self.port)
        wire.agree(f"USER {self.user}")
        wire.agree(f"PASS {self.password}")
        return wire


Opener = Callable[[Sequence[bytes]], AbstractContextManager[Box]]


class Wire:
    """A socket on which lines are said, and answers heard as the octets they are."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._held = b""
        self.greeting = self.line()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *commands: str) -> None:
        self._socket.sendall("".join(f"{each}\r\n" for each in commands).encode())

    def line(self) -> bytes:
        return self._until(CRLF)

    def block(self) -> bytes:
        """The stuffed octets between a +OK and the dot that ends its answer."""
        assert re.fullmatch(rb"\+OK( [^\r\n]*)?\r\n", self.line())
        self._held = CRLF + self._held
        return self._until(b"\r\n.\r\n")[2:-3]

    def say(self, command: str) -> bytes:
        """One command, and the one line that answers it."""
        self.send(command)
        return self.line()

    def ask(self, command: str) -> bytes:
        """One command, and the stuffed octets that answer it."""
        self.send(command)
        return self.block()

    def agree(self, command: str) -> None:
        assert re.fullmatch(rb"\+OK( [^\r\n]*)?\r\n", self.say(command))

    def refuse(self, command: str) -> None:
        assert re.fullmatch(rb"-ERR [^\r\n]+\r\n", self.say(command)), command

    def ends(self) -> bool:
        """Whether nothing comes any more but the end."""
        return not self._held and not self._socket.recv(1)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._held:
            octets = self._socket.recv(1 << 16)
            assert octets, f"the server closed the connection after {self._held[:99]!r}"
            self._held += octets
        head, _, self._held = self._held.partition(mark)
        return head + mark


@contextmanager
def serve(name: str, dovecot: Dovecot | None, messages: Sequence[bytes]) -> Iterator[Box]:
    """A mailbox with these messages on the server of this name."""
    if dovecot is not None:
        box = Box(name, dovecot.port, f"contract{next(_users)}", "correct horse")
        dovecot.add_user(box.user, box.password)
        dovecot.add(box.user, messages)
        yield box
    elif name == "faulty":
        with FaultyPop3((f"u{n}", each) for n, each in enumerate(messages)) as faulty:
            yield Box(name, faulty.port, faulty.user, faulty.password)
    else:
        with demo_server(messages) as demo:
            yield Box(name, demo.port, demo.user, demo.password)


@pytest.fixture(scope="module", params=SERVERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Each server in turn, to be given messages."""
    real = request.getfixturevalue("dovecot") if request.param == "dovecot" else None
    return partial(serve, request.param, real)


@pytest.fixture(scope="module")
def box(opener: Opener) -> Iterator[Box]:
    """A mailbox with the hostile messages; tests change nothing in it."""
    with opener(tuple(MESSAGES.values())) as opened:
        yield opened


@pytest.fixture
def wire(box: Box) -> Iterator[Wire]:
    """A session with that mailbox."""
    with box.sign_in() as opened:
        yield opened


@pytest.fixture
def plain(opener: Opener) -> Iterator[Box]:
    """A mailbox of three messages for this test alone."""
    with opener(PLAIN) as opened:
        yield opened


def on_wire(octets: bytes) -> bytes:
    """How a message should be sent: ended by CRLF, each dot at a line's start doubled."""
    ended = octets if octets.endswith(CRLF) else octets + CRLF
    return b"".join(b"." * line.startswith(b".") + line + CRLF for line in ended.split(CRLF)[:-1])


def top(sent: bytes, count: int) -> bytes:
    """Of a message as it is sent, the header, the empty line and ``count`` lines."""
    lines = sent.split(CRLF)[:-1]
    body = lines.index(b"") + 1 if b"" in lines else len(lines)
    return b"".join(line + CRLF for line in lines[: body + count])


def lengths(messages: Sequence[bytes], numbers: Sequence[int]) -> bytes:
    """What LIST says of these."""
    return b"".join(b"%d %d\r\n" % (n, len(messages[n - 1])) for n in numbers)


def test_greeting(box: Box) -> None:
    """One line of +OK greets, in which no APOP challenge stands, and nothing follows it."""
    with Wire(box.port) as wire:
        assert re.fullmatch(rb"\+OK [^<>\r\n]+\r\n", wire.greeting)
        wire.agree("QUIT")
        assert wire.ends()


def test_capabilities(box: Box) -> None:
    """CAPA names what the others rely on, before login and after it, alone on their lines."""
    needed = {b"TOP", b"UIDL", b"PIPELINING"}
    with Wire(box.port) as wire:
        assert needed | {b"USER"} <= set(wire.ask("CAPA").split(CRLF))
    with box.sign_in() as wire:
        assert needed <= set(wire.ask("CAPA").split(CRLF))


def test_plain_where_advertised(box: Box) -> None:
    """AUTH PLAIN works in one step and in two, and refuses nonsense; unadvertised it is refused."""
    right = b64encode(f"\0{box.user}\0{box.password}".encode()).decode()
    with Wire(box.port) as wire:
        if b"SASL PLAIN" not in wire.ask("CAPA"):
            wire.refuse(f"AUTH PLAIN {right}")
            return
        wire.refuse("AUTH PLAIN !!!")
        assert wire.say("AUTH PLAIN") == b"+ \r\n"
        wire.refuse("*")
        assert wire.say("AUTH PLAIN") == b"+ \r\n"
        wire.agree(right)
    with Wire(box.port) as wire:
        wire.agree(f"AUTH PLAIN {right}")
        wire.agree("STAT")


def test_wrong_password(box: Box) -> None:
    """A wrong password is refused; PASS then needs a new USER, and the right one is let in."""
    with Wire(box.port) as wire:
        wire.agree(f"USER {box.user}")
        wire.refuse("PASS wrong")
        wire.refuse(f"PASS {box.password}")
        wire.agree(f"USER {box.user}")
        wire.agree(f"PASS {box.password}")


@pytest.mark.parametrize(
    "command",
    ["STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP", "PASS x"],
)
def test_before_login(box: Box, command: str) -> None:
    """Nothing about messages is answered before login, nor a password before a user."""
    with Wire(box.port) as wire:
        wire.refuse(command)
        wire.agree(f"USER {box.user}")


def test_demo_takes_a_second_user(box: Box, wire: Wire) -> None:
    """After login USER, PASS, AUTH and STLS get -ERR; the demonstration takes USER again."""
    wire.refuse("STLS")
    wire.refuse("AUTH PLAIN")
    if box.server == "demo":
        wire.agree(f"USER {box.user}")
    else:
        wire.refuse(f"USER {box.user}")
        wire.refuse(f"PASS {box.password}")
    wire.agree("STAT")


def test_nonsense(wire: Wire) -> None:
    """What is no command, or lacks its numbers, gets -ERR, and the session goes on."""
    for command in ("XYZZY", "XYZZY 1", "", "RETR1", "RETR", "DELE", "TOP", "TOP 1", "TOP 1 x"):
        wire.refuse(command)
    wire.agree("noop")


@pytest.mark.parametrize("number", ["0", "99", "-1", "x", "1x", "18446744073709551617"])
def test_numbers_that_are_none(wire: Wire, number: str) -> None:
    """A number out of range, or what is none, gets -ERR, and the session goes on."""
    for command in ("LIST {}", "UIDL {}", "RETR {}", "DELE {}", "TOP {} 0"):
        wire.refuse(command.format(number))
    wire.agree("NOOP")


def test_demo_counts_the_added_crlf(box: Box, wire: Wire) -> None:
    """LIST counts octets before stuffing; the demonstration's also the CRLF that RETR adds."""
    for number, octets in enumerate(MESSAGES.values(), 1):
        added = 0 if box.server != "demo" or octets.endswith(CRLF) else 2
        assert wire.say(f"LIST {number}") == b"+OK %d %d\r\n" % (number, len(octets) + added)


@pytest.mark.parametrize("held", [(), PLAIN])
def test_listing(opener: Opener, held: Sequence[bytes]) -> None:
    """STAT says count and sum, LIST every size, even of no messages."""
    with opener(held) as opened, opened.sign_in() as wire:
        assert wire.say("STAT") == b"+OK %d %d\r\n" % (len(held), sum(map(len, held)))
        assert wire.ask("LIST") == lengths(held, range(1, len(held) + 1))
        assert wire.ask("UIDL").count(CRLF) == len(held)


def test_uidl(plain: Box) -> None:
    """UIDL gives each message one name of legal length, UIDL n the same, and so in each session."""
    with plain.sign_in() as wire:
        listing = wire.ask("UIDL")
        assert re.fullmatch(rb"1 [!-~]{1,70}\r\n2 [!-~]{1,70}\r\n3 [!-~]{1,70}\r\n", listing)
        lines = listing.splitlines(keepends=True)
        assert len({line.split()[1] for line in lines}) == 3
        assert [wire.say(f"UIDL {n}") for n in (1, 2, 3)] == [b"+OK " + line for line in lines]
        wire.agree("DELE 1")
        wire.agree("QUIT")
    with plain.sign_in() as wire:
        names = [line.split()[1] for line in wire.ask("UIDL").splitlines()]
        assert names == [line.split()[1] for line in lines[1:]]


@pytest.mark.parametrize("name", NAMES)
def test_retrieved(wire: Wire, name: str) -> None:
    """RETR gives the octets of each message, and the final CRLF that it may lack."""
    assert wire.ask(f"RETR {NAMES.index(name) + 1}") == on_wire(MESSAGES[name])


@pytest.mark.parametrize("count", [0, 1, 3, 99])
@pytest.mark.parametrize("name", [name for name in NAMES if b"\r\n\r\n" in MESSAGES[name]])
def test_top(wire: Wire, name: str, count: int) -> None:
    """TOP gives header, empty line and so many lines of the body, or as many as there are."""
    expected = top(on_wire(MESSAGES[name]), count)
    assert wire.ask(f"TOP {NAMES.index(name) + 1} {count}") == expected


@pytest.mark.parametrize("name", ["no octets", "no header", "no empty line"])
def test_demo_adds_an_empty_line(box: Box, wire: Wire, name: str) -> None:
    """A message may begin with its empty line or lack one; the demonstration's TOP then takes
    all of it for header and adds two line ends."""
    sent = on_wire(MESSAGES[name])
    for count in (0, 3):
        expected = sent + b"\r\n\r\n" if box.server == "demo" else top(sent, count)
        assert wire.ask(f"TOP {NAMES.index(name) + 1} {count}") == expected


def test_dovecot_ends_lines_with_crlf(opener: Opener) -> None:
    """Dovecot gives every LF as CRLF and counts it so; the others give what they hold."""
    octets = b"a: b\n\nx\n.\ny\r\n"
    with opener([octets]) as opened, opened.sign_in() as wire:
        sent = b"a: b\r\n\r\nx\r\n..\r\ny\r\n" if opened.server == "dovecot" else octets
        size = len(sent.replace(b"\r\n..", b"\r\n."))
        assert wire.say("LIST 1") == b"+OK 1 %d\r\n" % size
        assert wire.ask("RETR 1") == sent


@pytest.mark.parametrize("octets", [b".a: b\r\n\r\nx\r\n", b"..a: b\r\n\r\nx\r\n"])
def test_dovecot_does_not_stuff_the_first_line(opener: Opener, octets: bytes) -> None:
    """Dovecot 2.3 leaves a dot that begins a message single, against RFC 1939 section 3."""
    with opener([octets]) as opened, opened.sign_in() as wire:
        sent = octets if opened.server == "dovecot" else b"." + octets
        assert wire.ask("RETR 1") == sent
        assert wire.ask("TOP 1 0") == top(sent, 0)


def test_pipelined(wire: Wire) -> None:
    """Commands sent in one write are answered in order, refusals in their places among them."""
    wanted = [3, 1, 99, 6, 2, 6, 0, 9]
    wire.send(*(f"RETR {number}" for number in wanted), "NOOP", "TOP 1 0", "STAT")
    for number in wanted:
        if 1 <= number <= len(NAMES):
            assert wire.block() == on_wire(MESSAGES[NAMES[number - 1]])
        else:
            assert wire.line().startswith(b"-ERR ")
    assert wire.line().startswith(b"+OK")
    assert wire.block() == top(MESSAGES["lines"], 0)
    assert wire.line().startswith(b"+OK %d " % len(MESSAGES))


def test_marked(plain: Box) -> None:
    """A marked message is refused and not listed, the others keep their numbers; RSET unmarks."""
    with plain.sign_in() as wire:
        wire.agree("DELE 2")
        for command in ("RETR 2", "TOP 2 0", "LIST 2", "UIDL 2", "DELE 2"):
            wire.refuse(command)
        assert wire.say("STAT") == b"+OK 2 %d\r\n" % (len(PLAIN[0]) + len(PLAIN[2]))
        assert wire.ask("LIST") == lengths(PLAIN, [1, 3])
        assert [line.split()[0] for line in wire.ask("UIDL").splitlines()] == [b"1", b"3"]
        assert wire.ask("RETR 3") == PLAIN[2]
        wire.agree("RSET")
        assert wire.ask("LIST") == lengths(PLAIN, [1, 2, 3])
        assert wire.ask("RETR 2") == PLAIN[1]


def test_deleted_at_quit(plain: Box) -> None:
    """QUIT removes what is marked, not what was read; the next session numbers it from 1."""
    with plain.sign_in() as wire:
        assert wire.ask("RETR 2") == PLAIN[1]
        wire.agree("DELE 1")
        wire.agree("DELE 3")
        wire.agree("QUIT")
    with plain.sign_in() as wire:
        assert wire.ask("LIST") == lengths(PLAIN[1:2], [1])
        assert wire.ask("RETR 1") == PLAIN[1]


@pytest.mark.parametrize("commands", [("DELE 1", "DELE 3"), ("DELE 1", "RSET", "QUIT")])
def test_not_deleted(plain: Box, commands: Sequence[str]) -> None:
    """A session that drops instead of QUIT removes nothing, nor does one that said RSET."""
    with plain.sign_in() as wire:
        for command in commands:
            wire.agree(command)
    with plain.sign_in() as wire:
        assert wire.ask("LIST") == lengths(PLAIN, [1, 2, 3])


def test_demo_deletes_every_copy(opener: Opener) -> None:
    """Of two equal messages one is deleted; the demonstration's server removes both."""
    with opener([PLAIN[0], PLAIN[0], PLAIN[1]]) as opened:
        with opened.sign_in() as wire:
            wire.agree("DELE 1")
            wire.agree("QUIT")
        with opened.sign_in() as wire:
            left = PLAIN[1:2] if opened.server == "demo" else PLAIN[:2]
            assert wire.ask("LIST") == lengths(left, range(1, len(left) + 1))
