"""A connection whose other end is a fuzzer's input; it sees what a client may never do.

It has the interface of the real ``Transport`` and ends as that does when the server hangs up. On
the way it looks at all that is sent, and at what the protocol holds and does.
"""

import re

from archiver.errors import ServerUnavailable, SessionLost
from archiver.pop3.protocol import HELD_OCTETS, STATUS_LIMIT
from archiver.pop3.tls import TlsInfo
from archiver.pop3.transport import Transport
from infra.fuzz import Finding
from infra.fuzz.counted import Counted
from infra.fuzz.pieces import Script
from infra.fuzz.plan import PASSWORD, TOKEN, Flag, Plan
from infra.traces import traces

LONGEST_WRITE = 4096
"""What any send buffer takes whole (``archiver.pop3.window``)."""

_LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)+")
_BARE = frozenset().union(*(traces(secret) for secret in (PASSWORD, TOKEN, TOKEN[::-1])))
# What may wait for more octets: at most the beginning of a message's end beyond what is emitted.
_MOST_HELD = HELD_OCTETS + len(b"\r\n.\r")
_LOOKS_AN_OCTET = 8
_LOOKS_A_READ = 2 * STATUS_LIMIT


class Wire(Transport):
    """A stand-in for a connection.

    Args:
        plan: what the client is to do.
        script: what the server says.

    ``said`` is all that the client sent; ``buffer`` is to take the place of the protocol's own.
    """

    def __init__(self, plan: Plan, script: Script) -> None:
        """The server has said nothing yet."""
        self._plan = plan
        self._script = script
        self._safe = plan.security == "tls"
        self._reads = self._heard = 0
        self.closed = False
        self.said = bytearray()
        self.buffer = Counted()

    @property
    def secured(self) -> bool:
        """Whether it says that TLS is there."""
        return self._safe

    @property
    def local(self) -> bool:
        """Whether it says that the server is on this machine."""
        return Flag.LOCAL in self._plan.flags

    @property
    def tls(self) -> TlsInfo | None:
        """None: there are no certificates here."""
        return None

    @property
    def warnings(self) -> tuple[str, ...]:
        """None."""
        return ()

    def secure(self) -> None:
        """TLS without a handshake.

        Raises:
            ServerUnavailable: where the plan has it so.
        """
        if Flag.NO_TLS in self._plan.flags:
            self.close()
            raise ServerUnavailable(f"no TLS with {self._plan.server.address}")
        self._safe = True

    def greeted(self) -> None:
        """Nothing: there is no clock here."""

    def renew(self) -> None:
        """Nothing: there is no clock here."""

    def read(self, *, bulk: bool = False) -> bytes:
        """The next piece.

        Raises:
            SessionLost: there is none, or the connection is closed.
        """
        del bulk
        self._look()
        octets = b"" if self.closed else self._script.say()
        if not octets:
            raise self._lost("the server closed the connection")
        self._reads += 1
        self._heard += len(octets)
        return octets

    def write(self, octets: bytes) -> None:
        """Takes what the client sends.

        Raises:
            SessionLost: the connection is closed.
        """
        if self.closed:
            raise self._lost("bad file descriptor")
        if not _LINES.fullmatch(octets):
            raise Finding(f"not lines: {octets!r}")
        if len(octets) > LONGEST_WRITE:
            raise Finding(f"{len(octets)} octets in one write")
        if self._exposed and any(trace in octets for trace in _BARE):
            raise Finding("a secret on a connection that others can read")
        self.said += octets
        self._script.hear(octets)

    def close(self) -> None:
        """No octet passes any more."""
        self.closed = True

    @property
    def _exposed(self) -> bool:
        return not (self._safe or self.local or Flag.CLEARTEXT in self._plan.flags)

    def _look(self) -> None:
        """At the work that the client has made of what it heard."""
        if self.buffer.held > _MOST_HELD:
            raise Finding(f"{self.buffer.held} octets were held")
        if self.buffer.looked > self._heard * _LOOKS_AN_OCTET + self._reads * _LOOKS_A_READ:
            raise Finding(f"{self.buffer.looked} octets looked at for {self._heard} heard")

    def _lost(self, reason: str) -> SessionLost:
        return SessionLost(f"lost {self._plan.server.address}: {reason}")
