"""Proxies that answer as no real one does when it is asked to."""

import itertools
import socket
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import sleep
from traceback import format_exception

import pytest

from archiver.errors import ServerUnavailable, UsageError
from archiver.pop3 import Limits, Proxy, Security, Server, Session
from archiver.pop3.proxy import connect

pytestmark = pytest.mark.timeout(60)

GRANTED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n"
SHORT = Limits(0.3)
LIMITS = Limits(5)


@contextmanager
def proxying(
    answer: Iterable[bytes], heard: list[bytes] | None = None, *, says_no: bool = False
) -> Iterator[int]:
    """The port of a proxy that hears one question and answers it in these pieces.

    What is said to the server behind it has no answer, or -ERR.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    open_now: list[socket.socket] = [listener]

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            open_now.append(connection)
            question = connection.recv(4096)
            if heard is not None:
                heard.append(question)
            for piece in answer:
                connection.sendall(piece)
            while connection.recv(4096):
                connection.sendall(b"-ERR no\r\n" * says_no)

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


def drip(octets: Iterable[int]) -> Iterator[bytes]:
    """These octets, one at a time and slowly."""
    for octet in octets:
        sleep(0.02)
        yield bytes((octet,))


def http(port: int) -> Proxy:
    """The proxy as the settings have it."""
    return Proxy("http", "127.0.0.1", port)


@pytest.mark.parametrize("size", [1, 7, len(GRANTED) + 1, 4096])
def test_greeting_right_behind_the_answer(size: int) -> None:
    """The server's first words are its own, however the proxy's answer and they are cut."""
    both = GRANTED + b"+OK ready\r\n"
    pieces = [both[at : at + size] for at in range(0, len(both), size)]
    with (
        proxying(pieces) as port,
        connect(http(port), "pop.example.com", 110, LIMITS) as connection,
    ):
        connection.settimeout(5)
        with connection.makefile("rb") as lines:
            assert lines.readline() == b"+OK ready\r\n"


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("bücher.example", b"CONNECT xn--bcher-kva.example:110 HTTP/1.1"),
        ("2001:db8::1", b"CONNECT [2001:db8::1]:110 HTTP/1.1"),
    ],
)
def test_what_the_proxy_hears(host: str, line: bytes) -> None:
    """A name goes to the proxy as its A-label, and an IPv6 address in brackets."""
    heard: list[bytes] = []
    with proxying([GRANTED], heard) as port:
        connect(http(port), host, 110, LIMITS).close()
    assert heard[0].splitlines()[0] == line


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("answer", [(), drip(itertools.repeat(5))])
def test_proxy_that_takes_its_time(kind: str, answer: Iterable[bytes]) -> None:
    """A proxy that is silent, or answers octet by octet, has one time for all of it."""
    with (
        proxying(answer) as port,
        pytest.raises(ServerUnavailable, match=rf"the proxy {kind}://127.*") as caught,
    ):
        connect(Proxy(kind, "127.0.0.1", port), "pop.example.com", 110, SHORT)
    assert "127.0.0.1" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        ("http", [b"HTTP/1.1 200 OK\r\n", b"x" * 100_000], "no end"),
        ("http", [b"+OK POP3 ready\r\n\r\n"], "failed: invalid status code"),
        ("http", [b"HTTP/1.1 502 \x1b[2Jbad\r\n\r\n"], "cannot reach .*502 .\\[2Jbad"),
        ("http", [b"HTTP/1.1 302 Found\r\n\r\n"], "failed: 302 found"),
        ("socks5", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "failed: unexpected socks version"),
        ("socks5", [b"\x05\x00", b"\x05\x00\x00\x09"], "failed: invalid address type"),
    ],
)
def test_nonsense_for_an_answer(kind: str, answer: list[bytes], words: str) -> None:
    """What is no answer of such a proxy is told in one line, and moves no cursor."""
    with proxying(answer) as port, pytest.raises(ServerUnavailable) as caught:
        connect(Proxy(kind, "127.0.0.1", port), "pop.example.com", 110, LIMITS)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    assert caught.match(f"(?i){words}")


@pytest.mark.parametrize("password", ["open sesame, wide", "sésame", "key4"])
@pytest.mark.parametrize("status", [b"HTTP/1.1 407", b"HTTP/1.1 302", b"HTTP/1.1"])
def test_proxy_that_repeats_the_password(status: bytes, password: str) -> None:
    """A proxy's words are not shown where they repeat what it was told in confidence."""
    login = f"user:{password}".encode("latin-1")
    for said in (b64encode(login), login, password.encode()):
        with (
            proxying([b"%b %b\r\n\r\n" % (status, said)]) as port,
            pytest.raises(ServerUnavailable, match="the proxy http://127") as caught,
        ):
            connect(
                Proxy("http", "127.0.0.1", port, "user", password),
                "pop.example.com",
                110,
                Limits(2),
            )
        shown = "".join(format_exception(caught.value))
        assert password not in shown
        assert b64encode(login).decode() not in shown


def test_proxy_that_hangs_up() -> None:
    """A proxy that goes without a word is named."""
    for kind in ("http", "socks5"):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

            def leave(listener: socket.socket = listener) -> None:
                connection, _ = listener.accept()
                connection.recv(4096)
                connection.close()

            thread = threading.Thread(target=leave, daemon=True)
            thread.start()
            with pytest.raises(ServerUnavailable, match=f"the proxy {kind}://.* failed"):
                connect(Proxy(kind, "127.0.0.1", port), "pop.example.com", 110, LIMITS)
            thread.join(10)


@pytest.mark.parametrize(
    ("kind", "user", "password"),
    [
        ("socks5", "usér", "secret"),
        ("socks5", "user", "s" * 256),
        ("http", "user", "\N{SNOWMAN}"),
        ("http", "us:er", "secret"),
    ],
)
def test_user_that_cannot_be_sent(kind: str, user: str, password: str) -> None:
    """A user or password that such a proxy cannot be told is a mistake, and is not shown."""
    place = Server("pop.example.com", 110, proxy=Proxy(kind, "127.0.0.1", 1, user, password))
    with pytest.raises(UsageError) as caught:
        Session.open(place)
    assert password not in caught.value.message


def test_session_through_a_proxy() -> None:
    """What a session says of itself is the same behind a proxy: here, that it has no TLS."""
    answers = [GRANTED + b"+OK ready\r\n"]
    with proxying(answers, says_no=True) as port:
        place = Server("pop.example.com", 110, Security.PLAIN, proxy=http(port))
        with Session.open(place, Limits(connect_timeout=5)) as session:
            assert session.greeting == "ready"
            assert session.warnings
