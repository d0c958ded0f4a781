from unittest import mock

import pytest
from pop3_wire import (
    ONE,
    SAMPLES,
    TWO,
    Sample,
    events,
    greeted,
    merged,
    pieces_of,
    signed_in,
    single,
)

from archiver.errors import ProtocolError
from archiver.pop3 import protocol as module
from archiver.pop3.events import Challenge, Chunk, Finished, Reply, Started, WireEvent
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import ANSWERS, RULES, Shape, State, Verb

samples = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


@samples
def test_sample_whole(sample: Sample) -> None:
    """Each wire sample means what it means when it arrives at once, and nothing stays behind."""
    protocol = sample.protocol()
    assert merged(events(protocol, [sample.octets])) == sample.meaning
    challenged = isinstance(sample.meaning[-1], Challenge)
    assert protocol.outstanding == int(challenged)
    protocol.require_quiet()


@samples
@pytest.mark.parametrize("held", [1, module.HELD_OCTETS])
def test_sample_byte_by_byte(sample: Sample, held: int) -> None:
    """Each wire sample means the same when it arrives octet by octet."""
    with mock.patch.object(module, "HELD_OCTETS", held):
        assert merged(events(sample.protocol(), single(sample.octets))) == sample.meaning


@samples
@pytest.mark.parametrize("cut", [7, 4096])
def test_sample_with_trailing_octets(sample: Sample, cut: int) -> None:
    """What nobody asked for changes no sample's meaning and ends the stream.

    A message may lack its last event then: octets behind it say that its end was none.
    """
    octets = sample.octets + b"+OK injected\r\n"
    protocol, seen = sample.protocol(), list[WireEvent]()
    with pytest.raises(ProtocolError):
        seen.extend(events(protocol, pieces_of(octets, [cut])))
        protocol.require_quiet()
    assert merged(seen) in (sample.meaning, sample.meaning[:-1])
    assert merged(seen) == sample.meaning or isinstance(sample.meaning[-1], Finished)


WRONG = [
    ("no status", Verb.NOOP, b"hello\r\n"),
    ("an empty line", Verb.NOOP, b"\r\n"),
    ("a word that only begins well", Verb.NOOP, b"+OKAY\r\n"),
    ("a challenge to no exchange", Verb.NOOP, b"+ aGk=\r\n"),
    ("a line ended by LF", Verb.NOOP, b"+OK\n"),
    ("LF within a line", Verb.NOOP, b"+OK a\nb\r\n"),
    ("a line without end", Verb.NOOP, b"+OK " + b"x" * 8190),
    ("a line too long", Verb.NOOP, b"+OK " + b"x" * 8189 + b"\r\n"),
    ("a listing line without end", Verb.UIDL, b"+OK\r\n" + b"x" * 4098),
    ("a listing line too long", Verb.UIDL, b"+OK\r\n1 a\r\n" + b"x" * 4097 + b"\r\n"),
    ("one reply too many", Verb.NOOP, b"+OK\r\n+OK\r\n"),
]


@pytest.mark.parametrize(("name", "verb", "octets"), WRONG, ids=[name for name, _, _ in WRONG])
def test_what_pop3_does_not_allow(name: str, verb: Verb, octets: bytes) -> None:
    """Octets that fit no table are a protocol error, at once or octet by octet."""
    for pieces in ([octets], single(octets)):
        protocol = greeted() if verb is Verb.AUTH else signed_in()
        protocol.send(verb)
        with pytest.raises(ProtocolError):
            list(events(protocol, pieces))


def test_endless_greeting() -> None:
    """A greeting without end is given up after a few kilobytes."""
    with pytest.raises(ProtocolError, match="more than 8192"):
        list(events(Protocol(), [b"+OK ", *[b"x" * 1000] * 9]))


def test_speaking_before_being_asked() -> None:
    """Nothing is sent behind octets that answer nothing."""
    protocol = greeted()
    protocol.feed(b"+OK\r\n")
    with pytest.raises(ProtocolError, match="more than it was asked"):
        protocol.send(Verb.STLS)


def test_octets_behind_stls() -> None:
    """Octets behind the +OK to STLS are noticed before the handshake."""
    protocol = greeted()
    protocol.send(Verb.STLS)
    protocol.feed(b"+OK\r\n+OK injected\r\n")
    assert protocol.next_event() == Reply(True, "", "")
    with pytest.raises(ProtocolError):
        protocol.require_quiet()


def test_octets_behind_a_challenge() -> None:
    """A response is not sent when the server said more than its challenge."""
    protocol = greeted()
    protocol.send(Verb.AUTH, b"PLAIN")
    protocol.feed(b"+ \r\n+OK\r\n")
    assert protocol.next_event() == Challenge(b"")
    with pytest.raises(ProtocolError):
        protocol.respond(b"AGEAYg==")


def test_exchange_of_challenges() -> None:
    """A response goes out as it is, and the final +OK leads to the transaction."""
    protocol = greeted()
    assert protocol.send(Verb.AUTH, b"PLAIN") == b"AUTH PLAIN\r\n"
    protocol.feed(b"+ \r\n")
    assert protocol.next_event() == Challenge(b"")
    assert protocol.respond(b"AGEAYg==") == b"AGEAYg==\r\n"
    protocol.feed(b"+OK\r\n")
    assert protocol.next_event() == Reply(True, "", "")
    assert protocol.state is State.TRANSACTION


def test_response_without_challenge() -> None:
    """A response to nothing is our own mistake."""
    with pytest.raises(RuntimeError):
        greeted().respond(b"x")


@pytest.mark.parametrize("secret", [b"a\rb", b"a\nb", b"a\0b"])
def test_no_command_within_a_command(secret: bytes) -> None:
    """Line ends and NUL never get into a command."""
    with pytest.raises(RuntimeError):
        greeted().send(Verb.PASS, secret)


def test_trailing_space_is_kept() -> None:
    """A password that ends in a space is sent with it."""
    protocol = greeted()
    assert protocol.send(Verb.PASS, b"secret ") == b"PASS secret \r\n"


@pytest.mark.parametrize("verb", [Verb.RETR, Verb.DELE, Verb.STAT])
def test_command_out_of_place(verb: Verb) -> None:
    """A command that the table does not allow in this state is our own mistake."""
    with pytest.raises(RuntimeError, match="no place"):
        greeted().send(verb, b"1", ONE)


@pytest.mark.parametrize("verb", [v for s, v in RULES if s is State.TRANSACTION])
def test_nothing_pipelined_behind_what_must_stand_alone(verb: Verb) -> None:
    """No command is sent behind QUIT, and none but those of RFC 2449 section 6.6 behind RETR."""
    listed = ONE if RULES[State.TRANSACTION, verb].names else None
    protocol = signed_in()
    protocol.send(Verb.QUIT)
    with pytest.raises(RuntimeError, match="outstanding"):
        protocol.send(verb, b"", listed)
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    if RULES[State.TRANSACTION, verb].pipelines:
        protocol.send(verb, b"1" if listed else b"", listed)
        assert protocol.outstanding == 2
    else:
        with pytest.raises(RuntimeError, match="outstanding"):
            protocol.send(verb)


def test_messages_are_named() -> None:
    """RETR without its message, or NOOP with one, is our own mistake."""
    with pytest.raises(RuntimeError):
        signed_in().send(Verb.RETR, b"1")
    with pytest.raises(RuntimeError):
        signed_in().send(Verb.NOOP, b"", ONE)


def test_closed_after_quit() -> None:
    """Nothing has a place after the +OK to QUIT."""
    protocol = signed_in()
    protocol.send(Verb.QUIT)
    list(events(protocol, [b"+OK\r\n"]))
    with pytest.raises(RuntimeError):
        protocol.send(Verb.NOOP)


def test_refused_quit_stays() -> None:
    """-ERR to a command leaves the state as it was."""
    protocol = signed_in()
    protocol.send(Verb.QUIT)
    list(events(protocol, [b"-ERR\r\n"]))
    assert protocol.state is State.TRANSACTION


def test_every_shape_has_its_answers() -> None:
    """The table of answers covers +OK and -ERR for every shape of a rule."""
    assert {shape for shape, _ in ANSWERS} == set(Shape) == {r.shape for r in RULES.values()}


@pytest.mark.parametrize("behind", [b"rest\r\n.\r\n", b".\r\n", b"+OK\r\n"])
def test_message_that_ends_twice(behind: bytes) -> None:
    """A message is not finished when octets nobody asked for stand behind its end."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    seen: list[WireEvent] = []
    with pytest.raises(ProtocolError, match="behind the end"):
        seen.extend(events(protocol, [b"+OK\r\na\r\n.\r\n" + behind]))
    assert not any(isinstance(event, Finished) for event in seen)


def test_end_of_a_message_is_shown_by_what_follows() -> None:
    """While more answers are due, a message is finished when the next one begins."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    protocol.send(Verb.RETR, b"2", TWO)
    ended = b"+OK\r\na\r\n.\r\n"
    assert list(events(protocol, [ended])) == [Started(ONE), Chunk(b"a\r\n")]
    assert list(events(protocol, [b"+"])) == [Finished(ONE)]
    last = list(events(protocol, [ended[1:]]))
    assert last == [Started(TWO), Chunk(b"a\r\n"), Finished(TWO)]


def test_end_of_a_message_that_was_none() -> None:
    """A message whose rest stands where the next answer should is not finished."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    protocol.send(Verb.RETR, b"2", TWO)
    assert list(events(protocol, [b"+OK\r\na\r\n.\r\n"]))[-1] == Chunk(b"a\r\n")
    with pytest.raises(ProtocolError, match="behind the end"):
        list(events(protocol, [b"rest\r\n.\r\n"]))


def test_message_without_its_octets() -> None:
    """No octets at all are no message where the listing gave it a size."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    with pytest.raises(ProtocolError, match="no octets came of a message of 10"):
        list(events(protocol, [b"+OK\r\n.\r\n"]))
    protocol = signed_in()
    protocol.send(Verb.TOP, b"1 0", ONE)
    assert list(events(protocol, [b"+OK\r\n.\r\n"])) == [Started(ONE), Finished(ONE)]


def test_small_message_in_one_chunk() -> None:
    """A message below 64 KiB comes as one chunk however it arrives."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    octets = b"+OK\r\n" + b"x" * 5000 + b"\r\n.\r\n"
    seen = list(events(protocol, [octets[:1000], octets[1000:1001], octets[1001:]]))
    assert seen == [Started(ONE), Chunk(b"x" * 5000 + b"\r\n"), Finished(ONE)]


def test_memory_is_bounded() -> None:
    """A message without end leaves nothing but its last few kilobytes in memory."""
    protocol = signed_in()
    protocol.send(Verb.RETR, b"1", ONE)
    protocol.feed(b"+OK\r\n")
    for _ in range(200):
        protocol.feed(b"\r\n.x" * 10_000)
        while protocol.next_event() is not None:
            pass
        assert len(protocol._buffer) <= 2 * module.HELD_OCTETS
