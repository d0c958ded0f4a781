"""Servers that mean us no good: each ends with one clear error, in its time and in little memory.

A test that waits for such a server for ever is ended by the time-out below.
"""

import itertools
import socket
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import sleep

import pytest

from archiver.errors import ProtocolError, ServerUnavailable, SessionLost
from archiver.model import Listed
from archiver.pop3 import Chunk, Credentials, Limits, Security, Server, Session

pytestmark = pytest.mark.timeout(60)

SHORT = Limits(connect_timeout=0.3, read_timeout=0.3)
GREETING = [b"+OK ready\r\n"]
NO_CAPA = [b"-ERR what\r\n"]
GRANTED = [b"+OK\r\n"]
LITTLE = 8 * 2**20
MUCH = 64 * 2**20
BLOCK = 2**16
ONE = Listed(1, "u", None)


def drip(octets: bytes) -> Iterator[bytes]:
    """These octets, one at a time and slowly, and the last of them for ever."""
    for octet in itertools.chain(octets, itertools.repeat(octets[-1])):
        sleep(0.02)
        yield bytes((octet,))


@contextmanager
def speaking(*answers: Iterable[bytes]) -> Iterator[int]:
    """The port of a server that greets with the first of these and answers each line by another.

    Each answer comes in the pieces given.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    open_now: list[socket.socket] = [listener]

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            open_now.append(connection)
            lines = connection.makefile("rb")
            for answer in answers:
                for piece in answer:
                    connection.sendall(piece)
                lines.readline()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for each in open_now:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for each in open_now:
            each.close()


@contextmanager
def little_memory() -> Iterator[None]:
    """What is done within takes little memory, whatever the server sends."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def plain(port: int) -> Server:
    """The server, without TLS."""
    return Server("127.0.0.1", port, Security.PLAIN)


def signed_in(port: int, limits: Limits) -> Session:
    """A session with a server that has no CAPA and lets us in."""
    session = Session.open(plain(port), limits)
    session.sign_in(Credentials("user", "secret", cleartext=True))
    return session


SIGNED_IN = (GREETING, NO_CAPA, GRANTED, GRANTED)


@pytest.mark.parametrize("octets", [b"+OK ready", b"+OK" + b" x" * 2000])
def test_greeting_that_drips(octets: bytes) -> None:
    """A greeting that comes slowly has one time as a whole."""
    with speaking(drip(octets)) as port, pytest.raises(SessionLost, match="no whole answer"):
        Session.open(plain(port), SHORT)


def test_greeting_without_end() -> None:
    """A greeting that goes on and on is given up, and not kept."""
    with (
        speaking(itertools.repeat(b"x" * BLOCK)) as port,
        little_memory(),
        pytest.raises(ProtocolError, match="a line of more than"),
    ):
        Session.open(plain(port))


def test_greeting_of_several_lines() -> None:
    """A second line of greeting answers a question that nobody asked."""
    greeting = [b"+OK ready\r\n+OK really\r\n"]
    with (
        speaking(greeting) as port,
        pytest.raises(ProtocolError, match="more than it was asked for"),
    ):
        Session.open(plain(port), SHORT)


@pytest.mark.parametrize("security", [Security.TLS, Security.STLS])
def test_handshake_that_drips(security: Security) -> None:
    """A handshake has one time as a whole, however its octets come."""
    record = drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(100))
    words = [record] if security is Security.TLS else [GREETING, itertools.chain(GRANTED, record)]
    with (
        speaking(*words) as port,
        pytest.raises(ServerUnavailable, match=r"handshake in time|more than it was asked"),
    ):
        Session.open(Server("127.0.0.1", port, security), SHORT)


def test_capabilities_that_drip() -> None:
    """A list of capabilities has one time as a whole: it is no listing of messages."""
    answer = drip(b"+OK\r\n" + b"X-CAPABILITY\r\n" * 400)
    with speaking(GREETING, answer) as port, pytest.raises(SessionLost, match="no whole answer"):
        Session.open(plain(port), SHORT)


@pytest.mark.parametrize("line", [b"X\r\n", b"x" * 4000 + b"\r\n"])
def test_capabilities_without_end(line: bytes) -> None:
    """A list of capabilities without end is given up, and not kept."""
    answer = itertools.chain(GRANTED, itertools.repeat(line * 16))
    with (
        speaking(GREETING, answer) as port,
        little_memory(),
        pytest.raises(ProtocolError, match="answer to CAPA has no end"),
    ):
        Session.open(plain(port))


def test_line_that_drips() -> None:
    """An answer of one line must be there as a whole within the read time-out."""
    with (
        speaking(*SIGNED_IN, drip(b"+OK 1 " + b"1" * 5000)) as port,
        signed_in(port, SHORT) as session,
        pytest.raises(SessionLost, match="no whole answer"),
    ):
        session.stat()


def test_message_that_drips() -> None:
    """A message of which too little comes in the time given has stalled."""
    with (
        speaking(*SIGNED_IN, itertools.chain(GRANTED, drip(b"x"))) as port,
        signed_in(port, SHORT) as session,
        pytest.raises(SessionLost, match=r"octets came in 0\.3 s$"),
    ):
        list(session.retrieve([ONE]))


def test_time_of_a_listing_is_not_that_of_what_follows() -> None:
    """The answer behind a listing that took its time has a time of its own."""

    def slowly() -> Iterator[bytes]:
        yield b"+OK\r\n"
        for number in range(1, 8):
            sleep(0.1)
            yield b"%d %s\r\n" % (number, b"u" * 2000)
        yield b".\r\n"

    def late() -> Iterator[bytes]:
        sleep(0.2)
        yield b"+OK\r\n"

    limits = Limits(connect_timeout=5, read_timeout=0.5)
    with speaking(*SIGNED_IN, slowly(), late()) as port, signed_in(port, limits) as session:
        assert len(list(session.uidls())) == 7
        session.noop()


@pytest.mark.parametrize("counted", [b"2", b"9999999999"])
def test_listing_without_end(counted: bytes) -> None:
    """A listing far longer than what the server counted, or than anything, is given up."""
    stat = [b"+OK " + counted + b" 10\r\n"]
    listing = itertools.chain(GRANTED, (b"%d u%d\r\n" % (n, n) for n in itertools.count(1)))
    limits = Limits(listing_lines=20_000)
    with speaking(*SIGNED_IN, stat, listing) as port, signed_in(port, limits) as session:
        session.stat()
        with little_memory(), pytest.raises(ProtocolError, match="answer to UIDL has no end"):
            for _ in session.uidls():
                pass


def test_listing_of_long_lines() -> None:
    """A listing is bounded by its octets too."""
    listing = itertools.chain(GRANTED, itertools.repeat(b"1 " + b"x" * 4000 + b"\r\n"))
    limits = Limits(listing_lines=1_000)
    with speaking(*SIGNED_IN, listing) as port, signed_in(port, limits) as session:
        seen = 0
        with pytest.raises(ProtocolError, match="no end"):
            for _ in session.uidls():
                seen += 1
        assert seen < 200


def test_listing_line_without_end() -> None:
    """A line of a listing that goes on and on is given up, and not kept."""
    listing = itertools.chain(GRANTED, itertools.repeat(b"x" * BLOCK))
    with (
        speaking(*SIGNED_IN, listing) as port,
        signed_in(port, Limits()) as session,
        little_memory(),
        pytest.raises(ProtocolError, match="listing line of more than"),
    ):
        list(session.uidls())


@pytest.mark.parametrize("block", [b"x" * BLOCK, b"\r\n" * (BLOCK // 2), b"\r\n.." * BLOCK])
def test_message_without_end(block: bytes) -> None:
    """A message goes through in pieces, whatever it is made of: nothing of it is kept."""
    message = itertools.chain(GRANTED, itertools.repeat(block))
    with speaking(*SIGNED_IN, message) as port, signed_in(port, Limits()) as session:
        octets = 0
        with little_memory():
            for event in session.retrieve([ONE]):
                octets += len(event.octets) if isinstance(event, Chunk) else 0
                if octets > MUCH:
                    break
        with pytest.raises(SessionLost):
            session.noop()


def test_size_beyond_belief() -> None:
    """A size of ten gigabytes is told as it is, and one beyond 64 bits is none."""
    listing = [b"+OK\r\n1 10000000000\r\n2 99999999999999999999999\r\n.\r\n"]
    with speaking(*SIGNED_IN, listing) as port, signed_in(port, SHORT) as session:
        assert list(session.sizes()) == [(1, 10_000_000_000), (2, None)]


@pytest.mark.parametrize(
    "answer", [b"+OK " + b"x" * 9000, b"+OK\n", b"\0" * 100 + b"\r\n", b"HTTP/1.1 400\r\n"]
)
def test_nonsense_for_an_answer(answer: bytes) -> None:
    """What is no answer of POP3 ends the session with one line that shows no more than a line."""
    with (
        speaking(*SIGNED_IN, [answer]) as port,
        signed_in(port, SHORT) as session,
        pytest.raises(ProtocolError) as caught,
    ):
        session.stat()
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()
