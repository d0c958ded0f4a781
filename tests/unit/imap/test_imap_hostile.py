"""Servers that say what no server should: every session ends in an error of ours, and soon."""

import random
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from threading import Thread

import pytest

from archiver.errors import ArchiverError, ProtocolError
from archiver.imap import ImapSession, Letter
from archiver.pop3 import Credentials, Limits, Security, Server

PIECES = (
    *(b"* ", b"OK ", b"NO ", b"BAD ", b"BYE ", b"+ ", b"\r\n", b"\n", b"CAPABILITY ", b"IMAP4rev1"),
    *(b" AUTH=PLAIN", b"NAMESPACE ", b"LIST ", b"()", b"(", b")", b'"', b'"/" ', b"INBOX", b"NIL"),
    *(b"{5}\r\n", b"{99999999}\r\n", b"hello", b"SEARCH ", b"1 2 3", b"FETCH ", b"EXISTS", b"3 "),
    *(b"[APPENDUID 1 1]", b"[APPENDUID 5 9:1]", b"[UIDVALIDITY x]", b"\xff", b"\0", b"(" * 3000),
)
SANE = (
    (
        b"CAPABILITY",
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR NAMESPACE LITERAL+ MULTIAPPEND\r\n",
    ),
    (b"NAMESPACE", b'* NAMESPACE (("" "/")) NIL NIL\r\n'),
    (b" LIST", b'* LIST () "/" "INBOX"\r\n'),
    (b"EXAMINE", b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"),
    (b"SEARCH", b"* SEARCH 1 2 3\r\n"),
)


def answer(line: bytes, dice: random.Random) -> bytes:
    """What the server says to a line: what it should, or anything."""
    tag = line.partition(b" ")[0]
    if dice.random() < 0.93:
        said = next((said for verb, said in SANE if verb in line.upper()), b"")
        return said + tag + b" OK done\r\n"
    pieces = b"".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 9)))
    return pieces + b"\r\n" + tag + dice.choice((b" OK x", b" NO y", b" BAD z", b"")) + b"\r\n"


@contextmanager
def serving(dice: random.Random) -> Iterator[Server]:
    """A server for one session."""

    def serve() -> None:
        with suppress(OSError), closing(listening.accept()[0]) as connection:
            connection.settimeout(1)
            connection.sendall(b"* OK hello\r\n")
            while octets := connection.recv(1 << 16):
                connection.sendall(answer(octets, dice))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield Server("127.0.0.1", listening.getsockname()[1], Security.PLAIN)
        thread.join()


def played(server: Server) -> None:
    """All that a restore asks of a session."""
    session = ImapSession.connect(server, Limits(connect_timeout=0.2, read_timeout=0.1))
    try:
        session.sign_in(Credentials("user", "password"))
        name = session.make(session.name_of(("A", "b")))
        session.largest(name)
        _, uids = session.look(name)
        list(session.seen(uids))
        for uid in uids:
            b"".join(session.octets(uid))
        letters = [Letter(BytesIO(b"one"), 3), Letter(BytesIO(b"two"), 3, 1)]
        assert len(session.append(name, letters, ["\\Seen"])) == 2
    finally:
        session.drop()


def test_whatever_a_server_says() -> None:
    """A session either does what was asked or ends in an error of ours."""
    ends = set()
    for seed in range(200):
        with serving(random.Random(seed)) as server:
            try:
                played(server)
                ends.add("well")
            except ArchiverError:
                ends.add("in an error")
    assert ends == {"well", "in an error"}


def test_more_than_was_asked_for() -> None:
    """A literal larger than anything that was asked for is not taken in."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with closing(listening.accept()[0]) as connection:
                connection.sendall(b"* OK hello\r\n* CAPABILITY {9999999999}\r\n")

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(ProtocolError, match="nobody asked for"):
            ImapSession.connect(
                Server("127.0.0.1", listening.getsockname()[1], Security.PLAIN),
                Limits(read_timeout=1),
            )
        thread.join()
