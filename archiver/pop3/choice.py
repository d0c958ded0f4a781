"""Which way to sign in: what the server offers, what we hold, and who may be listening.

A bare password, or a token, goes over a connection that others can read only if a person allowed
it in words. Under TLS, what needs no special secret at the server is tried before what does, save
SCRAM, which keeps the password from the server as well; without TLS, what shows no password is.
"""

from collections.abc import Iterable

from archiver.errors import ArchiverError, LoginRefused, UsageError
from archiver.pop3.capabilities import time_stamp
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Reply
from archiver.pop3.mechanisms import MECHANISMS, Kind, Mechanism
from archiver.pop3.scram import unfit

_SECURED = (
    *("external", "xoauth2", "oauthbearer", "scram-sha-256", "scram-sha-1"),
    *("plain", "user", "login", "cram-md5", "apop"),
)
_CLEAR = (
    *("xoauth2", "oauthbearer", "scram-sha-256", "scram-sha-1", "cram-md5", "apop"),
    *("plain", "user", "login"),
)
# Servers advertise these to everybody, also to those for whom they hold no such secret.
_SPECIAL = frozenset({Kind.CERTIFICATE, Kind.SCRAM, Kind.CRAM, Kind.APOP})
_OAUTH = frozenset({"XOAUTH2", "OAUTHBEARER"})


def choices(auth: str, remembered: str, credentials: Credentials, peer: Peer) -> tuple[str, ...]:
    """The ways to sign in, the best first; at least one.

    Args:
        auth: a name of ``MECHANISMS``, which is then the only choice, or ``auto``.
        remembered: what worked the last time, which then comes first.
        credentials: what we hold.
        peer: the server.

    Raises:
        LoginRefused: none can be used with this server, or only by showing a secret to others.
        UsageError: no such way, or the settings lack what it needs.
    """
    if auth != "auto":
        return (_named(auth, credentials, peer),)
    order = _SECURED if peer.secured else _CLEAR
    offered = [
        name
        for name in order
        if _offered(name, peer) and not _unequipped(MECHANISMS[name], credentials, peer)
    ]
    hindrances = {name: _hindrance(MECHANISMS[name], credentials, peer) for name in offered}
    possible = [name for name, hindrance in hindrances.items() if hindrance is None]
    if not possible:
        raise _most_telling(hindrances.values()) or _nothing_offered(credentials, peer)
    return tuple(sorted(possible, key=lambda name: name != remembered))


def fallback(name: str, reply: Reply, names: tuple[str, ...]) -> str:
    """What to try once after this refusal; nothing where another try would not help.

    A second wrong password may lock the account, so a bare password is only shown again, to USER
    and PASS, where the server gave PLAIN or LOGIN no reason.
    """
    if reply.code not in ("", "AUTH"):
        return ""
    kind = MECHANISMS[name].kind
    if kind is Kind.BARE:
        return "user" if name != "user" and "user" in names and not reply.code else ""
    if kind not in _SPECIAL:
        return ""
    others = [other for other in names if other != name]
    bare = [other for other in others if MECHANISMS[other].kind is Kind.BARE]
    strangers = [other for other in others if MECHANISMS[other].kind is not kind]
    return next(iter(bare + strangers + others), "")


def _named(name: str, credentials: Credentials, peer: Peer) -> str:
    if name not in MECHANISMS:
        raise UsageError(
            f"no way to sign in is called {name}",
            hint="known are auto, " + ", ".join(MECHANISMS),
        )
    mechanism = MECHANISMS[name]
    # USER is older than CAPA, and servers forget to name it.
    known = name == "user" or _offered(name, peer)
    hindrance = (
        _unequipped(mechanism, credentials, peer)
        or _not_offered(mechanism, known, peer)
        or _hindrance(mechanism, credentials, peer)
    )
    if hindrance is not None:
        raise hindrance
    return name


def _offered(name: str, peer: Peer) -> bool:
    capabilities = peer.capabilities
    if name == "user":
        return capabilities.user or not capabilities.sasl
    if name == "apop":
        return bool(time_stamp(peer.greeting))
    return MECHANISMS[name].sasl in capabilities.sasl


def _unequipped(mechanism: Mechanism, credentials: Credentials, peer: Peer) -> ArchiverError | None:
    """What the settings lack."""
    held = {
        Kind.CERTIFICATE: credentials.certificate and peer.secured,
        Kind.TOKEN: credentials.token is not None,
    }
    if not held.get(mechanism.kind, credentials.password is not None):
        needs, hint = _NEEDS.get(mechanism.kind, _PASSWORD)
        return UsageError(f"{mechanism.title} needs {needs}", hint=hint)
    if credentials.authzid and not mechanism.authzid:
        able = [name for name, each in MECHANISMS.items() if each.authzid]
        return UsageError(
            f"{mechanism.title} cannot open the mailbox of {credentials.authzid}"
            f" as {credentials.user}",
            hint="take authzid out of the settings, or set auth to one of " + ", ".join(able),
        )
    return None


def _not_offered(mechanism: Mechanism, known: bool, peer: Peer) -> LoginRefused | None:
    if known or (mechanism.sasl and not peer.capabilities.advertised):
        return None
    if not mechanism.sasl:
        return LoginRefused(
            f"{peer.host} has no {mechanism.title}: its greeting holds no time stamp",
            hint=_offer(peer),
        )
    return LoginRefused(f"{peer.host} does not offer {mechanism.title}", hint=_offer(peer))


def _hindrance(mechanism: Mechanism, credentials: Credentials, peer: Peer) -> ArchiverError | None:
    """What speaks against a mechanism that server and settings have."""
    if mechanism.readable and peer.exposed and not credentials.cleartext:
        return LoginRefused(
            f"{mechanism.title} would send the secret of {credentials.user} without TLS,"
            " for others to read",
            hint="use pop3s:// or pop3://, or allow it with cleartext_password = true"
            " or --cleartext-password",
        )
    if mechanism.kind is Kind.SCRAM and (reason := unfit(credentials)):
        return UsageError(
            f"{mechanism.title} cannot carry this name or password: {reason}",
            hint='set auth = "plain", or choose another password',
        )
    return None


def _most_telling(hindrances: Iterable[ArchiverError | None]) -> ArchiverError | None:
    found = [each for each in hindrances if each is not None]
    refused = [each for each in found if isinstance(each, LoginRefused)]
    return next(iter(refused + found), None)


def _nothing_offered(credentials: Credentials, peer: Peer) -> LoginRefused:
    held = " or ".join(
        words
        for words, there in (
            ("a password", credentials.password is not None),
            ("an access token", credentials.token is not None),
            ("a certificate", credentials.certificate),
        )
        if there
    )
    whose = f" into the mailbox of {credentials.authzid}" if credentials.authzid else ""
    hint = _offer(peer)
    if credentials.token is None and peer.capabilities.sasl & _OAUTH:
        hint = "this server takes access tokens: set up OAuth, then run archiver login"
    return LoginRefused(
        f"{peer.host} offers no way to sign in{whose} with {held or 'nothing'}",
        hint=hint,
    )


def _offer(peer: Peer) -> str:
    capabilities = peer.capabilities
    words = sorted(capabilities.sasl) + (["USER and PASS"] if capabilities.user else [])
    words += ["APOP"] if time_stamp(peer.greeting) else []
    return f"it offers {', '.join(words)}" if words else "it does not say what it offers"


_PASSWORD = ("a password", "give one, or set auth to what the account has")
_NEEDS = {
    Kind.CERTIFICATE: ("a client certificate and TLS", "set client_cert, and use pop3s://"),
    Kind.TOKEN: ("OAuth", "add an oauth section to the account, then run archiver login"),
}
