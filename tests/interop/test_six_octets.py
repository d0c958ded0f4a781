from by_hand import check_archive, objects_in_directory
from command import Archiver
from corpus import CORPUS, letter
from observed import Column
from targets import (
    ACCOUNT,
    RUN,
    WINDOW,
    Subject,
    held,
    listing,
    octets,
    plain,
    signed_in,
    write_settings,
)
from wire import CRLF, read_mailbox, retrieved

from archiver.pop3 import Pipelining, Security
from infra.relay import Relay

LETTERS = [letter(number, 400) for number in range(WINDOW + 3)]


def ways(subject: Subject) -> list[tuple[Security, Pipelining]]:
    """How to read a mailbox: in each manner of pipelining, by each security that there is."""
    if not subject.server.stls:
        return [(Security.PLAIN, Pipelining.ALWAYS), (Security.PLAIN, Pipelining.NEVER)]
    return list(zip((Security.PLAIN, Security.STLS, Security.TLS), Pipelining, strict=True))


def test_the_engine_gives_every_octet(subject: Subject) -> None:
    """Hostile messages come as a reading by hand has them, pipelined or not, with TLS or without.

    They are also what the server's storage makes of what was delivered.
    """
    letters = held(subject.server, CORPUS)
    subject.box.add(letters)
    delivered = [subject.server.served(each) for each in letters]
    utf8 = subject.server.name == "courier"
    by_hand = read_mailbox(subject.box, utf8=utf8)
    assert [plain(subject.server, each) for each in by_hand] == delivered
    if not subject.target.stable:
        # From its second session on, the server changes nothing more.
        by_hand = read_mailbox(subject.box, utf8=utf8)
    for security, pipelining in ways(subject):
        with signed_in(subject.box, security, pipelining=pipelining) as session:
            assert octets(session.retrieve(listing(session), confirm=True)) == by_hand
            session.quit()


def test_a_run_archives_every_octet(subject: Subject, archiver: Archiver) -> None:
    """What the store holds of hostile messages is what was on the wire, and what was delivered."""
    letters = held(subject.server, CORPUS)
    subject.box.add(letters)
    with Relay(subject.server.port) as relay:
        write_settings(archiver.home, subject.box, relay.port)
        report = archiver(*RUN).record
    (recording,) = relay.recordings
    on_the_wire = retrieved(recording)
    check_archive(objects_in_directory(archiver.home / "archive"), ACCOUNT, on_the_wire)
    assert report["fetched"] == report["archived"] == len(letters)
    exact = [
        plain(subject.server, sent) == subject.server.served(delivered)
        for sent, delivered in zip(on_the_wire, letters, strict=True)
    ]
    assert all(exact)
    subject.saw(Column.OCTETS, f"{sum(exact)} of {len(letters)}")


def test_pipelining(subject: Subject) -> None:
    """Commands go ahead of answers where that is advertised, or forced; the octets are the same."""
    subject.box.add(LETTERS)
    for pipelining in Pipelining:
        with (
            Relay(subject.server.port) as relay,
            signed_in(subject.box, pipelining=pipelining, port=relay.port) as session,
        ):
            advertised = session.capabilities.pipelining
            auto = pipelining is Pipelining.AUTO and advertised
            ahead = WINDOW if auto or pipelining is Pipelining.ALWAYS else 1
            # One by one, a few show as much.
            listed = listing(session)[: ahead + 3]
            found = octets(session.retrieve(listed, confirm=True))
            session.quit()
        (recording,) = relay.recordings
        assert found == retrieved(recording)
        delivered = [subject.server.served(each) for each in LETTERS[: len(listed)]]
        assert [plain(subject.server, each) for each in found] == delivered
        assert max(said.count(b"RETR ") for said in recording.said) == ahead
        signing_in = b"".join(recording.said).partition(b"UIDL")[0]
        # What comes ahead of the answer to PASS is lost on solid-pop3d.
        assert recording.said[: signing_in.count(CRLF)] == signing_in.splitlines(keepends=True)
    subject.saw(
        Column.PIPELINING,
        "advertised; 32" if advertised else "not advertised; 32 if forced",
    )
