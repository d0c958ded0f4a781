"""Access tokens instead of passwords: XOAUTH2 (Google, Microsoft) and OAUTHBEARER (RFC 7628).

Always in two steps, since Exchange closes the connection on a token in the command's line. A
refusal comes as a challenge that says why, in JSON; it wants an answer before -ERR follows.
"""

import json
import re

from archiver.errors import LoginRefused, UsageError
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Dialogue, Outcome, settled
from archiver.pop3.events import Challenge
from archiver.pop3.rules import Verb

_SEPARATOR = "\1"
# RFC 6750 section 2.1; some providers put more into a token than that, but no one a space.
_TOKEN = re.compile(r"[!-~]+")
_MOST_WORDS = 100


def by_xoauth2(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """XOAUTH2, as Google and Microsoft document it; the error is answered with an empty line."""
    user = _plain(credentials.user)
    message = _joined(f"user={user}", f"auth=Bearer {_token(credentials)}", "", "")
    return _presented(dialogue, "XOAUTH2", message, b"")


def by_oauthbearer(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """OAUTHBEARER (RFC 7628 section 3.1); the error is answered with one octet (section 3.2.3)."""
    name = _plain(credentials.authzid or credentials.user)
    header = f"n,a={name.replace('=', '=3D').replace(',', '=2C')},"
    peer = dialogue.peer
    token = _token(credentials)
    message = _joined(
        header, f"host={peer.host}", f"port={peer.port}", f"auth=Bearer {token}", "", ""
    )
    return _presented(dialogue, "OAUTHBEARER", message, _SEPARATOR.encode())


def _presented(dialogue: Dialogue, mechanism: str, message: bytes, regret: bytes) -> Outcome:
    """Shows the token; ``regret`` is what answers the challenge of a refusal."""
    note = ""
    answer = dialogue.ask(Verb.AUTH, mechanism.encode())
    if isinstance(answer, Challenge):
        answer = dialogue.respond(message)
        if isinstance(answer, Challenge):
            note = _reason(answer.octets)
            answer = dialogue.respond(regret)
    return Outcome(settled(dialogue, answer), note)


def _joined(*fields: str) -> bytes:
    return _SEPARATOR.join(fields).encode()


def _plain(name: str) -> str:
    if _SEPARATOR in name:
        raise UsageError("the user name contains a control character")
    return name


def _token(credentials: Credentials) -> str:
    assert credentials.token is not None
    token = credentials.token()
    if not _TOKEN.fullmatch(token):
        raise LoginRefused(
            f"the access token of {credentials.user} contains what no token may",
            hint="forget it and sign in again: archiver login",
        )
    return token


def _reason(octets: bytes) -> str:
    """What the JSON of a refusal says (RFC 7628 section 3.2.2), in words; nothing if it is none."""
    try:
        said = json.loads(octets)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    status, scope = (_word(said.get(name)) for name in ("status", "scope"))
    words = [f"status {status}"] if status else []
    words += [f"wanted is a token for {scope}"] if scope else []
    return ", ".join(words)


def _word(value: object) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    return "".join(character for character in text if character.isprintable())[:_MOST_WORDS]
