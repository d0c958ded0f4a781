"""The unpacked servers popa3d, solid-pop3d and mailutils hold what their fixtures promise.

Each of their habits that a client has to cope with is shown on a bare socket, so that a test of a
client may rely on it.
"""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.bare_session import BareSession
from infra.fixtures import PopMailbox, PopServer
from infra.mailutils import Mailutils
from infra.packaged import PackagedServer
from infra.popa3d import Popa3d
from infra.solid_pop3d import SolidPop3d

MailboxOn = Callable[[PopServer], PopMailbox]

LETTERS = [
    b"Subject: lines\n\none\n\ntwo\n",
    b"Subject: dots\n\n.\n..\n.x\n",
    b"Subject: postmarks\n\nFrom me\n>From me\n>>From me\n\nFrom you\nFrom",
    b"Subject: octets\n\n\0a\rb\r\rc\xff\xe9\n\0\n",
    b"Subject: a long line\n\n" + b"x" * 70_000 + b"\n",
    b"Subject: empty lines\n\n\n\n\n",
    b"Subject: empty\n\n",
]
"""A header and an empty line of LF, which each of these servers can hold."""

SERVERS = [
    pytest.param("popa3d", marks=pytest.mark.popa3d),
    pytest.param("solid_pop3d", marks=pytest.mark.solid_pop3d),
    pytest.param("solid_pop3d_mbox", marks=pytest.mark.solid_pop3d),
    pytest.param("mailutils", marks=pytest.mark.mailutils),
    pytest.param("mailutils_mbox", marks=pytest.mark.mailutils),
]


def signed_in(box: PopMailbox) -> BareSession:
    """A session past its sign-in."""
    session = BareSession(box.server.port)
    assert session.sign_in(box).startswith(b"+OK")
    return session


def uidls(session: BareSession) -> list[bytes]:
    """Every UIDL that the session lists."""
    return [line.split()[1] for line in session.read("UIDL").splitlines()]


@pytest.mark.parametrize("fixture", SERVERS)
def test_what_is_added_is_served(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """Messages come in order of delivery, each with the octets that ``served`` says."""
    box = mailbox_on(request.getfixturevalue(fixture))
    box.add(LETTERS[:3])
    box.add(LETTERS[3:])
    with signed_in(box) as session:
        found = [session.read(f"RETR {number}") for number in range(1, len(LETTERS) + 1)]
    assert found == [box.server.served(letter) for letter in LETTERS]


@pytest.mark.parametrize("fixture", SERVERS)
def test_what_is_deleted_is_gone_after_quit(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """DELE takes a message from the disk at QUIT, and not when the connection is dropped."""
    box = mailbox_on(request.getfixturevalue(fixture))
    box.add(LETTERS[:2])
    with signed_in(box) as session:
        assert session.ask("DELE 1").startswith(b"+OK")
    wait_until_free(box)
    assert len(box.left()) == 2
    with signed_in(box) as session:
        assert session.ask("DELE 1").startswith(b"+OK")
        session.leave()
    (letter,) = box.left()
    assert letter.startswith(b"Subject: dots\n")


def wait_until_free(box: PopMailbox) -> None:
    """Returns once no dropped session holds the mailbox any longer."""
    for _ in range(1000):
        with BareSession(box.server.port) as session:
            if session.sign_in(box).startswith(b"+OK"):
                session.leave()
                return
        time.sleep(0.01)
    raise AssertionError("the mailbox stays in use")


@pytest.mark.parametrize("fixture", SERVERS)
def test_a_wrong_password_is_refused(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """Only the password that was given lets a user in; what stands in /etc/passwd does not."""
    box = mailbox_on(request.getfixturevalue(fixture))
    with BareSession(box.server.port) as session:
        assert session.sign_in(PopMailbox(box.server, box.user, "x")).startswith(b"-ERR")


@pytest.mark.parametrize("fixture", [server for server in SERVERS if server.values[0] != "popa3d"])
def test_apop_lets_in(fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn) -> None:
    """APOP takes the password of USER and PASS, and no other."""
    box = mailbox_on(request.getfixturevalue(fixture))
    with BareSession(box.server.port) as session:
        assert session.apop(box, box.password).startswith(b"+OK")
        session.leave()
    with BareSession(box.server.port) as session:
        assert session.apop(box, "other").startswith(b"-ERR")


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
        assert set(psutil.Process().children(recursive=True)) > before
    with session:
        assert session.ask("NOOP") == b""
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (tmp_path / "root").exists()
    with pytest.raises(ConnectionRefusedError):
        BareSession(server.port)


@pytest.mark.parametrize("fixture", SERVERS[:3])
def test_servers_without_capa_or_tls(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """popa3d and solid-pop3d know neither CAPA nor AUTH nor STLS."""
    box = mailbox_on(request.getfixturevalue(fixture))
    assert (box.server.stls, box.server.tls_port, box.server.ca_file) == (False, None, None)
    with BareSession(box.server.port) as session:
        for command in ("CAPA", "AUTH", "STLS"):
            assert session.ask(command).startswith(b"-ERR")
        assert session.sign_in(box).startswith(b"+OK")


@pytest.mark.parametrize("fixture", SERVERS[:3])
def test_crlf_on_the_disk_becomes_crcrlf(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """Each LF is sent as CRLF whatever is before it, and in an mbox an empty line comes along."""
    box = mailbox_on(request.getfixturevalue(fixture))
    letter = b"Subject: crlf\r\n\r\none\r\n"
    box.add([letter])
    with signed_in(box) as session:
        found = session.read("RETR 1")
    assert found.startswith(b"Subject: crlf\r\r\n\r\r\none\r\r\n")
    assert found == box.server.served(letter)


@pytest.mark.parametrize("fixture", SERVERS[:3])
def test_messages_without_an_empty_line(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """``served`` is true too of messages without a header, a body or any octet at all."""
    box = mailbox_on(request.getfixturevalue(fixture))
    letters = [b"Subject: no more\n", b"\nno header\n", b"", b"one line"]
    box.add(letters)
    with signed_in(box) as session:
        found = [session.read(f"RETR {number}") for number in range(1, 5)]
    assert found == [box.server.served(letter) for letter in letters]


def test_popa3d_gives_different_messages_one_uidl(popa3d: Popa3d, mailbox_on: MailboxOn) -> None:
    """Without the header fields that popa3d hashes, all messages have the same UIDL."""
    box = mailbox_on(popa3d)
    box.add(LETTERS)
    with signed_in(box) as session:
        assert len(set(uidls(session))) == 1


def test_popa3d_drops_a_session_whose_mailbox_changed(
    popa3d: Popa3d, mailbox_on: MailboxOn
) -> None:
    """Sessions run side by side until one of them removes something."""
    box = mailbox_on(popa3d)
    box.add(LETTERS[:2])
    with signed_in(box) as first, signed_in(box) as second:
        second.ask("DELE 1")
        second.leave()
        assert first.ask("STAT").startswith(b"+OK 2 ")
        assert first.ask("RETR 2") == b""


@pytest.mark.parametrize("command", ["CAPA", "RETR 99"])
def test_solid_pop3d_hangs_up_at_the_fifth_error(
    solid_pop3d: SolidPop3d, mailbox_on: MailboxOn, command: str
) -> None:
    """Five errors of any kind end a session."""
    with signed_in(mailbox_on(solid_pop3d)) as session:
        answers = [session.ask(command)[:4] for _ in range(6)]
    assert answers == [b"-ERR"] * 5 + [b""]


def test_solid_pop3d_gives_different_messages_one_uidl(
    solid_pop3d_mbox: SolidPop3d, mailbox_on: MailboxOn
) -> None:
    """In an mbox, messages that differ in their Message-ID and body have the same UIDL."""
    box = mailbox_on(solid_pop3d_mbox)
    box.add([b"Subject: a\nMessage-ID: <%d@x>\n\nbody %d\n" % (n, n) for n in range(3)])
    with signed_in(box) as session:
        assert len(set(uidls(session))) == 1


def test_solid_pop3d_is_barred_by_a_missing_final_lf(
    solid_pop3d: SolidPop3d, mailbox_on: MailboxOn
) -> None:
    """A file of a maildir that ends without LF keeps everybody out, so ``add`` adds one."""
    box = mailbox_on(solid_pop3d)
    box.add([b"Subject: a\n\nno end"])
    (letter,) = box.left()
    assert letter == b"Subject: a\n\nno end\n"
    with signed_in(box) as session:
        session.leave()
    solid_pop3d.maildrop(box.user).add([b"Subject: b\n\nno end"])
    with BareSession(solid_pop3d.port) as session:
        assert session.sign_in(box) == b"-ERR message is damaged\r\n"


def test_mailutils_speaks_tls_on_both_ports(mailutils: Mailutils, mailbox_on: MailboxOn) -> None:
    """STLS and implicit TLS are both trusted with the authority's file."""
    box = mailbox_on(mailutils)
    assert mailutils.stls
    assert mailutils.tls_port
    context = ssl.create_default_context(cafile=mailutils.ca_file)
    with BareSession(mailutils.port) as session:
        session.start_tls(context)
        assert session.sign_in(box).startswith(b"+OK")
        session.leave()
    with BareSession(mailutils.tls_port, context) as session:
        assert session.sign_in(box).startswith(b"+OK")
        session.leave()


def test_mailutils_lists_expire_in_its_own_way(mailutils: Mailutils) -> None:
    """CAPA is there, with EXPIRENEVER in one word and no SASL."""
    with BareSession(mailutils.port) as session:
        found = session.read("CAPA").split(b"\r\n")
    assert b"EXPIRENEVER" in found
    assert b"STLS" in found
    assert not [line for line in found if line.startswith(b"SASL")]


@pytest.mark.parametrize("fixture", SERVERS[3:])
def test_mailutils_writes_uidls_into_messages(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """After UIDL a message is another one than LIST and RETR gave before, and stays so."""
    server: Mailutils = request.getfixturevalue(fixture)
    box = mailbox_on(server)
    box.add(LETTERS[:1])
    with signed_in(box) as session:
        size = session.ask("LIST 1")
        before = session.read("RETR 1")
        (uidl,) = uidls(session)
        after = session.read("RETR 1")
        assert session.ask("LIST 1") != size
        session.leave()
    assert b"\r\nX-UIDL: " + uidl + b"\r\n" in after
    assert server.without_additions(after) == before
    with signed_in(box) as session:
        later = session.read("RETR 1")
        assert uidls(session) == [uidl]
    assert (later == after) is (fixture == "mailutils")
    assert server.without_additions(later) == before


def test_mailutils_believes_a_message_about_its_uidl(
    mailutils: Mailutils, mailbox_on: MailboxOn
) -> None:
    """Two messages that say they have the same UIDL have it."""
    box = mailbox_on(mailutils)
    box.add([b"X-UIDL: mine\nSubject: a\n\nx\n", b"X-UIDL: mine\nSubject: b\n\ny\n"])
    with signed_in(box) as session:
        assert uidls(session) == [b"mine", b"mine"]


@pytest.mark.parametrize("fixture", SERVERS[3:])
def test_mailutils_lets_one_session_in(
    fixture: str, request: pytest.FixtureRequest, mailbox_on: MailboxOn
) -> None:
    """A second session of a mailbox gets the code IN-USE."""
    box = mailbox_on(request.getfixturevalue(fixture))
    with signed_in(box), BareSession(box.server.port) as second:
        assert second.sign_in(box) == b"-ERR [IN-USE] Mailbox in use\r\n"


def test_mailutils_serves_no_octet_of_mail_with_crlf(
    mailutils: Mailutils, mailbox_on: MailboxOn
) -> None:
    """It finds no end of a header in CRLF, sends an empty line, and keeps no more after UIDL."""
    box = mailbox_on(mailutils)
    box.add([b"Subject: crlf\r\n\r\none\r\n"])
    with signed_in(box) as session:
        assert session.read("RETR 1") == b"\r\n"
        session.read("UIDL")
        session.leave()
    (letter,) = box.left()
    assert b"one" not in letter
