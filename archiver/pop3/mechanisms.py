"""Every way to sign in, in one table, and those of them that need no file of their own.

To add one, write its function, give it a line in ``MECHANISMS`` and, if it may be chosen unasked, a
place in ``choice``.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from archiver.pop3.bearer import by_oauthbearer, by_xoauth2
from archiver.pop3.capabilities import time_stamp
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Dialogue, Outcome, opened, settled
from archiver.pop3.events import Challenge
from archiver.pop3.rules import Verb
from archiver.pop3.scram import by_scram_sha_1, by_scram_sha_256


class Kind(Enum):
    """What a mechanism proves itself with; where one of a kind fails, so do the others.

    ``SCRAM``, ``CRAM`` and ``APOP`` hash the password each in its own way, ``BARE`` shows it.
    """

    CERTIFICATE = auto()
    TOKEN = auto()
    SCRAM = auto()
    CRAM = auto()
    APOP = auto()
    BARE = auto()


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A way to sign in.

    Args:
        run: does it.
        kind: what it proves itself with.
        title: what people call it.
        sasl: its name in SASL; nothing where it has a command of its own.
        authzid: it can open a mailbox that is not the user's own.
    """

    run: Callable[[Dialogue, Credentials], Outcome]
    kind: Kind
    title: str
    sasl: str = ""
    authzid: bool = False

    @property
    def readable(self) -> bool:
        """Whether who reads the connection can sign in afterwards."""
        return self.kind in (Kind.BARE, Kind.TOKEN)


def by_user(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """USER and PASS (RFC 1939 section 7)."""
    assert credentials.password is not None
    reply = settled(dialogue, dialogue.ask(Verb.USER, credentials.user.encode()))
    if reply.ok:
        reply = settled(dialogue, dialogue.ask(Verb.PASS, credentials.password.encode()))
    return Outcome(reply)


def by_plain(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SASL PLAIN (RFC 4616)."""
    assert credentials.password is not None
    fields = (credentials.authzid, credentials.user, credentials.password)
    answer = opened(dialogue, "PLAIN", "\0".join(fields).encode())
    return Outcome(settled(dialogue, answer))


def by_login(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SASL LOGIN (draft-murchison-sasl-login): asked for the name, then for the password."""
    assert credentials.password is not None
    answer = dialogue.ask(Verb.AUTH, b"LOGIN")
    for field in (credentials.user, credentials.password):
        if isinstance(answer, Challenge):
            answer = dialogue.respond(field.encode())
    return Outcome(settled(dialogue, answer))


def by_cram_md5(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SASL CRAM-MD5 (RFC 2195)."""
    assert credentials.password is not None
    answer = dialogue.ask(Verb.AUTH, b"CRAM-MD5")
    if isinstance(answer, Challenge):
        keyed = hmac.new(credentials.password.encode(), answer.octets, hashlib.md5)
        answer = dialogue.respond(f"{credentials.user} {keyed.hexdigest()}".encode())
    return Outcome(settled(dialogue, answer))


def by_apop(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """APOP (RFC 1939 section 7), with the time stamp that the greeting must have."""
    assert credentials.password is not None
    proof = (time_stamp(dialogue.peer.greeting) + credentials.password).encode()
    digest = hashlib.md5(proof, usedforsecurity=False).hexdigest()
    answer = dialogue.ask(Verb.APOP, f"{credentials.user} {digest}".encode())
    return Outcome(settled(dialogue, answer))


def by_external(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SASL EXTERNAL (RFC 4422 appendix A): the certificate that TLS has shown says who we are."""
    answer = opened(dialogue, "EXTERNAL", credentials.authzid.encode())
    return Outcome(settled(dialogue, answer))


MECHANISMS: Mapping[str, Mechanism] = {
    "external": Mechanism(by_external, Kind.CERTIFICATE, "EXTERNAL", "EXTERNAL", authzid=True),
    "xoauth2": Mechanism(by_xoauth2, Kind.TOKEN, "XOAUTH2", "XOAUTH2"),
    "oauthbearer": Mechanism(
        by_oauthbearer, Kind.TOKEN, "OAUTHBEARER", "OAUTHBEARER", authzid=True
    ),
    "scram-sha-256": Mechanism(
        by_scram_sha_256, Kind.SCRAM, "SCRAM-SHA-256", "SCRAM-SHA-256", authzid=True
    ),
    "scram-sha-1": Mechanism(
        by_scram_sha_1, Kind.SCRAM, "SCRAM-SHA-1", "SCRAM-SHA-1", authzid=True
    ),
    "plain": Mechanism(by_plain, Kind.BARE, "PLAIN", "PLAIN", authzid=True),
    "user": Mechanism(by_user, Kind.BARE, "USER and PASS"),
    "login": Mechanism(by_login, Kind.BARE, "LOGIN", "LOGIN"),
    "cram-md5": Mechanism(by_cram_md5, Kind.CRAM, "CRAM-MD5", "CRAM-MD5"),
    "apop": Mechanism(by_apop, Kind.APOP, "APOP"),
}
"""Every way to sign in, by the name that settings give it."""
