"""Where a mailbox is served, and how far its server is trusted to keep us waiting.

Values only: nothing here connects to anything.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from archiver.stopping import Stop


class Security(StrEnum):
    """How the connection is protected; ``PLAIN`` only where a person chose it in words."""

    TLS = "tls"
    STLS = "stls"
    PLAIN = "plain"


class Pipelining(StrEnum):
    """When commands are sent ahead of answers: if advertised after login, always, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Proxy:
    """What connects for us: SOCKS5 (RFC 1928) or HTTP CONNECT (RFC 9110 section 9.3.6).

    ``kind`` is ``socks5`` or ``http``. The proxy resolves the server's name.
    """

    kind: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """One POP3 server, and how it is reached and recognised.

    Args:
        host: a name, in letters of any script (IDNA 2008), or an address.
        port: its TCP port.
        security: how the connection is protected.
        ca_file: PEM file that replaces the system's authorities.
        tls_min: the oldest version of TLS to accept: ``1.0``, ``1.1``, ``1.2`` or ``1.3``.
        fingerprint: SHA-256 of the certificate in DER, lower-case hex; it then is trusted for that
            alone, and no other is.
        client_cert: PEM file with our own certificate, for SASL EXTERNAL (RFC 4422 appendix A).
        client_key: PEM file with its key, where that is not in ``client_cert``.
        proxy: what connects for us, None for nobody.
    """

    host: str
    port: int
    security: Security = Security.TLS
    ca_file: str | None = None
    tls_min: str = "1.2"
    fingerprint: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: Proxy | None = None

    @property
    def address(self) -> str:
        """``host:port`` as messages for people name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one session.

    Args:
        connect_timeout: seconds for connecting, for the TLS handshake and for the greeting, each.
        read_timeout: seconds of waiting after which the pace of an answer is judged.
        stalled_octets: an answer that brought fewer octets than this in ``read_timeout`` seconds
            of waiting has stalled.
        listing_lines: how many lines a listing may have, whatever the server says that it counts.
        window_commands: how many commands may await their answers.
        window_octets: how many octets, by LIST, may be awaited; a larger message goes alone.
        pipelining: when more than one command may be outstanding.
        stop: what ends the session where it stands.
    """

    connect_timeout: float = 60.0
    read_timeout: float = 60.0
    stalled_octets: int = 1024
    listing_lines: int = 10_000_000
    window_commands: int = 256
    window_octets: int = 16 * 2**20
    pipelining: Pipelining = Pipelining.AUTO
    stop: Stop = field(default_factory=Stop, compare=False)
