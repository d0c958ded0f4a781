"""The connection: the one place that moves octets and judges how long they take.

Errors of the operating system and of TLS become ours here, with the server's name in them. Pace is
judged by time spent waiting for the server alone: whoever takes the octets may be as slow as they
like. What is one line, or short as a list of capabilities, must be there as a whole within the
time; a message or a listing must only go on. Commands of ours are small enough to be taken by the
send buffer, so only reading waits.

How a connection comes about is next door: ``dialing`` (addresses), ``proxy`` and ``tls``.
"""

import contextlib
import socket
import ssl
from time import monotonic

from archiver.errors import ServerUnavailable, SessionLost
from archiver.pop3 import tls
from archiver.pop3.dialing import Place, dial, is_local
from archiver.pop3.server import Limits, Security, Server

READ_OCTETS = 256 * 1024
"""How much is asked for at once: fewer calls, and one search for the end over all of it."""

# Linux alone has it, and takes it back after a while.
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)

_OPEN_TO_ALL = "no TLS: the password and all mail can be read on the way"


class Transport:
    """One connection; ``connect`` makes it, any error of it ends it."""

    def __init__(
        self,
        server: Server,
        limits: Limits,
        connection: socket.socket,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Takes over a new connection; ``connect`` makes one."""
        self._server = server
        self._limits = limits
        self._socket = connection
        self._context = context
        # Asked while it is known: of a connection that is lost it cannot be.
        self._local = server.proxy is None and is_local(connection)
        self._timeout = limits.connect_timeout
        self._waited = 0.0
        self._received = 0

    @classmethod
    def connect(cls, server: Server, limits: Limits) -> "Transport":
        """Connects, through the proxy if there is one, and by TLS if it is there from the start.

        Raises:
            Interrupted: the run should have ended by now.
            ServerUnavailable: no such host, no answer, refused, or TLS failed.
            UsageError: one of the files named in the settings cannot be used, or no host can be
                called so.
        """
        # Whatever is wrong with the settings shows before the server hears of us.
        context = None if server.security is Security.PLAIN else tls.context(server)
        transport = cls(server, limits, _connection(server, limits), context)
        try:
            if server.security is Security.TLS:
                transport.secure()
        except BaseException:
            transport.close()
            raise
        return transport

    @property
    def secured(self) -> bool:
        """Whether TLS protects what is said from now on."""
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def local(self) -> bool:
        """Whether the peer is this machine itself, at a loopback address and behind no proxy."""
        return self._local

    @property
    def tls(self) -> tls.TlsInfo | None:
        """What TLS was agreed on, None without TLS."""
        secured = self._socket
        return tls.describe(secured, self._server) if isinstance(secured, ssl.SSLSocket) else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of how this connection is protected."""
        secured = self._socket
        if not isinstance(secured, ssl.SSLSocket):
            return (_OPEN_TO_ALL,)
        return tuple(filter(None, (tls.warning(secured),)))

    def secure(self) -> None:
        """The TLS handshake; whom it trusts is in ``tls``.

        Raises:
            Interrupted: the run should have ended by now.
            ServerUnavailable: the handshake or the check of the certificate failed.
            UsageError: one of the files named in the settings cannot be used.
        """
        context = self._context or tls.context(self._server)
        limits = self._limits
        self._socket = tls.handshake(
            context, self._socket, self._server, limits.connect_timeout, limits.stop
        )

    def greeted(self) -> None:
        """From now on answers are judged by the read time-out."""
        self._timeout = self._limits.read_timeout
        self.renew()

    def renew(self) -> None:
        """An answer is complete: the next one is judged afresh."""
        self._waited = 0.0
        self._received = 0

    def read(self, *, bulk: bool = False) -> bytes:
        """Some octets, at least one, as soon as there are any.

        Args:
            bulk: they belong to a message or a listing, which may take long while it goes on.

        Raises:
            Interrupted: the run should have ended by now.
            SessionLost: the connection broke, ended, or brought too few octets in the time given.
            ServerUnavailable: the server does not take our certificate.
        """
        while True:
            began = monotonic()
            try:
                octets = self._receive(max(self._timeout - self._waited, 0.001))
            except TimeoutError:
                self._judge(bulk=bulk)
                continue
            except OSError as error:
                raise self._broken(error) from error
            if not octets:
                raise self._lost("the server closed the connection")
            self._waited += monotonic() - began
            self._received += len(octets)
            return octets

    def _receive(self, seconds: float) -> bytes:
        for part in self._limits.stop.slices(seconds):
            self._socket.settimeout(part)
            with contextlib.suppress(TimeoutError):
                return self._socket.recv(READ_OCTETS)
        raise TimeoutError

    def _judge(self, *, bulk: bool) -> None:
        if not bulk or self._received < self._limits.stalled_octets:
            what = "" if bulk or not self._received else ", and no whole answer"
            raise self._lost(f"{self._received} octets came in {self._timeout:g} s{what}")
        self.renew()

    def write(self, octets: bytes) -> None:
        """Sends all of these octets.

        Raises:
            SessionLost: the connection broke.
            ServerUnavailable: the server does not take our certificate.
        """
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(octets)
            if _QUICKACK is not None:
                # A server that writes an answer in pieces may wait with the second until the first
                # is acknowledged, and systems like to take 40 ms for that.
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except OSError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Ends the connection at once and says nothing; a second time does nothing."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _broken(self, error: OSError) -> ServerUnavailable:
        return tls.refusal(self._server, error) or self._lost(tls.reason(error))

    def _lost(self, reason: str) -> SessionLost:
        return SessionLost(f"lost {self._server.address}: {reason}")


def _connection(server: Server, limits: Limits) -> socket.socket:
    if server.proxy is not None:
        # Most people have none, and what speaks to one takes time to import.
        from archiver.pop3 import proxy

        return proxy.connect(server.proxy, server.host, server.port, limits)
    refused = "check the port: POP3 over TLS is usually 995, POP3 with STLS 110"
    place = Place(server.host, server.port, server.address, refused)
    return dial(place, limits.connect_timeout, limits.stop)
