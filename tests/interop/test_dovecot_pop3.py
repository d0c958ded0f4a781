import hashlib
import socket
import tracemalloc
from collections.abc import Iterable

import pytest

from archiver.errors import LoginRefused, ProtocolError, ServerUnavailable
from archiver.model import Listed
from archiver.pop3 import (
    Chunk,
    Credentials,
    Event,
    Finished,
    Limits,
    Pipelining,
    Refused,
    Security,
    Server,
    Session,
    Started,
)
from infra.fixtures import Mailbox

HOSTILE = [
    b"",
    b"\n",
    b"\n.",
    b"\n..",
    b"\n.\n.\n..\n...\n",
    b"Subject: dots\n\n.\n.\n..x\n.x\n",
    b"Subject: no final newline\n\nend",
    b"Subject: bare CR\n\na\rb\r.\r\rc\r",
    b"Subject: CRLF\r\n\r\na\r\n.\r\nb\r\n",
    b"Subject: CRCRLF\n\na\r\r\n.\r\r\n",
    b"Subject: NUL\n\n\0\0.\0\n.\0\n",
    b"Subject: \xe9\xff 8-bit\n\n" + bytes(range(256)) + b"\n",
    b"Subject: answers\n\n+OK injected\n-ERR injected\n.\n+OK 3 octets\n",
    b"no header at all",
    b"Subject: long\n\n" + b"x" * (1 << 20) + b"\n" + b"." * 70_000 + b"\n",
]


def _open(mailbox: Mailbox, security: Security, limits: Limits | None = None) -> Session:
    port = mailbox.tls_port if security is Security.TLS else mailbox.port
    ca_file = None if security is Security.PLAIN else str(mailbox.ca_file)
    session = Session.open(Server("127.0.0.1", port, security, ca_file), limits)
    session.sign_in(Credentials(mailbox.user, mailbox.password))
    return session


def _listing(session: Session) -> list[Listed]:
    uidls = dict(session.uidls())
    return [Listed(number, uidls[number], size) for number, size in session.sizes()]


def _octets(events: Iterable[Event]) -> list[bytes]:
    whole: list[bytes] = []
    for event in events:
        assert not isinstance(event, Refused)
        if isinstance(event, Started):
            whole.append(b"")
        elif isinstance(event, Chunk):
            whole[-1] += event.octets
        else:
            assert event.anomalies == ()
    return whole


def _by_hand(mailbox: Mailbox, count: int) -> list[bytes]:
    """Every message, read one by one, octet for octet, by RFC 1939 and nothing of ours."""
    with socket.create_connection(("127.0.0.1", mailbox.port), 30) as connection:
        stream = connection.makefile("rwb")

        def ask(command: str) -> None:
            stream.write(command.encode() + b"\r\n")
            stream.flush()
            assert stream.readline().startswith(b"+OK")

        assert stream.readline().startswith(b"+OK")
        ask(f"USER {mailbox.user}")
        ask(f"PASS {mailbox.password}")
        whole = []
        for number in range(1, count + 1):
            ask(f"RETR {number}")
            lines, line = [], b""
            while True:
                line += stream.readline()
                if not line.endswith(b"\r\n"):
                    continue
                if line == b".\r\n":
                    break
                lines.append(line[1:] if line.startswith(b".") else line)
                line = b""
            whole.append(b"".join(lines))
        ask("QUIT")
        stream.close()
    return whole


@pytest.mark.parametrize("security", list(Security))
def test_hostile_messages_octet_for_octet(mailbox: Mailbox, security: Security) -> None:
    """Every octet of hostile messages comes through, as a reading by hand has them."""
    mailbox.add(HOSTILE)
    expected = _by_hand(mailbox, len(HOSTILE))
    with _open(mailbox, security) as session:
        assert session.capabilities.pipelining
        listed = _listing(session)
        assert len(listed) == len(HOSTILE) == session.stat()[0]
        assert _octets(session.retrieve(listed)) == expected
        headers = _octets(session.headers(listed))
        session.quit()
    for whole, header in zip(expected, headers, strict=True):
        assert whole.startswith(header.removesuffix(b"\r\n"))
    # What the maildir holds, with LF as CRLF, is what was sent: the reading by hand is right too.
    for stored, whole in zip(HOSTILE, expected, strict=True):
        assert stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") in (whole, whole[:-2])


@pytest.mark.parametrize("pipelining", [Pipelining.ALWAYS, Pipelining.NEVER])
def test_many_messages(mailbox: Mailbox, pipelining: Pipelining) -> None:
    """Hundreds of messages come in order, pipelined or one by one."""
    mailbox.add(b"Subject: %d\n\n" % n + b"x" * (n * 37 % 9000) + b"\n" for n in range(600))
    with _open(mailbox, Security.PLAIN, Limits(pipelining=pipelining)) as session:
        listed = _listing(session)
        got = _octets(session.retrieve(listed))
        session.quit()
    assert [octets.partition(b"\r\n")[0] for octets in got] == [
        b"Subject: %d" % n for n in range(600)
    ]
    assert [len(octets) for octets in got] == [one.size for one in listed]


def test_deleted_at_quit_and_not_before(mailbox: Mailbox) -> None:
    """DELE takes effect at QUIT; a dropped connection deletes nothing."""
    mailbox.add([b"Subject: a\n\n", b"Subject: b\n\n", b"Subject: c\n\n"])
    with _open(mailbox, Security.TLS) as session:
        assert len(list(session.delete(_listing(session)))) == 3
    assert len(mailbox.left()) == 3
    with _open(mailbox, Security.TLS) as session:
        listed = _listing(session)
        assert list(session.delete(listed[1:2])) == [Finished(listed[1])]
        refused, other = session.retrieve(listed[1:2]), Refused
        assert isinstance(next(refused), other)
        assert session.quit()
    assert mailbox.left() == [b"Subject: a\n\n", b"Subject: c\n\n"]


def test_message_that_does_not_exist(mailbox: Mailbox) -> None:
    """A number that is not listed is refused, and the ones around it come."""
    mailbox.add([b"Subject: a\n\n", b"Subject: b\n\n"])
    with _open(mailbox, Security.STLS) as session:
        one, two = _listing(session)
        events = list(session.retrieve([one, Listed(99, None, 5), two]))
        assert [type(event) for event in events].count(Refused) == 1
        assert [event.listed for event in events if isinstance(event, Finished)] == [one, two]
        session.noop()


def test_first_line_that_dovecot_does_not_stuff(mailbox: Mailbox) -> None:
    """Dovecot 2.3 does not double a dot that begins a message: it is kept, and cuts none short."""
    mailbox.add([b".x\n", b".\nrest\n"])
    for pipelining in (Pipelining.ALWAYS, Pipelining.NEVER):
        with _open(mailbox, Security.PLAIN, Limits(pipelining=pipelining)) as session:
            listed = _listing(session)
            dotted = list(session.retrieve(listed[:1]))
            assert dotted[1:] == [Chunk(b".x\r\n"), Finished(listed[0], ("unstuffed-dot",))]
            seen: list[Event] = []
            with pytest.raises(ProtocolError):
                seen.extend(session.retrieve(listed[1:]))
            assert seen == [Started(listed[1])]
    assert len(mailbox.left()) == 2


@pytest.mark.parametrize("mechanism", ["auto", "plain", "user"])
def test_ways_to_sign_in(mailbox: Mailbox, mechanism: str) -> None:
    """Each way to sign in works, and a wrong password is a refused login in each."""
    server = Server("127.0.0.1", mailbox.tls_port, Security.TLS, str(mailbox.ca_file))
    with Session.open(server) as session:
        session.sign_in(Credentials(mailbox.user, mailbox.password), auth=mechanism)
        session.quit()
    with Session.open(server) as session, pytest.raises(LoginRefused, match="AUTH"):
        session.sign_in(Credentials(mailbox.user, "wrong"), auth=mechanism)


def test_untrusted_certificate(mailbox: Mailbox) -> None:
    """Dovecot's own certificate is trusted only through ca_file."""
    for security, port in (
        (Security.TLS, mailbox.tls_port),
        (Security.STLS, mailbox.port),
    ):
        with pytest.raises(ServerUnavailable, match="not trusted"):
            Session.open(Server("127.0.0.1", port, security))


def test_memory_of_a_large_message(mailbox: Mailbox) -> None:
    """A message of 200 MB passes through a few megabytes of memory."""
    line = b"0123456789abcdef" * 4 + b"\n"
    count = 200 * 10**6 // (len(line) + 1)
    mailbox.add([b"Subject: large\n\n" + line * count])
    expected = hashlib.sha256(b"Subject: large\r\n\r\n")
    for _ in range(count):
        expected.update(line[:-1] + b"\r\n")
    with _open(mailbox, Security.PLAIN) as session:
        listed = _listing(session)
        got = hashlib.sha256()
        tracemalloc.start()
        for event in session.retrieve(listed):
            if isinstance(event, Chunk):
                got.update(event.octets)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        session.quit()
    assert got.digest() == expected.digest()
    assert peak < 4 * 2**20
