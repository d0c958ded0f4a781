"""Signing in: the best way that server and settings allow, and one other after a refusal.

What a mechanism does is in ``mechanisms``, which of them comes first in ``choice``, and what a
refusal means in ``refusals``. Here they are put in order. Nothing that was sent to prove who we are
appears in a message: should the server's words repeat it, they are not shown.
"""

from dataclasses import replace
from functools import partial

from archiver.errors import LoginRefused, ProtocolError, SessionLost
from archiver.pop3.choice import choices, fallback
from archiver.pop3.confidences import Confidences
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Dialogue, Outcome, Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.mechanisms import MECHANISMS, Kind
from archiver.pop3.refusals import busy, refusal
from archiver.pop3.rules import Verb


def sign_in(
    dialogue: Dialogue,
    credentials: Credentials,
    *,
    auth: str = "auto",
    remembered: str = "",
    confidences: Confidences | None = None,
) -> str:
    """Signs in and says by which mechanism.

    Args:
        dialogue: the session.
        credentials: who, and what proves it.
        auth: a name of ``MECHANISMS``, or ``auto``: the best of them, and one other where the
            server may not hold what the first one needs.
        remembered: what worked the last time: ``auto`` begins with it while it can be used.
        confidences: takes what is said here to prove who we are.

    Raises:
        LoginRefused: the server does not let this user in, or cannot without showing a secret.
        ServerUnavailable: not now; its ``code`` is ``IN-USE``, ``LOGIN-DELAY`` or ``SYS/TEMP``.
        SessionLost: the connection broke before the server had an answer.
        UsageError: no such mechanism, or the settings lack what it needs.
    """
    names = choices(auth, remembered, credentials, dialogue.peer)
    confidences = confidences or Confidences(credentials.user, credentials.authzid)
    witness = _Witness(dialogue, credentials, confidences)
    first = names[0]
    outcome = MECHANISMS[first].run(witness, credentials)
    if outcome.reply.ok:
        return first
    refused = refusal(credentials.user, (first,), outcome, confidences)
    second = _second(first, outcome, names, witness)
    if not second:
        raise refused
    if second == first:
        assert credentials.token is not None
        credentials = replace(credentials, token=partial(credentials.token, refused=True))
    try:
        outcome = MECHANISMS[second].run(witness, credentials)
    except ProtocolError:
        raise
    except SessionLost as lost:
        raise _untried(refused, second, renewed=second == first) from lost
    if outcome.reply.ok:
        return second
    tried = (first,) if second == first else (first, second)
    raise refusal(credentials.user, tried, outcome, confidences)


def _second(first: str, outcome: Outcome, names: tuple[str, ...], witness: "_Witness") -> str:
    """What to try after this refusal, or nothing; the same again is to be with a new token."""
    if busy(outcome, first):
        return ""
    if MECHANISMS[first].kind is Kind.TOKEN:
        permanent = outcome.reply.code not in ("", "AUTH")
        return first if witness.responded and not permanent else ""
    return fallback(first, outcome.reply, names)


def _untried(refused: Exception, second: str, *, renewed: bool) -> LoginRefused:
    """A refusal after which the server hung up, before anything else could be tried."""
    assert isinstance(refused, LoginRefused)
    title = MECHANISMS[second].title
    if renewed:
        return LoginRefused(
            f"{refused.message}; the connection was lost before a renewed token could be tried",
            hint="try again with the renewed token; if it is refused too, run archiver login",
            code=refused.code,
        )
    return LoginRefused(
        f"{refused.message}; the connection was lost before {title} could be tried",
        hint=f'to try that first, set auth = "{second}"',
        code=refused.code,
    )


class _Witness:
    """A dialogue that tells ``confidences`` what is said in it.

    ``responded`` says whether a challenge was answered.
    """

    def __init__(
        self, dialogue: Dialogue, credentials: Credentials, confidences: Confidences
    ) -> None:
        self._dialogue = dialogue
        self._confidences = confidences
        self.responded = False
        if credentials.password is not None:
            confidences.keep(credentials.password.encode())

    @property
    def peer(self) -> Peer:
        return self._dialogue.peer

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        self._confidences.keep_command(verb, arguments)
        return self._dialogue.ask(verb, arguments)

    def respond(self, octets: bytes) -> Reply | Challenge:
        self.responded = True
        self._confidences.keep_response(octets)
        return self._dialogue.respond(octets)

    def cancel(self) -> Reply | Challenge:
        return self._dialogue.cancel()
