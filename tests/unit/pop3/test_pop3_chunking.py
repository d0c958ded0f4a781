from collections.abc import Iterable
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from pop3_wire import ONE, events, merged, pieces_of, signed_in

from archiver.errors import ProtocolError
from archiver.model import Listed
from archiver.pop3 import protocol as module
from archiver.pop3.events import Chunk, Finished, Started, WireEvent
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import RULES, State, Verb


def _stuffed(octets: bytes) -> bytes:
    """The message as RFC 1939 section 3 sends it."""
    lines = octets.split(b"\r\n")
    complete = b"\r\n".join(b"." + x if x.startswith(b".") else x for x in lines)
    return complete + (b"" if octets.endswith(b"\r\n") else b"\r\n") + b".\r\n"


fragments = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\r\n..", b"\r\n.\r\n", b"a", b"\0", b"\xff"]
)
messages = st.lists(st.lists(fragments, max_size=30).map(b"".join), min_size=1, max_size=4)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=20)


@settings(deadline=None, max_examples=400)
@given(messages, cuts, st.sampled_from([1, 2, 5, module.HELD_OCTETS]))
def test_any_cut_gives_the_same_octets(sent: list[bytes], lengths: list[int], held: int) -> None:
    """However a stream of stuffed messages is cut, the messages come out as they went in."""
    protocol = signed_in()
    listed = [Listed(number, None, None) for number in range(1, len(sent) + 1)]
    wire = b""
    for one, octets in zip(listed, sent, strict=True):
        protocol.send(Verb.RETR, b"%d" % one.number, one)
        wire += b"+OK\r\n" + _stuffed(octets)
    with mock.patch.object(module, "HELD_OCTETS", held):
        seen = merged(events(protocol, pieces_of(wire, lengths)))
    expected: list[WireEvent] = []
    for one, octets in zip(listed, sent, strict=True):
        whole = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
        expected += [Started(one), Chunk(whole), Finished(one)]
    assert seen == expected


noise = st.lists(
    st.one_of(
        fragments,
        st.sampled_from([b"+OK", b"-ERR", b"+OK\r\n", b"-ERR [X] y\r\n", b"+ ", b"1 2", b" "]),
        st.binary(max_size=6),
    ),
    max_size=40,
).map(b"".join)


def _outcome(verbs: list[Verb], pieces: Iterable[bytes]) -> tuple[list[WireEvent], bool]:
    protocol, seen = signed_in(), list[WireEvent]()
    for verb in verbs:
        names = RULES[State.TRANSACTION, verb].names
        protocol.send(verb, b"1" if names else b"", ONE if names else None)
    try:
        seen.extend(events(protocol, pieces))
    except ProtocolError:
        return merged(seen), True
    return merged(seen), False


@settings(deadline=None)
@given(
    st.one_of(
        st.lists(st.sampled_from([Verb.RETR, Verb.TOP, Verb.DELE]), min_size=1, max_size=4),
        st.sampled_from(
            [[Verb.UIDL], [Verb.STAT], [Verb.QUIT], [Verb.CAPA], [Verb.STAT, Verb.UIDL, Verb.LIST]]
        ),
    ),
    noise,
    cuts,
)
def test_any_octets_parse_or_raise(verbs: list[Verb], octets: bytes, lengths: list[int]) -> None:
    """Whatever a server sends either parses or is a ProtocolError, however it is cut."""
    whole, raised = _outcome(verbs, [octets])
    cut, cut_raised = _outcome(verbs, pieces_of(octets, lengths))
    assert raised == cut_raised
    # Only octets that are already there can show that a message's end was none.
    late = cut[: len(whole)] == whole and [type(event) for event in cut[len(whole) :]] == [Finished]
    assert whole == cut or (raised and late)


@settings(deadline=None)
@given(noise, cuts)
def test_any_greeting_parses_or_raises(octets: bytes, lengths: list[int]) -> None:
    """Whatever answers at a port either greets or is a ProtocolError."""
    try:
        seen = list(events(Protocol(), pieces_of(octets, lengths)))
    except ProtocolError:
        return
    assert len(seen) <= 1
