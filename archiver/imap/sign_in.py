"""Signing in to an IMAP server by the very mechanisms that POP3 has, in IMAP's words.

What a mechanism says does not depend on the protocol (RFC 4422): AUTHENTICATE takes the place of
AUTH, and LOGIN that of USER and PASS, where the server offers nothing else.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from archiver.errors import ProtocolError
from archiver.imap.wire import Answer, Wire
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb

_END = b"\r\n"
# The codes of RFC 5530 by the names that POP3 has for them (RFC 2449, RFC 3206).
_CODES = {
    "AUTHENTICATIONFAILED": "AUTH",
    "AUTHORIZATIONFAILED": "AUTH",
    "EXPIRED": "AUTH",
    "INUSE": "IN-USE",
    "LIMIT": "SYS/TEMP",
    "UNAVAILABLE": "SYS/TEMP",
}


def sasl_of(capabilities: frozenset[str]) -> Capabilities:
    """The ways to sign in that a server offers, as the table of mechanisms wants them."""
    names = frozenset(
        word.removeprefix("AUTH=") for word in capabilities if word.startswith("AUTH=")
    )
    return Capabilities(
        user=not names and "LOGINDISABLED" not in capabilities, sasl=names, advertised=True
    )


class ImapDialogue:
    """What a mechanism sees of an IMAP session.

    Args:
        wire: the connection.
        peer: who is there.
        initial: the server takes a first response in the command's line (SASL-IR, RFC 4959).
    """

    def __init__(self, wire: Wire, peer: Peer, *, initial: bool) -> None:
        self._wire = wire
        self._initial = initial
        self._user = b""
        self._tag = b""
        self.peer = peer

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        """Sends a command; a user's name waits for the password."""
        if verb is Verb.USER:
            self._user = arguments
            return Reply(True, "", "")
        if verb is Verb.PASS:
            return self._login(arguments)
        mechanism, _, initial = arguments.partition(b" ")
        line = arguments if initial and self._initial else mechanism
        self._tag = self._wire.ask(b"AUTHENTICATE " + line + _END)
        return self._heard()

    def respond(self, octets: bytes) -> Reply | Challenge:
        """Answers a challenge."""
        self._wire.send(b64encode(octets) + _END)
        return self._heard()

    def cancel(self) -> Reply | Challenge:
        """Ends an exchange (RFC 3501 section 6.2.2)."""
        self._wire.send(b"*" + _END)
        return self._heard()

    def _login(self, password: bytes) -> Reply | Challenge:
        """LOGIN with both as literals, since a literal holds anything."""
        self._tag = self._wire.ask(b"LOGIN " + _announced(self._user))
        for said, then in (
            (self._user, b" " + _announced(password)),
            (password, _END),
        ):
            answer = self._wire.answer(self._tag)
            if answer.kind != "+":
                return _reply(answer)
            self._wire.send(said + then)
        return self._heard()

    def _heard(self) -> Reply | Challenge:
        answer = self._wire.answer(self._tag)
        if answer.kind != "+":
            return _reply(answer)
        try:
            return Challenge(b64decode(answer.text.strip()))
        except (NotBase64, ValueError) as error:
            raise ProtocolError("the server's challenge is not base64") from error


def _announced(literal: bytes) -> bytes:
    return b"{%d}" % len(literal) + _END


def _reply(answer: Answer) -> Reply:
    return Reply(answer.ok, _CODES.get(answer.code, ""), answer.words)
