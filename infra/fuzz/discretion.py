"""What a client said in confidence, and whether anything that people see repeats it."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator

from archiver.pop3.rules import Verb
from infra.fuzz import Finding
from infra.fuzz.plan import PASSWORD, TOKEN, USER
from infra.traces import traces

_ALWAYS = frozenset().union(*(traces(secret) for secret in (PASSWORD, TOKEN, TOKEN[::-1])))
_VERBS = frozenset(verb.name.encode() for verb in Verb)
_SHORTEST = 16
"""So many octets of a secret in a row are no accident."""


def require_discretion(said: bytes, whole: Iterable[str], cut: Iterable[str]) -> None:
    """Looks for what was said in confidence, and in what may be cut off for a part of it.

    Args:
        said: all that the client sent.
        whole: lines that show all that the server said or nothing.
        cut: lines of which the end may be missing.

    Raises:
        Finding: it is there.
    """
    secrets = _ALWAYS.union(confided(said))
    ends = "\n".join(cut).encode("utf-8", "replace")
    shown = "\n".join(whole).encode("utf-8", "replace") + b"\n" + ends
    if found := next((secret for secret in secrets if secret in shown), None):
        raise Finding(f"{found!r} is shown: {shown!r}")
    all_of_them = b"\n\n".join(secrets)
    for at in range(len(ends) - _SHORTEST + 1):
        if ends[at : at + _SHORTEST] in all_of_them:
            raise Finding(f"a part of a secret is shown: {ends!r}")


def confided(said: bytes) -> Iterator[bytes]:
    """Responses, passwords and digests, as they were sent and out of their base64."""
    for line in said.split(b"\r\n"):
        words = line.split(b" ")
        if words[0] not in _VERBS:
            words = [b"", *words]
        elif words[0] == b"PASS":
            words = [b"", b" ".join(words[1:])]
        elif words[0] in (b"AUTH", b"APOP"):
            words = words[1:]
        else:
            continue
        for word in words[1:]:
            yield from _forms(word)


def _forms(word: bytes) -> Iterator[bytes]:
    try:
        decoded = b64decode(word, validate=True)
    except Base64Error:
        decoded = b""
    # A name is no secret, nor is what begins SCRAM.
    if decoded == USER.encode() or (decoded.startswith((b"n,", b"y,")) and b"\1" not in decoded):
        return
    if len(word) >= _SHORTEST:
        yield word
    yield from (field for field in re.split(rb"[\0\1 ]", decoded) if len(field) >= 2 * _SHORTEST)
