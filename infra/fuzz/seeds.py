"""Dialogues as servers have them, from which a fuzzer begins, and the words they are made of."""

from collections.abc import Iterator
from dataclasses import replace

from archiver.pop3 import Pipelining, Security
from infra.fuzz.pieces import CUT, ECHO, HONEST, MANY, WORD
from infra.fuzz.plan import NO_FLAGS, Flag, Plan

_GREETING = b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"
_NAMES = b"SCRAM-SHA-256 SCRAM-SHA-1 XOAUTH2 OAUTHBEARER PLAIN LOGIN CRAM-MD5 EXTERNAL"
_CAPA = (
    b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\nRESP-CODES\r\nPIPELINING\r\nUTF8\r\nSTLS\r\nEXPIRE NEVER\r\n"
    b"LOGIN-DELAY 0\r\nSASL " + _NAMES + b"\r\n.\r\n"
)
_OK, _MORE = b"+OK\r\n", b"+ \r\n"
_REFUSED = b"+ eyJzdGF0dXMiOiI0MDEiLCJzY29wZSI6Imh0dHBzOi8vbWFpbC5nb29nbGUuY29tLyJ9\r\n"
_MAIL = b"+OK 24 octets\r\nSubject: a\r\n\r\n..hello\r\n.\r\n"
_TOP = b"+OK\r\nSubject: a\r\n\r\n.\r\n"
_LISTED = (b"+OK 2 48\r\n", b"+OK\r\n1 a\r\n2 b c\r\n.\r\n", b"+OK\r\n1 24\r\n2 24\r\n.\r\n")
_SAID = (
    *(_TOP, _TOP, _MAIL, b"-ERR [SYS/TEMP] later\r\n", _MAIL, _MAIL, _OK, _OK, b"-ERR gone\r\n"),
    *(_OK, _CAPA, b"+OK 1 24\r\n", b"+OK 1 a\r\n", _TOP, _MAIL, _OK, _OK),
    *(*_LISTED, b"+OK bye\r\n"),
)
_WORDS = (
    *(b"+OK ", b"-ERR ", b"+ERR ", b"+ ", b"\r\n", b".\r\n", b"\r\n.\r\n", b"\r\n..", b"<1@a>"),
    *(b"[AUTH] ", b"[IN-USE] ", b"[LOGIN-DELAY] ", b"[SYS/TEMP] ", b"[SYS/PERM] ", b"[x] "),
    *(b"TOP\r\n", b"UIDL\r\n", b"PIPELINING\r\n", b"UTF8\r\n", b"EXPIRE 0\r\n", b"STLS\r\n"),
    *(b"LOGIN-DELAY 300\r\n", b"SASL PLAIN\r\n", b"SASL ", *_NAMES.split()),
    *(b"1 24\r\n", b"2 x\r\n", b"18446744073709551616", b"-1", b"syntax", b"Microsoft Exchange"),
    *(b"web login", b"basic auth", b"locked", b"temporary", b'{"status":"', b'"scope":"'),
    *(CUT, MANY, ECHO, WORD, HONEST, MANY + b"\1x", CUT + MANY + b"\xffx\r\n"),
)
DICTIONARY = tuple(dict.fromkeys(_WORDS))
"""Words of which POP3 is made, and the marks of ``pieces``."""

# What a server says to each way to sign in.
_SIGN_IN = {
    "external": (_OK,),
    "xoauth2": (_MORE, _OK),
    "oauthbearer": (_MORE, _OK),
    "scram-sha-256": (b"+ " + HONEST + b"\r\n", b"+ " + HONEST + b"\r\n", _OK),
    "scram-sha-1": (b"+ " + HONEST + b"\r\n", b"+OK " + HONEST + b"\r\n"),
    "plain": (_OK,),
    "user": (_OK, _OK),
    "login": (b"+ VXNlcm5hbWU6\r\n", b"+ UGFzc3dvcmQ6\r\n", _OK),
    "cram-md5": (b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+\r\n", _OK),
    "apop": (_OK,),
}
_ALL = Flag.CERTIFICATE | Flag.TOKEN
_MANY_LINES = b"+OK\r\n" + CUT + MANY + b"\x20" + b"1 a\r\n" + CUT + b".\r\n"
_MANY_OCTETS = b"+OK\r\n" + CUT + MANY + b"\xff" + b"\r\n..xy" + CUT + b"\r\n.\r\n"


def seeds() -> Iterator[bytes]:
    """Inputs that a fuzzer can start from, each of which gets far."""
    for auth, answers in _SIGN_IN.items():
        for security in Security:
            opening = (*_opening(security), *answers, _CAPA)
            plan = Plan(security, auth, flags=_ALL | Flag.CLEARTEXT)
            yield _joined(plan, *opening, *_LISTED, *_SAID)
            yield _joined(plan, *_opening(security), *answers[:-1], b"-ERR [AUTH] no\r\n")
            yield _joined(plan, *_opening(security), *answers[:-1], b"-ERR what? " + ECHO + b"\r\n")
            yield _joined(plan, *_opening(security), b"-ERR syntax: " + WORD + b"\r\n", *answers)
        signed_in = (*_opening(Security.TLS), *answers, _CAPA)
        yield _joined(
            replace(plan, security=Security.TLS, commands=1), *signed_in, *_LISTED, *_SAID
        )
    scram = Plan(auth="scram-sha-256")
    for said in (b"+ ZT1vdGhlci1lcnJvcg==\r\n", b"+ " + HONEST + b"\r\n" + CUT + b"+ djE=\r\n"):
        yield _joined(scram, _GREETING, _CAPA, said, b"-ERR\r\n")
    plan = Plan(flags=_ALL, pipelining=Pipelining.ALWAYS)
    for auth in ("xoauth2", "oauthbearer"):
        yield _joined(replace(plan, auth=auth), _GREETING, _CAPA, _MORE, _REFUSED, b"-ERR\r\n")
    yield _joined(replace(plan, flags=Flag.UTF8 | Flag.AUTHZID), _GREETING, _CAPA, _OK, _OK)
    yield _joined(plan, b"-ERR [SYS/TEMP] busy\r\n")
    yield _joined(replace(plan, flags=_ALL | Flag.NO_TLS, security=Security.STLS), _GREETING, _OK)
    simple = replace(plan, auth="user", flags=NO_FLAGS)
    opening = (_GREETING, b"-ERR\r\n", _OK, _OK)
    for listing in (
        _MANY_LINES,
        b"+OK\r\n" + CUT + MANY + b"\xff1 abc",
        b"+OK\r\na b\r\n\r\n.\r\n",
        b"-ERR no\r\n",
    ):
        yield _joined(simple, *opening, _LISTED[0], listing, listing, *_SAID)
    for mail in (
        *(_MANY_OCTETS, b"+OK\r\n.\r\n", b"+OK\r\n.x\r\n.\r\n", MANY + b"\xff+OK x", b"+OK\n"),
        b"+OK\r\nx\r\n." + CUT + b"\r\n",
    ):
        yield _joined(replace(simple, actions=(1, 3)), *opening, *_LISTED, mail, mail, b"+OK\r\n")


def _opening(security: Security) -> tuple[bytes, ...]:
    return (_GREETING, _OK, _CAPA) if security is Security.STLS else (_GREETING, _CAPA)


def _joined(plan: Plan, *answers: bytes) -> bytes:
    return plan.write() + CUT.join(answers)
