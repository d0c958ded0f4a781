"""Signing in: one function per mechanism, gathered in ``MECHANISMS``.

A mechanism says what to send; it never sees the connection itself. To add one, write its function
and give it a line in the table and, if it may be chosen unasked, in ``_choices``.

Passwords appear in no message: what a refusal quotes are the server's words alone.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Protocol as Interface

from archiver.errors import LoginRefused, ProtocolError, ServerUnavailable, UsageError
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.credentials import Credentials
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb

# RFC 5034 section 4: the command line that opens an exchange has at most 255 octets.
_LONGEST_INITIAL = 255 - len("AUTH PLAIN \r\n")
_BUSY_CODES = frozenset({"IN-USE", "LOGIN-DELAY", "SYS/TEMP"})
_BUSY_WORDS = re.compile(
    r"\b(mail ?drop|mail ?box|folder)\b.*\b(lock|locked|busy|in use)\b|unable to lock|\bwait\b",
    re.IGNORECASE,
)


class Dialogue(Interface):
    """What a mechanism may do with a session: say one thing and hear the answer."""

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        """Sends a command."""

    def respond(self, octets: bytes) -> Reply | Challenge:
        """Answers a challenge with these octets, in base64."""

    def cancel(self) -> Reply | Challenge:
        """Ends an exchange of challenges (RFC 5034 section 4)."""


def by_user(dialogue: Dialogue, credentials: Credentials) -> Reply:
    """USER and PASS (RFC 1939 section 7)."""
    assert credentials.password is not None
    reply = _settled(dialogue, dialogue.ask(Verb.USER, credentials.user.encode()))
    if not reply.ok:
        return reply
    return _settled(dialogue, dialogue.ask(Verb.PASS, credentials.password.encode()))


def by_plain(dialogue: Dialogue, credentials: Credentials) -> Reply:
    """SASL PLAIN (RFC 4616), in one line where it fits (RFC 5034 section 4)."""
    assert credentials.password is not None
    message = b"\0%b\0%b" % (credentials.user.encode(), credentials.password.encode())
    encoded = b64encode(message)
    if len(encoded) <= _LONGEST_INITIAL:
        answer = dialogue.ask(Verb.AUTH, b"PLAIN " + encoded)
    else:
        answer = dialogue.ask(Verb.AUTH, b"PLAIN")
    if isinstance(answer, Challenge):
        answer = dialogue.respond(message)
    return _settled(dialogue, answer)


MECHANISMS: Mapping[str, Callable[[Dialogue, Credentials], Reply]] = {
    "plain": by_plain,
    "user": by_user,
}
"""Every way to sign in, by the name that settings give it."""


def sign_in(
    dialogue: Dialogue, credentials: Credentials, capabilities: Capabilities, mechanism: str
) -> str:
    """Signs in and says by which mechanism.

    Args:
        dialogue: the session.
        credentials: who, and the secret.
        capabilities: what the server advertised before login.
        mechanism: a name of ``MECHANISMS``, or ``auto``: PLAIN where advertised, else USER and
            PASS, which are also tried once where the server refuses PLAIN without saying why.

    Raises:
        LoginRefused: the server does not let this user in.
        ServerUnavailable: not now: the mailbox is busy, or this login came too soon.
        UsageError: no such mechanism.
    """
    choices = _choices(capabilities) if mechanism == "auto" else (mechanism,)
    if choices[0] not in MECHANISMS:
        raise UsageError(
            f"no way to sign in is called {mechanism}",
            hint="known are auto, " + ", ".join(MECHANISMS),
        )
    for choice in choices:
        reply = MECHANISMS[choice](dialogue, credentials)
        if reply.ok:
            return choice
        # A code, or a busy mailbox, is no opinion about the mechanism: asking twice would not help,
        # and a second wrong password may lock the account.
        if reply.code or _busy(reply):
            break
    raise _refusal(credentials.user, reply)


def _choices(capabilities: Capabilities) -> tuple[str, ...]:
    if "PLAIN" not in capabilities.sasl:
        return ("user",)
    return ("plain", "user") if capabilities.user else ("plain",)


def _settled(dialogue: Dialogue, answer: Reply | Challenge) -> Reply:
    """The final answer; a challenge that nobody expected is cancelled, which ends in -ERR."""
    if isinstance(answer, Challenge):
        answer = dialogue.cancel()
    if isinstance(answer, Challenge):
        raise ProtocolError("the server goes on asking after the exchange was cancelled")
    return answer


def _busy(reply: Reply) -> bool:
    return reply.code in _BUSY_CODES or bool(not reply.code and _BUSY_WORDS.search(reply.text))


def _refusal(user: str, reply: Reply) -> LoginRefused | ServerUnavailable:
    said = f"the server said: {reply.text[:200]}" if reply.text else "the server gave no reason"
    if _busy(reply):
        return ServerUnavailable(f"{user} cannot sign in now; {said}", hint=_BUSY_HINTS[reply.code])
    return LoginRefused(f"{user} cannot sign in; {said}", hint=_REFUSED_HINTS.get(reply.code, _ASK))


_BUSY_HINTS: Mapping[str, str] = {
    "": "another program has the mailbox open: close it or try later",
    "IN-USE": "another program has the mailbox open: close it or try later",
    "LOGIN-DELAY": "the server wants more time between logins: try later",
    "SYS/TEMP": "the server has trouble of its own: try later",
}
_REFUSED_HINTS: Mapping[str, str] = {
    "AUTH": "check user name and password; many providers want an app password for POP3",
    "SYS/PERM": "only the provider can put this right",
}
_ASK = "check user name and password, and that POP3 is switched on for this mailbox"
