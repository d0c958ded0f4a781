"""One POP3 session: commands and their answers, in step or not at all.

The protocol says what octets mean, the transport moves them; here they meet. As soon as they part
(a lost connection, a framing error, a caller that leaves answers unread) the connection is closed
and every later call says SessionLost: an answer read in the wrong place could let a message be
deleted that nobody has.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import NoReturn, Self, TypeVar

from archiver.errors import ProtocolError, ServerRefused, ServerUnavailable, SessionLost
from archiver.model import Listed
from archiver.pop3.capabilities import Capabilities, read_capabilities
from archiver.pop3.credentials import Credentials
from archiver.pop3.events import Challenge, Event, Finished, Lines, Refused, Reply, WireEvent
from archiver.pop3.listing import read_size, read_stat, read_uidl
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import Verb
from archiver.pop3.server import Limits, Pipelining, Security, Server
from archiver.pop3.sign_in import sign_in
from archiver.pop3.transport import Transport
from archiver.pop3.window import Window

_MOST_CAPABILITIES = 500
_T = TypeVar("_T")


class Session:
    """A conversation with one server, opened by ``open`` and ended by ``quit`` or ``drop``.

    ``greeting`` is the server's first words, ``capabilities`` what it advertised last and
    ``mechanism`` how ``sign_in`` succeeded. ``suspect`` is the message that was complete last when
    a ProtocolError ended the session: what looked like its end may have been a line of it. As a
    context manager the session drops the connection at the end unless it was quit, so that nothing
    is deleted by accident.
    """

    def __init__(self, server: Server, limits: Limits, transport: Transport) -> None:
        """Takes over a new connection; ``open`` makes one."""
        self._server = server
        self._limits = limits
        self._transport = transport
        self._protocol = Protocol()
        self._ended = ""
        self._turn = object()
        self._last: Listed | None = None
        self.suspect: Listed | None = None
        self.greeting = ""
        self.capabilities = Capabilities()
        self.mechanism = ""

    @classmethod
    def open(cls, server: Server, limits: Limits | None = None) -> Self:
        """Connects, hears the greeting, makes the connection secure and asks for capabilities.

        Raises:
            ServerUnavailable: the server cannot be reached, greets with -ERR, or gives no TLS.
            ProtocolError: what answers there does not speak POP3.
            UsageError: the server's CA file cannot be read.
        """
        limits = limits or Limits()
        session = cls(server, limits, Transport.connect(server, limits))
        try:
            session._begin()
        except BaseException:
            session.drop()
            raise
        return session

    def _begin(self) -> None:
        greeting = self._answer()
        assert isinstance(greeting, Reply)
        if not greeting.ok:
            raise ServerUnavailable(
                f"{self._server.address} does not serve us: {greeting.text[:200]}",
                hint="try later",
            )
        self.greeting = greeting.text
        self._transport.greeted()
        if self._server.security is Security.STLS:
            self._secure()
        self._ask_capabilities()

    def _secure(self) -> None:
        # STLS comes before any CAPA, so there are no capabilities to discard (RFC 2595 section 4).
        reply = self._command(Verb.STLS)
        if not reply.ok:
            raise ServerUnavailable(
                f"{self._server.address} gives no TLS by STLS: {reply.text[:200]}",
                hint="try pop3s:// (port 995); without TLS a password is readable on the way",
            )
        try:
            self._protocol.require_quiet()
        except ProtocolError as error:
            self._lose(error)
        self._transport.secure()

    def _ask_capabilities(self) -> None:
        lines: list[bytes] = []
        try:
            for line in self._listing(Verb.CAPA, bytes):
                if len(lines) == _MOST_CAPABILITIES:
                    self._lose(ProtocolError("the server's capabilities have no end"))
                lines.append(line)
        except ServerRefused:
            return
        self.capabilities = read_capabilities(lines)

    @property
    def outstanding(self) -> int:
        """Commands whose answers are not complete; it stays as it was when the session is lost."""
        return self._protocol.outstanding

    def sign_in(self, credentials: Credentials, *, utf8: bool = False, auth: str = "auto") -> None:
        """Signs in and asks for the capabilities again.

        Args:
            credentials: who, and the secret.
            utf8: switch to UTF8 mode first (RFC 6856), which changes the octets of messages.
            auth: ``auto``, or the name of a mechanism.

        Raises:
            LoginRefused: the server does not let this user in.
            ServerUnavailable: not now: the mailbox is busy, or this login came too soon.
            ServerRefused: the server does not give UTF8 mode.
            UsageError: no such mechanism.
        """
        if not self._transport.secured and self._server.security is not Security.PLAIN:
            raise RuntimeError("a password on a clear connection that nobody chose")
        if utf8:
            self._require(Verb.UTF8)
        self.mechanism = sign_in(_Dialogue(self), credentials, self.capabilities, auth)
        # A server that knew no CAPA before login is not asked again: each -ERR may cost patience.
        if self.capabilities.advertised:
            self._ask_capabilities()

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their octets by the server's count."""
        text = self._require(Verb.STAT).text
        counted = read_stat(text)
        if counted is None:
            self._lose(ProtocolError(f"the server answered STAT with {text[:80]!r}"))
        return counted

    def uidls(self) -> Iterator[tuple[int | None, str]]:
        """Number and UIDL of every message, as they come; see ``listing.read_uidl``.

        Raises:
            ServerRefused: the server has no UIDL; raised when the first is asked for.
        """
        return self._listing(Verb.UIDL, read_uidl)

    def sizes(self) -> Iterator[tuple[int, int | None]]:
        """Number and size of every message, as they come; lines that name no message are left out.

        Raises:
            ServerRefused: the server gives no listing; raised when the first is asked for.
        """
        return (named for named in self._listing(Verb.LIST, read_size) if named is not None)

    def headers(self, listed: Iterable[Listed]) -> Iterator[Event]:
        """The header of each message and the empty line behind it (TOP n 0)."""
        return self._pipeline(Verb.TOP, listed, b" 0", None)

    def retrieve(self, listed: Iterable[Listed]) -> Iterator[Event]:
        """Each message, whole (RETR)."""
        return self._pipeline(Verb.RETR, listed, b"", self._limits.window_octets)

    def delete(self, listed: Iterable[Listed]) -> Iterator[Event]:
        """Marks each message for deletion at QUIT (DELE): Finished or Refused, nothing else."""
        return self._pipeline(Verb.DELE, listed, b"", None)

    def noop(self) -> None:
        """Keeps the session alive.

        Raises:
            ServerRefused: the server answered -ERR.
        """
        self._require(Verb.NOOP)

    def quit(self) -> str:
        """Ends the session properly, which carries out what was marked, and closes it.

        Returns:
            The server's words.

        Raises:
            ServerRefused: the server answered -ERR: some of what was marked may remain.
        """
        try:
            return self._require(Verb.QUIT).text
        finally:
            self.drop()

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

    def _pipeline(
        self, verb: Verb, listed: Iterable[Listed], tail: bytes, octets: int | None
    ) -> Iterator[Event]:
        """Sends one command for each message and gives the events of their answers in order.

        A caller that stops before the end leaves answers behind it unread: the session is lost.
        To stop early and stay in step, let ``listed`` end and take what still comes.
        """
        window = Window(listed, self._commands(), octets)
        mark = self._enter()
        try:
            while True:
                self._require_turn(mark)
                if wanted := window.refill():
                    self._send([(verb, b"%d%b" % (one.number, tail), one) for one in wanted])
                if not self.outstanding:
                    return
                event = self._event()
                assert not isinstance(event, Reply | Challenge | Lines)
                if isinstance(event, Finished | Refused):
                    window.release()
                    self._transport.renew()
                    self._last = event.listed
                yield event
        finally:
            self._leave(mark)

    def _commands(self) -> int:
        pipelining = self._limits.pipelining
        auto = pipelining == Pipelining.AUTO and self.capabilities.pipelining
        return self._limits.window_commands if auto or pipelining == Pipelining.ALWAYS else 1

    def _listing(self, verb: Verb, read: Callable[[bytes], _T]) -> Iterator[_T]:
        mark = self._enter()
        self._require(verb)
        try:
            last = False
            while not last:
                event = self._event()
                assert isinstance(event, Lines)
                last = event.last
                yield from map(read, event.lines)
        finally:
            self._leave(mark)

    def _enter(self) -> object:
        """An exchange of several answers begins, and any older one loses its turn."""
        self._require_open()
        if self.outstanding:
            raise RuntimeError("the answers to another command are still being read")
        self._turn = object()
        return self._turn

    def _require_turn(self, mark: object) -> None:
        if mark is not self._turn:
            raise RuntimeError("another exchange has begun since")

    def _leave(self, mark: object) -> None:
        if mark is self._turn and self.outstanding:
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
        self._send([(verb, arguments, None)])
        return self._answer()

    def _answer(self) -> Reply | Challenge:
        event = self._event()
        assert isinstance(event, Reply | Challenge)
        self._transport.renew()
        return event

    def _send(self, commands: list[tuple[Verb, bytes, Listed | None]]) -> None:
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
                self._protocol.feed(self._transport.read())
        except SessionLost as error:
            self._lose(error)
        except BaseException:
            self._end("it was interrupted")
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


class _Dialogue:
    """A session as the mechanisms of signing in see it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        return self._session._ask(verb, arguments)

    def respond(self, octets: bytes) -> Reply | Challenge:
        return self._session._respond(b64encode(octets))

    def cancel(self) -> Reply | Challenge:
        return self._session._respond(b"*")
