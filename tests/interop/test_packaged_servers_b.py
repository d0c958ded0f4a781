"""The unpacked servers Courier and Cyrus hold what their fixtures promise.

Each of their habits that a client has to cope with is shown on a bare socket, so that a test of a
client may rely on it.
"""

import hmac
import random
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import scramp

from infra.bare_session import BareSession, response
from infra.courier import Courier
from infra.cyrus import Cyrus
from infra.fixtures import PopMailbox, PopServer
from infra.packaged import PackagedServer

MailboxOn = Callable[[PopServer], PopMailbox]

LETTERS = [
    b"Subject: lines\n\none\n\ntwo\n",
    b"Subject: dots\n\n.\n..\n.x\n\n.\n",
    b"Subject: postmarks\n\nFrom me\n>From me\n\nFrom you",
    b"Subject: octets\n\na\rb\r\rc\xff\xe9\n\r",
    b"Subject: long lines\n\n" + b"".join(b"." * length + b"\n" for length in range(4090, 4100)),
    b"Subject: a very long line\n\n" + b"." * 1_000_000,
    b"Subject: no body\n",
    b"Subject: \xfc\n\nan 8-bit header\n",
    b"\n\n\n",
    b"x",
    b"x" + bytes(random.Random(1).choices(b"..\n\r\n ax\xc3\xbc", k=50_000)),
]
LETTERS_OF_COURIER = [b"", b"\0", b"Subject: NUL\n\n\0.\n\0\n.\0\n", b"Subject: crlf\r\n\r\n.\r\n"]

SERVERS = [
    pytest.param("courier", marks=pytest.mark.courier),
    pytest.param("cyrus", marks=pytest.mark.cyrus),
]

ORPHAN = """
import sys, time
from pathlib import Path
from infra.{module} import {kind}
with {kind}(Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


def signed_in(box: PopMailbox) -> BareSession:
    """A session past its sign-in, with UTF8 where that is known."""
    session = BareSession(box.server.port)
    session.ask("UTF8")
    assert session.sign_in(box).startswith(b"+OK")
    return session


def retrieved(box: PopMailbox, count: int) -> list[bytes]:
    """What RETR gives for that many messages."""
    with signed_in(box) as session:
        return [session.read(f"RETR {number}") for number in range(1, count + 1)]


def trust(server: PackagedServer) -> ssl.SSLContext:
    """Trusts the server, and minds an end without close_notify."""
    context = ssl.create_default_context(cafile=server.ca_file)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


@pytest.mark.parametrize("fixture", SERVERS)
def test_what_is_added_is_served(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """Messages come in order of delivery, each with the octets that ``served`` says."""
    box = mailbox_on(request.getfixturevalue(fixture))
    letters = LETTERS + LETTERS_OF_COURIER if fixture == "courier" else LETTERS
    box.add(letters[:3])
    box.add(letters[3:])
    assert retrieved(box, len(letters)) == [box.server.served(letter) for letter in letters]


@pytest.mark.parametrize("fixture", SERVERS)
def test_what_is_deleted_is_gone_after_quit(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """DELE takes a message from the mailbox at QUIT, and not when the connection is dropped."""
    box = mailbox_on(request.getfixturevalue(fixture))
    box.add([b"Subject: 1\r\n", b"Subject: 2\r\n"])
    with signed_in(box) as session:
        assert session.ask("DELE 1").startswith(b"+OK")
    assert box.left() == [b"Subject: 1\r\n", b"Subject: 2\r\n"]
    with signed_in(box) as session:
        assert session.ask("DELE 1").startswith(b"+OK")
        session.leave()
    assert box.left() == [b"Subject: 2\r\n"]
    with signed_in(box) as session:
        assert session.ask("STAT").startswith(b"+OK 1 ")


def test_a_wrong_password_is_refused(courier: Courier, cyrus: Cyrus, mailbox_on: MailboxOn) -> None:
    """After some seconds, in which both are asked at once, and the session goes on."""
    ours, theirs = mailbox_on(courier), mailbox_on(cyrus)
    with BareSession(courier.port) as slow, BareSession(cyrus.port) as slower:
        for session, box in ((slow, ours), (slower, theirs)):
            session.ask(f"USER {box.user}")
            session.say("PASS other")
        assert slow.hear() == b"-ERR Login failed.\r\n"
        assert slower.hear() == b"-ERR [AUTH] Invalid login\r\n"
        for session, box in ((slow, ours), (slower, theirs)):
            assert session.sign_in(box).startswith(b"+OK")


@pytest.mark.parametrize("fixture", SERVERS)
def test_tls_is_spoken_on_both_ports(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """STLS and implicit TLS are both trusted with the authority's file."""
    server: PackagedServer = request.getfixturevalue(fixture)
    box = mailbox_on(server)
    assert server.stls
    assert server.tls_port
    with BareSession(server.port) as session:
        assert b"STLS" in session.read("CAPA").split(b"\r\n")
        session.start_tls(trust(server))
        assert b"STLS" not in session.read("CAPA").split(b"\r\n")
        assert session.sign_in(box).startswith(b"+OK")
    with BareSession(server.tls_port, trust(server)) as session:
        assert session.sign_in(box).startswith(b"+OK")


def test_courier_ends_tls_with_close_notify(courier: Courier) -> None:
    """After QUIT the end of the stream is said."""
    assert courier.tls_port
    with BareSession(courier.tls_port, trust(courier)) as session:
        session.leave()


def test_cyrus_ends_tls_without_close_notify(cyrus: Cyrus) -> None:
    """After QUIT the stream is cut."""
    assert cyrus.tls_port
    with BareSession(cyrus.tls_port, trust(cyrus)) as session:
        assert session.ask("QUIT").startswith(b"+OK")
        with pytest.raises(ssl.SSLError, match="EOF"):
            session.hear()


@pytest.mark.parametrize("fixture", SERVERS)
def test_passwords_sign_in_by_sasl(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """PLAIN and LOGIN are listed by CAPA, and let in who knows the password."""
    box = mailbox_on(request.getfixturevalue(fixture))
    user, password = box.user.encode(), box.password.encode()
    for mechanism, responses in (
        ("PLAIN", [b"\0" + user + b"\0" + password]),
        ("LOGIN", [user, password]),
    ):
        with BareSession(box.server.port) as session:
            assert mechanism.encode() in mechanisms(session)
            answer = session.ask(f"AUTH {mechanism}")
            for octets in responses:
                assert answer.startswith(b"+ ")
                answer = session.ask(response(octets))
            assert answer.startswith(b"+OK")


@pytest.mark.parametrize(
    ("fixture", "mechanism"),
    [
        pytest.param("courier", "CRAM-MD5", marks=pytest.mark.courier),
        pytest.param("courier", "CRAM-SHA1", marks=pytest.mark.courier),
        pytest.param("courier", "CRAM-SHA256", marks=pytest.mark.courier),
        pytest.param("cyrus", "CRAM-MD5", marks=pytest.mark.cyrus),
    ],
)
def test_cram_signs_in(
    fixture: str, mechanism: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """CRAM is listed by CAPA, and lets in who answers the challenge."""
    box = mailbox_on(request.getfixturevalue(fixture))
    with BareSession(box.server.port) as session:
        assert mechanism.encode() in mechanisms(session)
        challenge = session.challenge(f"AUTH {mechanism}")
        digest = hmac.new(box.password.encode(), challenge, mechanism[5:].lower()).hexdigest()
        assert session.ask(response(f"{box.user} {digest}".encode())).startswith(b"+OK")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_cyrus_signs_in_by_scram(cyrus: Cyrus, mailbox_on: MailboxOn, mechanism: str) -> None:
    """SCRAM is listed by CAPA, lets in who knows the secret, and shows that the server does too."""
    box = mailbox_on(cyrus)
    client = scramp.ScramClient([mechanism], box.user, box.password)
    with BareSession(cyrus.port) as session:
        assert mechanism.encode() in mechanisms(session)
        session.challenge(f"AUTH {mechanism}")
        first = response(client.get_client_first().encode())
        client.set_server_first(session.challenge(first).decode())
        final = response(client.get_client_final().encode())
        client.set_server_final(session.challenge(final).decode())
        assert session.ask("").startswith(b"+OK")


def mechanisms(session: BareSession) -> list[bytes]:
    """What CAPA lists behind SASL."""
    (line,) = (line for line in session.read("CAPA").split(b"\r\n") if line.startswith(b"SASL "))
    return line.split()[1:]


def test_cyrus_binds_scram_to_tls_alone(cyrus: Cyrus) -> None:
    """CAPA lists SCRAM with channel binding once TLS is spoken."""
    with BareSession(cyrus.port) as session:
        assert b"SCRAM-SHA-256-PLUS" not in mechanisms(session)
        session.start_tls(trust(cyrus))
        assert b"SCRAM-SHA-256-PLUS" in mechanisms(session)


def test_cyrus_signs_in_by_apop(cyrus: Cyrus, mailbox_on: MailboxOn) -> None:
    """The greeting has a timestamp, and APOP takes the password of USER and PASS."""
    box = mailbox_on(cyrus)
    with BareSession(cyrus.port) as session:
        assert session.apop(box, box.password).startswith(b"+OK")


def test_postmaster_signs_in_to_cyrus_for_others(cyrus: Cyrus, mailbox_on: MailboxOn) -> None:
    """PLAIN with an authorization identity opens another user's mailbox."""
    box = mailbox_on(cyrus)
    box.add([b"Subject: theirs\n"])
    cyrus.let_postmaster_in("of all")
    with BareSession(cyrus.port) as session:
        session.challenge("AUTH PLAIN")
        identities = f"{box.user}\0postmaster\0of all"
        assert session.ask(response(identities.encode())).startswith(b"+OK")
        assert session.read("RETR 1") == b"Subject: theirs\r\n"


def test_courier_lists_sizes_that_are_too_small(courier: Courier, mailbox_on: MailboxOn) -> None:
    """LIST leaves out the CRLF that a message without a final LF gets, and says 0 of an empty one.

    A message that ends with CR has 3 octets more than LIST says.
    """
    box = mailbox_on(courier)
    letters = [b"Subject: a\n\nx\n", b"Subject: a\n\nx", b"", b"Subject: a\n\nx\r"]
    box.add(letters)
    with signed_in(box) as session:
        sizes = [int(line.split()[1]) for line in session.read("LIST").splitlines()]
    assert [len(courier.served(letter)) for letter in letters] == [17, 17, 2, 18]
    assert sizes == [17, 15, 0, 15]


def test_courier_stuffs_no_dot_that_begins_a_message(
    courier: Courier, mailbox_on: MailboxOn
) -> None:
    """Two dots arrive as one, and a first line that is a dot as the end of the message."""
    box = mailbox_on(courier)
    box.add([b"..x\n.x\n", b".\nSubject: not a header\n"])
    with signed_in(box) as session:
        assert session.read("RETR 1") == b".x\r\n.x\r\n"
        assert session.read("RETR 2") == b""
        assert session.hear() == b"Subject: not a header\r\n"


def test_courier_wraps_8_bit_headers_without_utf8(courier: Courier, mailbox_on: MailboxOn) -> None:
    """Who did not say UTF8 before signing in gets another letter than LIST measured."""
    box = mailbox_on(courier)
    letter = b"Subject: gr\xc3\xbc\xc3\x9fe\n\nx\n"
    box.add([letter])
    with BareSession(courier.port) as session:
        assert b"UTF8 USER" in session.read("CAPA").split(b"\r\n")
        assert session.sign_in(box).startswith(b"+OK")
        assert session.ask("LIST 1") == b"+OK 1 %d\r\n" % len(courier.served(letter))
        wrapped = session.read("RETR 1")
    assert b"\r\nSubject: Cannot display Unicode content\r\n" in wrapped
    assert courier.served(letter) in wrapped


def test_courier_lists_a_login_delay_that_nothing_enforces(
    courier: Courier, mailbox_on: MailboxOn
) -> None:
    """CAPA says 10 seconds, and the next session is let in at once."""
    box = mailbox_on(courier)
    for _ in range(2):
        with signed_in(box) as session:
            assert b"LOGIN-DELAY 10" in session.read("CAPA").split(b"\r\n")
            session.leave()


def test_courier_has_lost_what_another_session_removed(
    courier: Courier, mailbox_on: MailboxOn
) -> None:
    """RETR of it is an error, and DELE of it none."""
    box = mailbox_on(courier)
    box.add([b"Subject: 1\n"])
    with signed_in(box) as first, signed_in(box) as second:
        second.ask("DELE 1")
        second.leave()
        assert first.ask("RETR 1").startswith(b"-ERR Can't open the message file")
        assert first.ask("DELE 1").startswith(b"+OK")
        first.leave()


def test_cyrus_still_has_what_another_session_removed(cyrus: Cyrus, mailbox_on: MailboxOn) -> None:
    """RETR gives it to whoever had signed in before, though it is no longer in the mailbox."""
    box = mailbox_on(cyrus)
    box.add([b"Subject: 1\n"])
    with signed_in(box) as first, signed_in(box) as second:
        second.ask("DELE 1")
        second.leave()
        assert box.left() == []
        assert first.read("RETR 1") == b"Subject: 1\r\n"
        first.leave()


def test_cyrus_lists_that_nothing_expires(cyrus: Cyrus) -> None:
    """CAPA says EXPIRE NEVER and LOGIN-DELAY 0."""
    with BareSession(cyrus.port) as session:
        found = session.read("CAPA").split(b"\r\n")
    assert {b"EXPIRE NEVER", b"LOGIN-DELAY 0", b"RESP-CODES", b"PIPELINING"} <= set(found)


@pytest.mark.parametrize("letter", [b"", b"Subject: NUL\n\n\0\n"])
def test_cyrus_takes_no_message_that_it_cannot_store(
    cyrus: Cyrus, mailbox_on: MailboxOn, letter: bytes
) -> None:
    """None that is empty or has NUL, and nothing of what would be added with it."""
    box = mailbox_on(cyrus)
    with pytest.raises(ValueError, match="NUL"):
        box.add([b"Subject: 1\n", letter])
    assert box.left() == []


def test_the_log_has_what_cyrus_tells_syslog(cyrus: Cyrus, mailbox_on: MailboxOn) -> None:
    """A sign-in is written there by the time the mailbox is open."""
    box = mailbox_on(cyrus)
    with signed_in(box):
        deadline = time.monotonic() + 10
        while f" {box.user} plaintext User logged in".encode() not in cyrus.log_file.read_bytes():
            assert time.monotonic() < deadline, "no word of it"
            time.sleep(0.01)


@pytest.mark.parametrize("fixture", SERVERS)
def test_servers_leave_nothing_behind(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A server that stops takes its sessions, their processes and its root along."""
    kind: type[PackagedServer] = type(request.getfixturevalue(fixture))
    before = set(psutil.Process().children(recursive=True))
    with kind(tmp_path) as server:
        box = PopMailbox(server, "somebody", "correct horse")
        server.add_user(box.user, box.password)
        session = signed_in(box)
        ours = set(psutil.Process().children(recursive=True)) - before
    assert ours
    assert not any(process.is_running() for process in ours)
    with session:
        assert session.ask("NOOP") == b""
    assert not (tmp_path / "root").exists()
    with pytest.raises(ConnectionRefusedError):
        BareSession(server.port)


@pytest.mark.parametrize("fixture", SERVERS)
def test_servers_end_with_whoever_started_them(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Even a process that is killed leaves none of a server's many processes behind."""
    kind = type(request.getfixturevalue(fixture)).__name__
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN.format(module=fixture, kind=kind), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline()
        ours = psutil.Process(starter.pid).children(recursive=True)
        starter.kill()
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert ours
    assert not alive
