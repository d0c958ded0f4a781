"""What a session says and hears, line by line, with every secret hidden.

Hiding happens here, by verb, where a command is made, and never by searching a text for a secret
afterwards: a secret in base64, or hashed with a challenge, would not be found. What a verb's
arguments may show is named in ``_SHOWN``; of a verb that is not in it nothing is shown, so that a
new way to sign in is silent until somebody decides otherwise.

SASL challenges are hidden with the responses: both together let passwords be guessed off line
(RFC 2195 section 5, RFC 5802 section 9). Only what ends an exchange is shown, ``*``.
"""

import re
from typing import Protocol

from archiver.pop3.rules import Verb

HIDDEN = "****"
_ALL = 1_000
_PROOF = re.compile(rb"[A-Za-z0-9+/]{20,}={0,2}")
# How many words of a verb's arguments may be shown, from the left; what follows is hidden.
_SHOWN = {
    "USER": _ALL,
    "APOP": 1,
    "AUTH": 1,
    "UIDL": _ALL,
    "LIST": _ALL,
    "TOP": _ALL,
    "RETR": _ALL,
    "DELE": _ALL,
}


class Transcript(Protocol):
    """Takes the lines of a session as they pass, without line ends and without secrets."""

    def sent(self, line: str) -> None:
        """A command of ours, or a response to a challenge."""

    def received(self, line: str) -> None:
        """A line of the server's; of a message only how many octets it had."""


def command_line(verb: Verb, arguments: bytes) -> str:
    """A command as a transcript shows it."""
    words = arguments.split(b" ")
    shown = words[: _SHOWN.get(verb.name, 0)] if arguments else []
    hidden = [HIDDEN] if arguments and len(shown) < len(words) else []
    return " ".join([verb.name, *(readable(word) for word in shown), *hidden])


def response_line(octets: bytes) -> str:
    """A SASL response as a transcript shows it; ``*`` ends an exchange and is no response."""
    return "*" if octets == b"*" else HIDDEN


def challenge_line(words: bytes) -> str:
    """A SASL challenge as a transcript shows it."""
    return f"+ {HIDDEN}" if words else "+"


def proof_line(words: bytes) -> str:
    """+OK to a SASL exchange: some servers put SCRAM's last message behind it."""
    return f"+OK {HIDDEN}" if _PROOF.fullmatch(words) else f"+OK {readable(words)}".rstrip()


def readable(words: bytes) -> str:
    """Octets for people: UTF-8 where they are (RFC 6856), nothing that moves a cursor."""
    text = words.decode("utf-8", "replace")
    if text.isprintable():
        return text.strip()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).strip()
