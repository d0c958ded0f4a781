import pytest
from by_hand import check_archive, objects_in_directory
from command import Archiver, one_clear_line
from corpus import letter
from observed import Column
from targets import (
    ACCOUNT,
    RUN,
    Subject,
    archived,
    listing,
    octets,
    on,
    opened,
    plain,
    signed_in,
    write_settings,
)
from wire import exchanges

from archiver.errors import ServerRefused, SessionLost
from archiver.model import Listed
from archiver.pop3 import Credentials, Event, Finished, Pipelining, Refused, Security
from infra.bare_session import BareSession
from infra.mailutils import Mailutils
from infra.relay import Recording, Relay

LETTERS = [letter(number) for number in range(3)]
ALIKE = [b"Subject: alike %d\n\n%d\n" % (number, number) for number in range(5)]
"""Without any field by which popa3d tells messages from each other."""


def recorded(archiver: Archiver, subject: Subject) -> tuple[dict[str, int], Recording]:
    """The report of a run, and its only session."""
    with Relay(subject.server.port) as relay:
        write_settings(archiver.home, subject.box, relay.port)
        report = archiver(*RUN).record
    (recording,) = relay.recordings
    return report, recording


def statuses(recording: Recording, status: bytes) -> int:
    """How many answers began so."""
    return sum(answer.startswith(status) for _, answer, _ in exchanges(recording))


def test_what_is_marked_stays_without_quit(subject: Subject) -> None:
    """DELE and a dropped connection delete nothing; DELE and QUIT delete what was marked."""
    subject.box.add(LETTERS)
    with signed_in(subject.box) as session:
        events = list(session.delete(listing(session)))
        assert [type(event) for event in events] == [Finished] * len(LETTERS)
    with signed_in(subject.box) as session:
        listed = listing(session)
        assert len(listed) == len(LETTERS)
        assert list(session.delete(listed[:1])) == [Finished(listed[0])]
        session.quit()
    with signed_in(subject.box) as session:
        found = octets(session.retrieve(listing(session)))
        session.quit()
    delivered = [subject.server.served(each) for each in LETTERS[1:]]
    assert [plain(subject.server, each) for each in found] == delivered
    subject.saw(Column.DROPPED, "deletes nothing")


@on("popa3d", "solid_pop3d", "solid_pop3d_mbox")
def test_no_capa(subject: Subject, archiver: Archiver) -> None:
    """A server without CAPA gets one question too much and no more: solid-pop3d hangs up at five.

    It is asked only once in a session, and TOP and UIDL are used all the same.
    """
    subject.box.add(LETTERS)
    _, recording = recorded(archiver, subject)
    assert statuses(recording, b"-ERR") == 1
    assert [command for command, _, _ in exchanges(recording)].count(b"CAPA") == 1
    with signed_in(subject.box) as session:
        assert not session.capabilities.advertised
        assert all(one.uidl for one in listing(session))
        headers = octets(session.headers(listing(session)))
        session.quit()
    assert all(header.endswith(b"\r\n\r\n") for header in headers)
    subject.saw(Column.HABITS, "no CAPA")


@on("solid_pop3d", "solid_pop3d_mbox")
def test_hanging_up_after_five_errors(subject: Subject) -> None:
    """A connection that ends after several refusals is a lost session, with the refusals told."""
    subject.box.add(LETTERS)
    missing = [Listed(number, None, None) for number in range(50, 60)]
    with signed_in(subject.box) as session:
        seen: list[Event] = []
        with pytest.raises(SessionLost):
            seen.extend(session.retrieve(missing))
    assert 0 < len(seen) < 5
    assert all(isinstance(event, Refused) for event in seen)
    subject.saw(Column.HABITS, "hangs up at the fifth error")


@on("popa3d")
def test_one_uidl_for_different_messages(subject: Subject, archiver: Archiver) -> None:
    """Five messages that share a UIDL are all archived, once, however often they are listed."""
    subject.box.add(ALIKE)
    with signed_in(subject.box) as session:
        assert len({one.uidl for one in listing(session)}) == 1
        session.quit()
    report, _ = recorded(archiver, subject)
    assert (report["fetched"], report["archived"]) == (5, 5)
    delivered = [subject.server.served(each) for each in ALIKE]
    for _ in range(2):
        check_archive(objects_in_directory(archiver.home / "archive"), ACCOUNT, delivered)
        report, _ = recorded(archiver, subject)
        assert (report["known"], report["fetched"], report["archived"]) == (5, 0, 0)
    subject.saw(Column.HABITS, "one UIDL for several messages")


@on("mailutils", "mailutils_mbox")
def test_a_mailbox_in_use(subject: Subject, archiver: Archiver) -> None:
    """While somebody else has the mailbox open, a run says so and ends with exit code 5."""
    subject.box.add(LETTERS)
    write_settings(archiver.home, subject.box, reconnects=0)
    with BareSession(subject.server.port) as session:
        assert session.sign_in(subject.box).startswith(b"+OK")
        words = one_clear_line(archiver("run", code=5))
        assert "the mailbox is in use" in words
        session.leave()
    assert archiver(*RUN).record["archived"] == len(LETTERS)
    subject.saw(Column.HABITS, "IN-USE")


@on("mailutils_mbox")
def test_quit_that_fails(subject: Subject) -> None:
    """A refusal of QUIT is told: what was marked may remain."""
    assert isinstance(subject.server, Mailutils)
    subject.box.add(LETTERS)
    with signed_in(subject.box) as session:
        list(session.delete(listing(session)))
        mbox = subject.server.directory / "root/var/mail" / subject.box.user
        mbox.unlink()
        with pytest.raises(ServerRefused, match="refused QUIT"):
            session.quit()
    subject.saw(Column.HABITS, "QUIT refused")


@on("courier")
def test_utf8_is_said(subject: Subject, archiver: Archiver) -> None:
    """UTF8 is said before signing in, without which this server sends another message in place."""
    message = "Subject: grüße\n\ntext\n".encode()
    subject.box.add([message])
    with opened(subject.box) as session:
        session.sign_in(Credentials(subject.box.user, subject.box.password), utf8=False)
        (surrogate,) = octets(session.retrieve(listing(session)))
        session.quit()
    assert b"Cannot display Unicode content" in surrogate
    _, recording = recorded(archiver, subject)
    commands = [command.partition(b" ")[0] for command, _, _ in exchanges(recording)]
    assert commands.index(b"UTF8") < commands.index(b"AUTH")
    assert archived(archiver.home / "archive") == [subject.server.served(message)]
    subject.saw(Column.HABITS, "another message without UTF8")


@on("cyrus")
def test_tls_that_ends_without_a_word(subject: Subject, archiver: Archiver) -> None:
    """TLS that is cut off behind the answer to QUIT is no error, and nothing is said of it."""
    subject.box.add(LETTERS)
    for scheme, port in (("pop3s", subject.server.tls_port), ("pop3", subject.server.port)):
        url = f"{scheme}://{subject.box.user}@127.0.0.1:{port}"
        write_settings(archiver.home, subject.box, server=url, ca_file=str(subject.server.ca_file))
        done = archiver(*RUN)
        assert "QUIT" not in done.stderr
        assert "lost" not in done.stderr
    with signed_in(subject.box, Security.TLS) as session:
        session.quit()
    subject.saw(Column.HABITS, "TLS ends unsaid")


HOW_OTHERS_LEARN_OF_IT = {
    "every_sign_in": (Refused, "refuses what went elsewhere"),
    "courier": (Refused, "refuses what went elsewhere"),
    "cyrus": (Finished, "serves what went elsewhere"),
    "popa3d": (SessionLost, "hangs up if something went elsewhere"),
    "solid_pop3d": (SessionLost, "hangs up if something went elsewhere"),
    "solid_pop3d_mbox": (SessionLost, "hangs up if something went elsewhere"),
}


@on(*HOW_OTHERS_LEARN_OF_IT)
def test_what_another_session_removes(subject: Subject) -> None:
    """A message that left meanwhile is refused, or costs the session; no other stands for it."""
    subject.box.add(LETTERS)
    with signed_in(subject.box, pipelining=Pipelining.NEVER) as session:
        listed = listing(session)
        with signed_in(subject.box) as other:
            list(other.delete(listing(other)[1:2]))
            other.quit()
        outcome: object = None
        found = []
        try:
            for event in session.retrieve(listed[1:2]):
                outcome = event
                found.append(event)
        except SessionLost as lost:
            outcome = lost
    kind, words = HOW_OTHERS_LEARN_OF_IT[subject.target.fixture]
    assert isinstance(outcome, kind), outcome
    if kind is Finished:
        assert octets(found) == [subject.server.served(LETTERS[1])]
    subject.saw(Column.HABITS, words)
