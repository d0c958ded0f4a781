"""The target ``session``: a whole POP3 session with a server that says what the fuzzer likes.

Whatever it says, a step ends in success or in an error that a server may cause; after an error that
ends the session the connection is closed, after one that does not the next command is in step. No
secret is in an error or a transcript, even where the server repeats what it was sent.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

from archiver.errors import (
    ArchiverError,
    LoginRefused,
    ProtocolError,
    ServerRefused,
    ServerUnavailable,
    SessionLost,
    UsageError,
)
from archiver.model import Listed
from archiver.pop3 import Chunk, Event, Finished, Refused, Session, Started
from archiver.pop3.rules import Verb
from archiver.pop3.transport import Transport
from infra.fuzz import Finding
from infra.fuzz.discretion import require_discretion
from infra.fuzz.pieces import Script
from infra.fuzz.plan import HEAD, PASSWORD, Flag, Plan
from infra.fuzz.wire import Wire

_EXPECTED = (ProtocolError, SessionLost, ServerRefused, ServerUnavailable, LoginRefused)
_MOST_MESSAGES = 40


@dataclass(slots=True)
class Seen:
    """What a session came to.

    ``error`` is what ended it, None where it came to its end; ``steps`` are what was done, with the
    refusals that ended a step alone; ``transcript`` are the lines that a person would see.
    """

    error: ArchiverError | None = None
    steps: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    refusals: list[ArchiverError] = field(default_factory=list)
    said: bytes = b""

    def sent(self, line: str) -> None:
        """A line of ours, for the transcript."""
        self.transcript.append(line)

    def received(self, line: str) -> None:
        """A line of the server's."""
        self.transcript.append(line)


def session(octets: bytes) -> Seen:
    """Has a session with the server whose words these octets are, behind a plan's head.

    Raises:
        Finding: something happened that may not.
    """
    plan = Plan.read(octets[:HEAD])
    wire = Wire(plan, Script(octets[HEAD:], PASSWORD))
    seen = over(plan, wire)
    seen.said = bytes(wire.said)
    if seen.error is not None and not wire.closed:
        raise Finding(f"not closed after {seen.error!r}")
    errors = [*seen.refusals, *([seen.error] if seen.error else [])]
    words = [line for error in errors for line in (error.message, error.hint)]
    require_discretion(seen.said, seen.transcript, words)
    return seen


def over(plan: Plan, transport: Transport) -> Seen:
    """Has a session over this connection."""
    seen = Seen()

    class Watched(Session):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            if isinstance(transport, Wire):
                self._protocol._buffer = transport.buffer

    with patch.object(Transport, "connect", lambda *_: transport):
        try:
            with Watched.open(plan.server, plan.limits, seen) as opened:
                _converse(opened, plan, seen)
        except _EXPECTED as error:
            seen.error = error
    return seen


def _converse(opened: Session, plan: Plan, seen: Seen) -> None:
    actions = [_ACTIONS[(number - 1) % len(_ACTIONS)] for number in plan.actions or _USUAL]
    try:
        opened.sign_in(
            plan.credentials,
            utf8=Flag.UTF8 in plan.flags,
            auth=plan.auth,
            remembered=plan.remembered,
            listing=actions[0] is listings,
        )
    except UsageError as error:
        # What the settings lack shows only when the server has said what it takes.
        seen.steps.append(f"usage: {error}")
        return
    seen.steps.append(f"signed in by {opened.mechanism}")
    listing: list[Listed] = []
    for action in actions:
        try:
            for said in action(opened, listing):
                seen.steps.append(f"{action.__name__} {said}")
        except ServerRefused as error:
            seen.refusals.append(error)
            seen.steps.append(f"{action.__name__} refused: {error}")
            if opened.outstanding and action is not quit_:
                raise Finding(f"answers are left after {error!r}") from error


def _require_over(opened: Session) -> None:
    try:
        opened.noop()
    except SessionLost:
        return
    raise Finding("a session that is over went on")


def listings(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """STAT, UIDL and LIST, ahead of their answers where that may be."""
    opened.ask_ahead()
    refused = None
    for step in (stat, uidls, sizes):
        try:
            yield from step(opened, listing)
        except ServerRefused as error:
            refused = error
    if refused is not None:
        raise refused


def stat(opened: Session, _: list[Listed]) -> Iterator[str]:
    """STAT."""
    yield str(opened.stat())


def uidls(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """UIDL."""
    pairs = list(opened.uidls())
    listing[:] = [Listed(number or at, uidl, None) for at, (number, uidl) in enumerate(pairs, 1)]
    del listing[_MOST_MESSAGES:]
    yield str(pairs)


def sizes(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """LIST."""
    found = dict(opened.sizes())
    known = {one.number: one.uidl for one in listing}
    listing[:] = [Listed(number, known.get(number), size) for number, size in found.items()]
    del listing[_MOST_MESSAGES:]
    yield str(found)


def headers(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """TOP of every message."""
    yield _events(opened.headers(listing), listing)


def retrieve(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """RETR of every message."""
    yield _events(opened.retrieve(listing), listing)


def confirmed(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """RETR of every message, and NOOP behind the last."""
    yield _events(opened.retrieve(listing, confirm=True), listing)


def delete(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """DELE of every message."""
    yield _events(opened.delete(listing), listing)


def noop(opened: Session, _: list[Listed]) -> Iterator[str]:
    """NOOP."""
    opened.noop()
    yield "granted"


def by_hand(opened: Session, _: list[Listed]) -> Iterator[str]:
    """Commands as a person words them."""
    for verb, arguments, number in _BY_HAND:
        yield f"{verb.name}: {list(opened.converse(verb, arguments, number))}"


def part(opened: Session, listing: list[Listed]) -> Iterator[str]:
    """The beginning of a message, after which nobody listens any more."""
    with closing(cast("Generator[Event, None, None]", opened.retrieve(listing))) as events:
        yield type(next(events, None)).__name__


def quit_(opened: Session, _: list[Listed]) -> Iterator[str]:
    """QUIT, behind which there is nothing more."""
    try:
        yield opened.quit()
    finally:
        _require_over(opened)


_ACTIONS: tuple[Callable[[Session, list[Listed]], Iterator[str]], ...] = (
    listings,
    headers,
    retrieve,
    confirmed,
    delete,
    noop,
    by_hand,
    stat,
    uidls,
    sizes,
    quit_,
    part,
)
"""What a client may do once signed in; a plan names them by their numbers, from 1."""

_USUAL = range(1, 12)
_BY_HAND = (
    (Verb.CAPA, b"", 0),
    (Verb.LIST, b"1", 0),
    (Verb.UIDL, b"1", 0),
    (Verb.TOP, b"1 5", 1),
    (Verb.RETR, b"1", 1),
    (Verb.DELE, b"1", 1),
    (Verb.RSET, b"", 0),
)


def _events(events: Iterator[Event], listing: list[Listed]) -> str:
    """What came of these messages, each of which must end once and in its turn."""
    ended: list[str] = []
    started = False
    octets = 0
    for event in events:
        match event:
            case Started() if not started:
                started, octets = True, 0
            case Chunk(some) if started and some:
                octets += len(some)
            case Finished(one, anomalies) if one is listing[len(ended)]:
                ended.append(f"{one.number}: {octets if started else '-'} {anomalies}")
                started = False
            case Refused(one, code) if one is listing[len(ended)] and not started:
                ended.append(f"{one.number}: refused {code}")
            case _:
                raise Finding(f"{event!r} after {ended}")
    if len(ended) != len(listing) or started:
        raise Finding(f"{len(ended)} of {len(listing)} messages ended")
    return ", ".join(ended)
