"""The socket: the one place that knows of connections, TLS and time.

Errors of the operating system and of TLS become ours here, with the server's name in them. Pace is
judged by time spent waiting for the server alone: whoever takes the octets may be as slow as they
like. Commands of ours are small enough to be taken by the send buffer, so only reading waits.
"""

import contextlib
import socket
import ssl
from time import monotonic

from archiver.errors import ServerUnavailable, SessionLost, UsageError
from archiver.pop3.server import Limits, Security, Server

READ_OCTETS = 256 * 1024
"""How much is asked for at once: fewer calls, and one search for the end over all of it."""

# What Python 3.11.2 calls the error that later ones call SSLEOFError.
_UNEXPECTED_EOF = "UNEXPECTED_EOF_WHILE_READING"


class Transport:
    """One connection; ``connect`` makes it, any error of it ends it."""

    def __init__(self, server: Server, limits: Limits, connection: socket.socket) -> None:
        """Takes over a new connection; ``connect`` makes one."""
        self._server = server
        self._limits = limits
        self._socket = connection
        self._timeout = limits.connect_timeout
        self._waited = 0.0
        self._received = 0
        self.secured = False

    @classmethod
    def connect(cls, server: Server, limits: Limits) -> "Transport":
        """Connects by IPv6 or IPv4, and by TLS if the server wants it from the start.

        Raises:
            ServerUnavailable: no such host, no answer, refused, or TLS failed.
            UsageError: the CA file cannot be read.
        """
        place = (server.host, server.port)
        try:
            connection = socket.create_connection(place, timeout=limits.connect_timeout)
        except (OSError, ValueError) as error:
            raise _unreachable(server, limits, error) from error
        transport = cls(server, limits, connection)
        try:
            # One small command at a time must not wait for the answer to the one before.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.security is Security.TLS:
                transport.secure()
        except BaseException:
            transport.close()
            raise
        return transport

    def secure(self) -> None:
        """The TLS handshake: system trust or the server's CA file, its name checked, 1.2 or newer.

        Raises:
            ServerUnavailable: the handshake or the check of the certificate failed.
            UsageError: the CA file cannot be read.
        """
        context = _context(self._server)
        self._socket.settimeout(self._limits.connect_timeout)
        try:
            # An end of the stream without close_notify is an error, not an end (RFC 8446 6.1).
            self._socket = context.wrap_socket(
                self._socket, server_hostname=self._server.host, suppress_ragged_eofs=False
            )
        except (OSError, ValueError) as error:
            raise _insecure(self._server, error) from error
        self.secured = True

    def greeted(self) -> None:
        """From now on answers are judged by the read time-out."""
        self._timeout = self._limits.read_timeout
        self.renew()

    def renew(self) -> None:
        """An answer is complete: the next one is judged afresh."""
        self._waited = 0.0
        self._received = 0

    def read(self) -> bytes:
        """Some octets, at least one, as soon as there are any.

        Raises:
            SessionLost: the connection broke, ended, or brought too few octets in the time given.
        """
        while True:
            began = monotonic()
            try:
                self._socket.settimeout(max(self._timeout - self._waited, 0.001))
                octets = self._socket.recv(READ_OCTETS)
            except TimeoutError:
                self._judge()
                continue
            except OSError as error:
                raise self._lost(_reason(error)) from error
            if not octets:
                raise self._lost("the server closed the connection")
            self._waited += monotonic() - began
            self._received += len(octets)
            return octets

    def _judge(self) -> None:
        if self._received < self._limits.stalled_octets:
            raise self._lost(f"{self._received} octets came in {self._timeout:g} s")
        self.renew()

    def write(self, octets: bytes) -> None:
        """Sends all of these octets.

        Raises:
            SessionLost: the connection broke.
        """
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(octets)
        except OSError as error:
            raise self._lost(_reason(error)) from error

    def close(self) -> None:
        """Ends the connection at once and says nothing; a second time does nothing."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _lost(self, reason: str) -> SessionLost:
        return SessionLost(f"lost {self._server.address}: {reason}")


def _context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise UsageError(
            f"ca_file {server.ca_file} cannot be used: {_reason(error)}",
            hint="ca_file must name a readable file of certificates in PEM",
        ) from error
    # Python 3.11.2 lets an end without close_notify pass for an end unless it is told not to.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unreachable(server: Server, limits: Limits, error: Exception) -> ServerUnavailable:
    if isinstance(error, socket.gaierror | ValueError):
        return ServerUnavailable(
            f"no address found for {server.host}",
            hint="check the spelling of the host, and the name service of this machine",
        )
    if isinstance(error, TimeoutError):
        return ServerUnavailable(
            f"{server.address} did not answer in {limits.connect_timeout:g} s",
            hint="check host and port, and whether a firewall stands between",
        )
    if isinstance(error, ConnectionRefusedError):
        return ServerUnavailable(
            f"{server.address} refuses connections",
            hint="check the port: POP3 over TLS is usually 995, POP3 with STLS 110",
        )
    if isinstance(error, ConnectionResetError):
        # It was there and hung up at once, as a busy server does: worth another try.
        return SessionLost(f"lost {server.address}: {_reason(error)}")
    return ServerUnavailable(f"cannot connect to {server.address}: {_reason(error)}")


def _insecure(server: Server, error: Exception) -> ServerUnavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerUnavailable(
            f"the certificate of {server.address} is not trusted: {error.verify_message}",
            hint=_certificate_hint(server, error),
        )
    if isinstance(error, TimeoutError):
        return ServerUnavailable(f"{server.address} did not finish the TLS handshake in time")
    hint = "perhaps this port speaks POP3 with STLS (pop3://, usually 110)"
    if server.security is not Security.TLS:
        hint = "something between here and the server may be interfering"
    return ServerUnavailable(f"no TLS with {server.address}: {_reason(error)}", hint=hint)


def _certificate_hint(server: Server, error: ssl.SSLCertVerificationError) -> str:
    if "mismatch" in error.verify_message:
        return f"use the host name that the certificate was made out to instead of {server.host}"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return "the server needs a new certificate, or the clock of this machine is wrong"
    return "if you trust its issuer, name the issuer's certificate in the option ca_file"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", "") == _UNEXPECTED_EOF:
        return "the server ended TLS without saying so"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
