"""The head of a fuzzer's input: what the client is to do, whatever the server then says.

Eight octets, each of any value, so that no input is wasted: protection, the way to sign in, the way
that worked the last time, flags, pipelining, and three with two actions each.
"""

from dataclasses import dataclass
from enum import IntFlag

from archiver.pop3 import Credentials, Limits, Pipelining, Security, Server
from archiver.pop3.mechanisms import MECHANISMS

HEAD = 8
USER = "jane.doe"
PASSWORD = "correct horse, = battery 'staple'"  # noqa: S105 - what must not be found anywhere
TOKEN = "ya29." + "".join(chr(ord("A") + place * 7 % 26) for place in range(400))
"""As long as those of real providers."""

WAYS = ("auto", *MECHANISMS)
_SECURITY = tuple(Security)
_PIPELINING = tuple(Pipelining)


class Flag(IntFlag):
    """What else may be so."""

    UTF8 = 1
    AUTHZID = 2
    CERTIFICATE = 4
    TOKEN = 8
    NO_PASSWORD = 16
    CLEARTEXT = 32
    LOCAL = 64
    NO_TLS = 128


NO_FLAGS = Flag(0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the client is to do.

    Args:
        security: how the connection is protected.
        auth: the way to sign in.
        remembered: the way that worked the last time.
        flags: what else is so: ``LOCAL`` is a server on this machine, ``NO_TLS`` one whose
            handshake fails behind STLS.
        pipelining: when more than one command is sent.
        commands: how many of them.
        actions: numbers of what is done once signed in; none for all of it in its usual order.
    """

    security: Security = Security.TLS
    auth: str = "auto"
    remembered: str = ""
    flags: Flag = NO_FLAGS
    pipelining: Pipelining = Pipelining.AUTO
    commands: int = 4
    actions: tuple[int, ...] = ()

    @classmethod
    def read(cls, head: bytes) -> "Plan":
        """The plan of these octets; missing ones are 0."""
        octets = head.ljust(HEAD, b"\0")
        remembered = WAYS[octets[2] % len(WAYS)]
        actions = [half for octet in octets[5:HEAD] for half in (octet >> 4, octet & 15) if half]
        return cls(
            security=_SECURITY[octets[0] % len(_SECURITY)],
            auth=WAYS[octets[1] % len(WAYS)],
            remembered="" if remembered == "auto" else remembered,
            flags=Flag(octets[3]),
            pipelining=_PIPELINING[octets[4] % len(_PIPELINING)],
            commands=1 + octets[4] // len(_PIPELINING),
            actions=tuple(actions),
        )

    def write(self) -> bytes:
        """The octets of this plan."""
        halves = (*self.actions, *(0,) * 6)[:6]
        return bytes(
            (
                _SECURITY.index(self.security),
                WAYS.index(self.auth),
                WAYS.index(self.remembered or "auto"),
                self.flags,
                _PIPELINING.index(self.pipelining) + (self.commands - 1) * len(_PIPELINING),
                *(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True)),
            )
        )

    @property
    def server(self) -> Server:
        """Where the session is opened, if it were real."""
        return Server("127.0.0.1", 110, self.security)

    @property
    def limits(self) -> Limits:
        """Small ones, which an input can reach."""
        return Limits(
            listing_lines=2_000,
            window_commands=self.commands,
            window_octets=4096,
            pipelining=self.pipelining,
        )

    @property
    def credentials(self) -> Credentials:
        """Who signs in."""
        return Credentials(
            USER,
            None if Flag.NO_PASSWORD in self.flags else PASSWORD,
            authzid="other.user" if Flag.AUTHZID in self.flags else "",
            token=_token if Flag.TOKEN in self.flags else None,
            certificate=Flag.CERTIFICATE in self.flags,
            cleartext=Flag.CLEARTEXT in self.flags,
        )


def _token(*, refused: bool = False) -> str:
    return TOKEN[::-1] if refused else TOKEN
