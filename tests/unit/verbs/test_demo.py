"""The demonstration's server, spoken to over a bare socket."""

import email.policy
import socket
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage

import pytest

from archiver.errors import UsageError
from archiver.verbs import demo
from archiver.verbs.demo import DemoServer, demo_server
from archiver.verbs.demo_mail import demo_messages

ODD = (
    b".leading dot\r\n\r\n",
    b"a: b\r\n\r\n.\r\n..\r\n...x\r\n",
    b"a: b\r\n\r\nbare \n.lf and \r cr and \0 nul \xff\r\n\r\n",
    b"a: b\r\n\r\n" + b"x" * 40_000 + b"\r\n." + b"y" * 70_000 + b"\r\n",
    b"no end of line",
)


class Wire:
    """A socket that sends lines and reads answers as they come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        assert self.line().startswith(b"+OK")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, *commands: str) -> None:
        self.socket.sendall("".join(f"{each}\r\n" for each in commands).encode())

    def line(self) -> bytes:
        line = self.file.readline()
        assert line.endswith(b"\n"), "the server closed the connection"
        return line

    def say(self, command: str) -> bytes:
        self.send(command)
        return self.line()

    def lines(self) -> bytes:
        """The octets of an answer of many lines, after its status, without the stuffing."""
        assert self.line().startswith(b"+OK")
        wire = b"\r\n"
        while not wire.endswith(b"\r\n.\r\n"):
            wire += self.line()
        return wire[:-3].replace(b"\r\n..", b"\r\n.")[2:]

    def ask(self, command: str) -> bytes:
        self.send(command)
        return self.lines()


def log_in(server: DemoServer) -> Wire:
    """A connection past its login."""
    wire = Wire(server.port)
    wire.say(f"USER {server.user}")
    assert wire.say(f"PASS {server.password}").startswith(b"+OK")
    return wire


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    """The demonstration's own mailbox; tests leave it as it is."""
    with demo_server() as running:
        yield running


@pytest.fixture
def odd() -> Iterator[Wire]:
    """A session with a mailbox of messages that are easily spoilt on the wire."""
    with demo_server(ODD) as running, log_in(running) as wire:
        yield wire


def test_every_message_arrives_octet_for_octet(server: DemoServer) -> None:
    """RETR gives exactly the octets that the server was given."""
    with log_in(server) as wire:
        numbers = range(1, len(server.messages) + 1)
        assert tuple(wire.ask(f"RETR {n}") for n in numbers) == server.messages


def test_odd_messages_arrive_octet_for_octet(odd: Wire) -> None:
    """Dots at line starts, bare line ends, NUL and long lines survive; a last CRLF is added."""
    got = [odd.ask(f"RETR {n}") for n in range(1, len(ODD) + 1)]
    assert got == [*ODD[:-1], ODD[-1] + b"\r\n"]


def test_listings_name_every_message_once(server: DemoServer) -> None:
    """LIST says each message's octets, UIDL gives each its own, STAT the sum."""
    with log_in(server) as wire:
        sizes = [len(message) for message in server.messages]
        listed = wire.ask("LIST").splitlines()
        assert listed == [b"%d %d" % pair for pair in enumerate(sizes, 1)]
        uidls = wire.ask("UIDL").splitlines()
        assert len({line.split()[1] for line in uidls}) == len(server.messages)
        assert wire.say("UIDL 2") == b"+OK " + uidls[1] + b"\r\n"
        assert wire.say("STAT") == b"+OK %d %d\r\n" % (len(sizes), sum(sizes))


def test_top_gives_header_and_lines(odd: Wire) -> None:
    """TOP n 0 ends with the empty line, TOP n k has k lines more and at most all."""
    assert odd.ask("TOP 2 0") == b"a: b\r\n\r\n"
    assert odd.ask("TOP 2 2") == b"a: b\r\n\r\n.\r\n..\r\n"
    assert odd.ask("TOP 2 99") == ODD[1]


def test_pipelined_commands_are_answered_in_order(server: DemoServer) -> None:
    """Commands sent in one write get their answers one after the other."""
    with log_in(server) as wire:
        wire.send("CAPA", "UIDL", "RETR 1", "RETR 2", "NOOP")
        assert b"PIPELINING\r\n" in wire.lines()
        wire.lines()
        assert [wire.lines(), wire.lines()] == list(server.messages[:2])
        assert wire.line().startswith(b"+OK")


def test_only_quit_deletes() -> None:
    """A marked message is not listed; it comes back without QUIT and is gone after it."""
    with demo_server(ODD[:2]) as running:
        with log_in(running) as wire:
            assert wire.say("DELE 1").startswith(b"+OK")
            assert wire.ask("LIST") == b"2 %d\r\n" % len(ODD[1])
            assert wire.say("RETR 1").startswith(b"-ERR")
        with log_in(running) as wire:
            assert wire.say("STAT").startswith(b"+OK 2 ")
            wire.say("DELE 1")
            assert wire.say("RSET").startswith(b"+OK")
            wire.say("DELE 2")
            assert wire.say("QUIT").startswith(b"+OK")
        with log_in(running) as wire:
            assert wire.ask("RETR 1") == ODD[0]
            assert wire.say("STAT").startswith(b"+OK 1 ")


def test_nonsense_gets_err_and_the_session_goes_on(server: DemoServer) -> None:
    """Unknown commands, wrong arguments and wrong passwords are refused politely."""
    with Wire(server.port) as wire:
        assert wire.say("STAT").startswith(b"-ERR")
        wire.say("USER demo")
        assert wire.say("PASS wrong").startswith(b"-ERR")
    with log_in(server) as wire:
        for command in (
            "RETR",
            "RETR x",
            "RETR 0",
            "RETR 99",
            "DELE -1",
            "TOP 1",
            "XYZ",
            "LIST 99",
        ):
            assert wire.say(command).startswith(b"-ERR")
        assert wire.say("NOOP").startswith(b"+OK")


def test_the_server_ends_with_the_block() -> None:
    """Nobody listens any more once the block is left."""
    with demo_server(ODD) as running:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=10)


def test_without_twisted_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is a usage error, not a traceback."""
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught, demo_server():
        pass
    assert caught.value.hint == "pip install 'pop3-archiver[demo]'"


def test_demo_messages_are_the_same_each_time() -> None:
    """Nothing in them is random, no two are equal, and lines end in CRLF alone."""
    messages = demo_messages()
    assert messages == demo_messages()
    assert len(set(messages)) == len(messages)
    assert all(message.count(b"\n") == message.count(b"\r\n") for message in messages)
    assert all(message.endswith(b"\r\n") for message in messages)


def test_demo_messages_hold_what_they_should() -> None:
    """A lenient reader finds the charsets, names and attachments that were written."""
    read = [_read(message) for message in demo_messages()]
    assert not [defect for each in read for part in each.walk() for defect in part.defects]
    names = {part.get_filename() for each in read for part in each.walk()}
    assert {"contract-2014.pdf", "Übersicht März.csv", "view.png"} <= names
    subjects = {str(each["Subject"]) for each in read}
    assert {"会議の議事録", "С Новым годом!", "Rückfrage zur Rechnung für März"} <= subjects
    charsets = {part.get_content_charset() for each in read for part in each.walk()}
    assert {"iso-8859-1", "shift_jis", "koi8-r", "utf-8"} <= charsets


def _read(octets: bytes) -> EmailMessage:
    return message_from_bytes(octets, policy=email.policy.default)
