"""One POP3 session: what may be asked of a server, and in which order.

That commands and answers stay in step is the business of ``conversation``.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

from archiver.errors import LoginRefused, ProtocolError, ServerRefused, ServerUnavailable
from archiver.model import Listed
from archiver.pop3.capabilities import Capabilities, read_capabilities
from archiver.pop3.conversation import Command, Conversation
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Event, Finished, Lines, Refused, Reply, WireEvent
from archiver.pop3.listing import read_size, read_stat, read_uidl
from archiver.pop3.rules import Verb
from archiver.pop3.server import Limits, Pipelining, Security, Server
from archiver.pop3.sign_in import sign_in
from archiver.pop3.tls import Untrusted, with_fingerprint
from archiver.pop3.transcript import Transcript
from archiver.pop3.transport import Transport
from archiver.pop3.window import Window

_MOST_CAPABILITIES = 500
_LISTING = (Verb.STAT, Verb.UIDL, Verb.LIST)
# What the lines of a listing may have on average; a UIDL has 70 (RFC 1939 section 7).
_LINE_OCTETS = 512
# By how many messages a server's count may be behind its listings.
_MORE_THAN_COUNTED = 10_000
_T = TypeVar("_T")


class Session(Conversation):
    """A conversation with one server, opened by ``open`` and ended by ``quit`` or ``drop``.

    ``greeting`` is the server's first words, ``capabilities`` what it advertised last and
    ``mechanism`` how ``sign_in`` succeeded.
    """

    def __init__(
        self,
        server: Server,
        limits: Limits,
        transport: Transport,
        transcript: Transcript | None = None,
    ) -> None:
        """Takes over a new connection; ``open`` makes one."""
        super().__init__(server, limits, transport, transcript)
        self._most_lines = limits.listing_lines
        self.greeting = ""
        self.capabilities = Capabilities()
        self.mechanism = ""

    @classmethod
    def open(
        cls,
        server: Server,
        limits: Limits | None = None,
        transcript: Transcript | None = None,
    ) -> Self:
        """Connects, hears the greeting, makes the connection secure and asks for capabilities.

        ``transcript`` hears what passes, without secrets.

        Raises:
            ServerUnavailable: the server cannot be reached, greets with -ERR, or gives no TLS.
            ProtocolError: what answers there does not speak POP3.
            UsageError: one of the files named in the settings cannot be used.
        """
        limits = limits or Limits()
        try:
            return cls._open(server, limits, transcript)
        except Untrusted as error:
            raise with_fingerprint(error, server, lambda seen: cls._open(seen, limits)) from error

    @classmethod
    def _open(cls, server: Server, limits: Limits, transcript: Transcript | None = None) -> Self:
        session = cls(server, limits, Transport.connect(server, limits), transcript)
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
        try:
            lines = list(self._listing(Verb.CAPA, bytes, _MOST_CAPABILITIES))
        except ServerRefused:
            return
        self.capabilities = read_capabilities(lines)

    def sign_in(
        self,
        credentials: Credentials,
        *,
        utf8: bool = False,
        auth: str = "auto",
        remembered: str = "",
        listing: bool = False,
    ) -> None:
        """Signs in and asks for the capabilities again; a session that was refused is over.

        Args:
            credentials: who, and the secret.
            utf8: switch to UTF8 mode first (RFC 6856), which changes the octets of messages.
            auth: ``auto``, or the name of a mechanism.
            remembered: the mechanism that worked the last time, with which ``auto`` begins.
            listing: ask for the listing as well, as ``ask_ahead`` does: in the same write where the
                server offered to take it before login.

        Raises:
            LoginRefused: the server does not let this user in, or only with a secret in the clear.
            ServerUnavailable: not now: the mailbox is busy, or this login came too soon (its
                ``code`` is then ``LOGIN-DELAY``).
            ServerRefused: the server does not give UTF8 mode.
            UsageError: no such mechanism, or the credentials lack what it needs.
        """
        if not self._transport.secured and self._server.security is not Security.PLAIN:
            raise RuntimeError("a password on a clear connection that nobody chose")
        if utf8:
            self._require(Verb.UTF8)
        try:
            self.mechanism = sign_in(
                _Dialogue(self),
                credentials,
                auth=auth,
                remembered=remembered,
                confidences=self._protocol.confide(credentials.user, credentials.authzid),
            )
        except LoginRefused as error:
            self._end(error.message)
            raise
        # A server that knew no CAPA before login is not asked again: each -ERR may cost patience.
        again = (Verb.CAPA,) if self.capabilities.advertised else ()
        if listing:
            self._send_ahead(*again, *_LISTING)
        if again:
            self._ask_capabilities()
        if listing:
            self.ask_ahead()

    def ask_ahead(self) -> None:
        """Asks STAT, UIDL and LIST in one write, where the server takes more than one command.

        ``stat``, ``uidls`` and ``sizes``, called in this order, then find their answers under way.
        """
        if not self._ahead:
            self._enter()
            self._send_ahead(*_LISTING)

    def _send_ahead(self, *verbs: Verb) -> None:
        if self._commands() > 1:
            self._ahead.extend(verbs)
            self._send([(verb, b"", None) for verb in verbs])

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their octets by the server's count."""
        text = self._require(Verb.STAT).text
        counted = read_stat(text)
        if counted is None:
            said = self._protocol.discreet(text)
            self._lose(ProtocolError(f"the server answered STAT with {said[:80]!r}"))
        self._most_lines = min(counted[0] + _MORE_THAN_COUNTED, self._limits.listing_lines)
        return counted

    def uidls(self) -> Iterator[tuple[int | None, str]]:
        """Number and UIDL of every message, as they come; see ``listing.read_uidl``.

        Raises:
            ServerRefused: the server has no UIDL; raised when the first is asked for.
        """
        return self._listing(Verb.UIDL, read_uidl, self._most_lines)

    def sizes(self) -> Iterator[tuple[int, int | None]]:
        """Number and size of every message, as they come; lines that name no message are left out.

        Raises:
            ServerRefused: the server gives no listing; raised when the first is asked for.
        """
        sizes = self._listing(Verb.LIST, read_size, self._most_lines)
        return (named for named in sizes if named is not None)

    def headers(self, listed: Iterable[Listed]) -> Iterator[Event]:
        """The header of each message and the empty line behind it (TOP n 0)."""
        return self._pipeline(Verb.TOP, listed, b" 0", None)

    def converse(self, verb: Verb, arguments: bytes = b"", number: int = 0) -> Iterator[WireEvent]:
        """One command as a person words it, and all of its answer as it comes, -ERR too.

        Args:
            verb: the command.
            arguments: what stands behind it, the message's number included.
            number: of the message, where ``rules`` has the command name one; else 0.
        """
        mark = self._enter()
        try:
            self._send([(verb, arguments, Listed(number, None, None) if number else None)])
            while self.outstanding:
                self._require_turn(mark)
                yield self._event()
            self._transport.renew()
        finally:
            self._leave(mark)

    def retrieve(self, listed: Iterable[Listed], *, confirm: bool = False) -> Iterator[Event]:
        """Each message, whole (RETR).

        Args:
            listed: the messages.
            confirm: send NOOP behind the last one: any answer to it shows that the message ended
                where it seemed to.
        """
        octets = self._limits.window_octets
        return self._pipeline(Verb.RETR, listed, b"", octets, confirm=confirm)

    def delete(self, listed: Iterable[Listed]) -> Iterator[Event]:
        """Marks each message for deletion at QUIT (DELE): Finished or Refused, nothing else."""
        return self._pipeline(Verb.DELE, listed, b"", None)

    def noop(self) -> None:
        """Keeps the session alive.

        Raises:
            ServerRefused: the server answered -ERR.
        """
        self._require(Verb.NOOP)

    def reset(self) -> None:
        """Takes back every mark for deletion of this session (RSET).

        Raises:
            ServerRefused: the server answered -ERR.
        """
        self._require(Verb.RSET)

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

    def _pipeline(
        self,
        verb: Verb,
        listed: Iterable[Listed],
        tail: bytes,
        octets: int | None,
        *,
        confirm: bool = False,
    ) -> Iterator[Event]:
        """Sends one command for each message and gives the events of their answers in order.

        A caller that stops before the end leaves answers behind it unread: the session is lost.
        To stop early and stay in step, let ``listed`` end and take what still comes.
        """
        window = Window(listed, self._commands(), octets)
        commands: list[Command]
        sent = False
        mark = self._enter()
        try:
            while True:
                self._require_turn(mark)
                commands = [(verb, b"%d%b" % (one.number, tail), one) for one in window.refill()]
                sent = sent or bool(commands)
                if confirm and sent and window.ended:
                    confirm = False
                    commands.append((Verb.NOOP, b"", None))
                if commands:
                    self._send(commands)
                if not self.outstanding:
                    return
                event = self._event()
                assert not isinstance(event, Challenge | Lines)
                if isinstance(event, Reply):
                    continue
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

    def _listing(self, verb: Verb, read: Callable[[bytes], _T], most: int) -> Iterator[_T]:
        mark = self._enter(verb)
        self._require(verb)
        lines, octets = most, most * _LINE_OCTETS
        try:
            last = False
            while not last:
                event = self._event()
                assert isinstance(event, Lines)
                last = event.last
                lines -= len(event.lines)
                octets -= sum(map(len, event.lines))
                if lines < 0 or octets < 0:
                    self._lose(ProtocolError(f"the server's answer to {verb.name} has no end"))
                yield from map(read, event.lines)
            self._transport.renew()
        finally:
            self._leave(mark)


class _Dialogue:
    """A session as the mechanisms of signing in see it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def peer(self) -> Peer:
        return Peer(
            host=self._session._server.host,
            port=self._session._server.port,
            greeting=self._session.greeting,
            capabilities=self._session.capabilities,
            secured=self._session._transport.secured,
            local=self._session._transport.local,
        )

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        return self._session._ask(verb, arguments)

    def respond(self, octets: bytes) -> Reply | Challenge:
        return self._session._respond(b64encode(octets))

    def cancel(self) -> Reply | Challenge:
        return self._session._respond(b"*")
