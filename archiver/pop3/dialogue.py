"""What a way to sign in sees of a session: one thing said, one answer heard, and who is there.

A mechanism never sees the connection itself, so each can be tried on a written dialogue, and none
can send what belongs to another.
"""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Protocol as Interface

from archiver.errors import ProtocolError
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb

# RFC 2449 section 4: a command line has at most 255 octets, its line end among them.
_LONGEST_COMMAND = 255
# Exchange closes the connection on a response in the line of the command (RFC 1734 had none).
_TWO_STEPS = re.compile("microsoft exchange", re.IGNORECASE)
_SYNTAX = re.compile(r"syntax|\bargument|\bparameter|too long|protocol error", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server before somebody signs in.

    Args:
        host: its name or address, as settings give it.
        port: its TCP port.
        greeting: its first words.
        capabilities: what it advertised last.
        secured: TLS protects the connection.
        local: the connection does not leave this machine, as to the near end of a tunnel.
    """

    host: str = ""
    port: int = 0
    greeting: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    secured: bool = False
    local: bool = False

    @property
    def exposed(self) -> bool:
        """Whether others may read what is sent."""
        return not (self.secured or self.local)


class Dialogue(Interface):
    """What a mechanism may do with a session: say one thing and hear the answer."""

    @property
    def peer(self) -> Peer:
        """Who is there."""

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        """Sends a command."""

    def respond(self, octets: bytes) -> Reply | Challenge:
        """Answers a challenge with these octets, in base64."""

    def cancel(self) -> Reply | Challenge:
        """Ends an exchange of challenges (RFC 5034 section 4)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a mechanism ended: the server's last word, and what was learnt on the way, in words."""

    reply: Reply
    note: str = ""


def opened(dialogue: Dialogue, mechanism: str, initial: bytes) -> Reply | Challenge:
    """Begins a SASL exchange with a first response, in one line where it fits (RFC 5034 section 4).

    Args:
        dialogue: the session.
        mechanism: its name in SASL.
        initial: the first response; none of it is ``=`` on the line.
    """
    line = f"{mechanism} ".encode() + (b64encode(initial) or b"=")
    answer: Reply | Challenge | None = None
    if len(line) + len("AUTH \r\n") <= _LONGEST_COMMAND and not _TWO_STEPS.search(
        dialogue.peer.greeting
    ):
        answer = dialogue.ask(Verb.AUTH, line)
    if answer is None or (isinstance(answer, Reply) and _misread(answer)):
        answer = dialogue.ask(Verb.AUTH, mechanism.encode())
        return dialogue.respond(initial) if isinstance(answer, Challenge) else answer
    # The server passed over what stood in the line.
    if isinstance(answer, Challenge) and not answer.octets:
        return dialogue.respond(initial)
    return answer


def settled(dialogue: Dialogue, answer: Reply | Challenge) -> Reply:
    """The final answer; a challenge that nobody expected is cancelled, which ends in -ERR.

    Raises:
        ProtocolError: the server goes on asking, or lets us in all the same.
    """
    if isinstance(answer, Reply):
        return answer
    cancelled = dialogue.cancel()
    if isinstance(cancelled, Challenge) or cancelled.ok:
        raise ProtocolError("the server goes on after the exchange was cancelled")
    return cancelled


def _misread(reply: Reply) -> bool:
    """Whether the form of the command was refused, and not what it said."""
    return not reply.ok and not reply.code and _SYNTAX.search(reply.text) is not None
