import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Archiver, one_clear_line
from corpus import CORPUS, letter
from observed import Column
from targets import (
    RUN,
    Subject,
    archived,
    holds,
    listing,
    octets,
    on,
    plain,
    signed_in,
    write_settings,
)
from wire import read_mailbox, retrieved

from archiver.pop3 import Pipelining
from infra.fixtures import PopMailbox, PopServer
from infra.packaged import PackagedServer
from infra.relay import Relay

MailboxOn = Callable[[PopServer], PopMailbox]


@on("every_sign_in", "courier")
def test_a_dot_that_begins_a_message(subject: Subject, archiver: Archiver) -> None:
    """A dot that the server did not double is kept; of two that it ought to have sent, one came."""
    one, two = CORPUS["a dot first"], CORPUS["two dots first"]
    subject.box.add([letter(1), one, two])
    by_hand = read_mailbox(subject.box, utf8=subject.server.name == "courier")
    served = subject.server.served
    assert by_hand == [served(letter(1)), served(one), served(two)[1:]]
    write_settings(archiver.home, subject.box)
    archiver(*RUN)
    assert archived(archiver.home / "archive") == sorted(set(by_hand))
    subject.explain("two dots that begin a message come as one, and are archived as one")


@on("every_sign_in", "courier")
def test_a_message_that_ends_before_it_begins(subject: Subject, archiver: Archiver) -> None:
    """A message that the server cuts off is never archived as what it is not, and told as failed.

    It holds up none of the others.
    """
    subject.box.add([letter(1), CORPUS["a lone dot first"], letter(2)])
    write_settings(archiver.home, subject.box)
    done = archiver(*RUN, code=3)
    assert "more behind the end of a message" in done.stderr
    assert (done.record["fetched"], done.record["failed"]) == (2, 1)
    letters = [subject.server.served(letter(number)) for number in (1, 2)]
    assert archived(archiver.home / "archive") == sorted(letters)
    subject.explain(
        "a message whose first line is a dot ends there, which is noticed: it is not archived,"
        " and the run ends with 3"
    )


@on("mailutils", "mailutils_mbox")
def test_what_has_no_header(subject: Subject, mailbox_on: MailboxOn) -> None:
    """Where the server sends something else than was delivered, we take what it sent."""
    ends: Counter[str] = Counter()
    for message in unfit(subject.server).values():
        box = mailbox_on(subject.server)
        box.add([letter(1), message, letter(2)])
        with Relay(box.server.port) as relay, signed_in(box, port=relay.port) as session:
            found = octets(session.retrieve(listing(session), confirm=True))
            session.quit()
        (recording,) = relay.recordings
        assert found == retrieved(recording)
        assert plain(box.server, found[0]) == box.server.served(letter(1))
        if len(found) == 2:
            assert box.server.served(letter(2)) in found[1]
            ends["joined"] += 1
        elif lines(message) <= lines(found[1]):
            ends["whole"] += 1
        else:
            assert lines(found[1]) < lines(message)
            ends["shortened"] += 1
    subject.explain(
        f"of {ends.total()} messages without a header that ends in an empty line of LF,"
        f" {ends['whole']} come whole, {ends['joined']} as one with the message behind them,"
        f" and {ends['shortened']} come shortened"
    )


def unfit(server: PopServer) -> dict[str, bytes]:
    """The messages that a mailbox of the server cannot have."""
    return {name: message for name, message in CORPUS.items() if not holds(server, message)}


def lines(message: bytes) -> set[bytes]:
    """The lines that say something, whatever ends them, and without what the server adds."""
    return {line for line in message.splitlines() if line and not line.startswith(b"X-UIDL")}


@on("mailutils", "mailutils_mbox")
def test_fields_that_are_written_anew(subject: Subject) -> None:
    """A field that begins on the line behind its name gets a space there, by the server's doing."""
    message = b"Subject: folded\nX-Folded:\n at once\n\nx\n"
    subject.box.add([message])
    with signed_in(subject.box) as session:
        (found,) = octets(session.retrieve(listing(session)))
        session.quit()
    changed = subject.server.served(message).replace(b"X-Folded:", b"X-Folded: ")
    assert plain(subject.server, found) == changed
    subject.explain(
        "every message gets a field X-UIDL, and fields that begin on a line of their own a space"
    )


@on("solid_pop3d")
def test_a_mailbox_that_is_barred(subject: Subject, archiver: Archiver) -> None:
    """Where a damaged file keeps everybody out, the run ends with the server's words for it."""
    assert isinstance(subject.server, PackagedServer)
    maildrop = subject.server.maildrop(subject.box.user)
    maildrop.add([letter(1), b"Subject: no final line end\n\nend"])
    write_settings(archiver.home, subject.box, reconnects=0)
    assert "message is damaged" in one_clear_line(archiver(*RUN, code=4))
    subject.explain("a file without a final line end bars the whole mailbox: exit code 4")


def put(subject: Subject, message: bytes) -> None:
    """Has Cyrus hold exactly these octets, which it would never have taken."""
    assert isinstance(subject.server, PackagedServer)
    stand_in = b"Subject: %d\r\n\r\n" % len(message)
    stand_in += b"x" * (len(message) - len(stand_in) - 2) + b"\r\n"
    subject.box.add([stand_in, letter(1)])
    spool = subject.server.directory / "root/var/spool/cyrus"
    (file,) = (each for each in Path(spool).rglob("*.") if each.read_bytes() == stand_in)
    file.write_bytes(message)


@on("cyrus")
def test_line_ends_on_the_wire(subject: Subject) -> None:
    """A bare LF ends no line: neither is a dot behind it un-stuffed, nor is it a message's end."""
    message = (
        b"Subject: LF\r\n\r\na\nb\r\nc\n\n\n.x\n..\n.\r\n+OK injected\n.\n\r\n.\r\n\r.\n\nend\r\n"
    )
    put(subject, message)
    by_hand = read_mailbox(subject.box)
    for pipelining in Pipelining:
        with signed_in(subject.box, pipelining=pipelining) as session:
            assert octets(session.retrieve(listing(session), confirm=True)) == by_hand
            session.quit()
    assert by_hand[0] == re.sub(rb"(?<=[^\r]\n)\.", b"..", message)
    subject.explain("dots behind a bare LF come doubled, and are archived so")
    subject.saw(Column.HABITS, "bare LF on the wire")


@on("cyrus")
def test_nul(subject: Subject) -> None:
    """What the server leaves out of a message is not in the archive."""
    put(subject, b"Subject: NUL\r\n\r\na\0b\r\nc\r\n")
    by_hand = read_mailbox(subject.box)
    with signed_in(subject.box) as session:
        assert octets(session.retrieve(listing(session), confirm=True)) == by_hand
        session.quit()
    assert by_hand[0] == b"Subject: NUL\r\n\r\nac\r\n"
    with pytest.raises(ValueError, match="NUL"):
        subject.box.add([CORPUS["NUL"]])
    subject.explain("what stands behind a NUL in its line, and the line's end, are lost on the way")
