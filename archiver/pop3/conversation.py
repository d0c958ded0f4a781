"""Commands and their answers, in step or not at all.

The protocol says what octets mean, the transport moves them; here they meet. As soon as they part
(a lost connection, a framing error, a caller that leaves answers unread) the connection is closed
and every later call says SessionLost: an answer read in the wrong place could let a message be
deleted that nobody has.
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from time import monotonic
from types import TracebackType
from typing import NoReturn, Self

from archiver.errors import ProtocolError, ServerRefused, SessionLost
from archiver.model import Listed
from archiver.pop3.events import Challenge, Reply, WireEvent
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import Verb
from archiver.pop3.server import Limits, Server
from archiver.pop3.tls import TlsInfo
from archiver.pop3.transcript import Transcript
from archiver.pop3.transport import Transport

Command = tuple[Verb, bytes, Listed | None]
"""What is sent, what stands behind it, and the message that it is about."""


class Conversation:
    """What every exchange with a server is made of; ``Session`` says which there are.

    ``suspect`` is the message that was complete last when a ProtocolError or an interruption ended
    it all: what looked like its end may have been a line of it. ``round_trip`` is the shortest
    time, in seconds, from a command to its answer. As a context manager it drops the connection at
    the end unless it was quit, so that nothing is deleted by accident.
    """

    def __init__(
        self,
        server: Server,
        limits: Limits,
        transport: Transport,
        transcript: Transcript | None = None,
    ) -> None:
        """Takes over a new connection."""
        self._server = server
        self._limits = limits
        self._transport = transport
        self._protocol = Protocol(transcript)
        self._ended = ""
        self._turn = object()
        self._ahead: deque[Verb] = deque()  # sent before their turn, their answers not begun
        self._last: Listed | None = None
        self.suspect: Listed | None = None
        self.round_trip = inf

    @property
    def outstanding(self) -> int:
        """Commands whose answers are not complete; it stays as it was when the session is lost."""
        return self._protocol.outstanding

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS was agreed on, and who the server is; None without TLS."""
        return self._transport.tls

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should be told of how this connection is protected, a line each."""
        return self._transport.warnings

    def drop(self) -> None:
        """Closes the connection without QUIT: the server carries out nothing. Never fails."""
        self._end("it was closed")

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drops the connection."""
        self.drop()

    def _enter(self, verb: Verb | None = None) -> object:
        """An exchange of several answers begins, and any older one loses its turn."""
        self._require_open()
        if not self._ahead or self._ahead[0] is not verb:
            self._require_quiet()
        self._turn = object()
        return self._turn

    def _require_quiet(self) -> None:
        self._require_open()
        if self.outstanding:
            raise RuntimeError("the answers to another command are still being read")

    def _require_turn(self, mark: object) -> None:
        if mark is not self._turn:
            raise RuntimeError("another exchange has begun since")

    def _leave(self, mark: object) -> None:
        if mark is self._turn and self.outstanding > len(self._ahead):
            self._end("answers were left unread")

    def _require(self, verb: Verb) -> Reply:
        reply = self._command(verb)
        if not reply.ok:
            raise ServerRefused(
                f"{self._server.address} refused {verb.name}: {reply.text[:200]}", code=reply.code
            )
        return reply

    def _command(self, verb: Verb) -> Reply:
        reply = self._ask(verb)
        assert isinstance(reply, Reply)
        return reply

    def _ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        if self._ahead and self._ahead[0] is verb:
            self._ahead.popleft()
            return self._answer()
        self._require_quiet()
        began = monotonic()
        self._send([(verb, arguments, None)])
        answer = self._answer()
        self.round_trip = min(self.round_trip, monotonic() - began)
        return answer

    def _answer(self) -> Reply | Challenge:
        event = self._event()
        assert isinstance(event, Reply | Challenge)
        self._transport.renew()
        return event

    def _send(self, commands: Iterable[Command]) -> None:
        """Sends these commands in one write."""
        self._require_open()
        try:
            self._transport.write(b"".join(self._protocol.send(*command) for command in commands))
        except SessionLost as error:
            self._lose(error)

    def _respond(self, octets: bytes) -> Reply | Challenge:
        self._require_open()
        try:
            self._transport.write(self._protocol.respond(octets))
        except SessionLost as error:
            self._lose(error)
        return self._answer()

    def _event(self) -> WireEvent:
        self._require_open()
        try:
            while (event := self._protocol.next_event()) is None:
                self._protocol.feed(self._transport.read(bulk=self._protocol.in_bulk))
        except SessionLost as error:
            self._lose(error)
        except BaseException:
            self._end("it was interrupted")
            self.suspect = self._last
            raise
        return event

    def _require_open(self) -> None:
        if self._ended:
            raise SessionLost(f"the session with {self._server.address} is over: {self._ended}")

    def _lose(self, error: SessionLost) -> NoReturn:
        self._end(error.message)
        if isinstance(error, ProtocolError):
            self.suspect = self._last
        raise error

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._transport.close()
