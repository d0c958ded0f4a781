"""SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677); the one door to scramp.

Both sides prove that they know the password, and neither shows it. So a server that fails to prove
it is somebody else, and is told nothing more. Scramp prepares names and passwords (SASLprep),
checks nonce and signature, and refuses more than ten million rounds of hashing: a hostile server
could keep us busy for hours.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any

from archiver.errors import LoginRefused
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Dialogue, Outcome, opened, settled
from archiver.pop3.events import Reply

_MOST_WORDS = 100


def by_scram_sha_256(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SCRAM-SHA-256 (RFC 7677)."""
    return _exchange(dialogue, credentials, "SCRAM-SHA-256")


def by_scram_sha_1(dialogue: Dialogue, credentials: Credentials) -> Outcome:
    """SCRAM-SHA-1 (RFC 5802)."""
    return _exchange(dialogue, credentials, "SCRAM-SHA-1")


def unfit(credentials: Credentials) -> str:
    """Why SCRAM cannot carry this name and password (RFC 4013); nothing where it can."""
    from scramp import ScramException

    try:
        _client(credentials, "SCRAM-SHA-256")
    except ScramException as error:
        return str(error.args[0])
    return ""


def _exchange(dialogue: Dialogue, credentials: Credentials, mechanism: str) -> Outcome:
    from scramp import ScramException

    client = _client(credentials, mechanism)
    answer = opened(dialogue, mechanism, client.get_client_first().encode())
    if isinstance(answer, Reply):
        return Outcome(_proven(answer, credentials, proof=False))
    try:
        client.set_server_first(answer.octets.decode())
        final = client.get_client_final()
    except (ScramException, UnicodeDecodeError) as error:
        note = _error(answer.octets) or f"its challenge cannot be answered: {error.args[0]}"
        return Outcome(settled(dialogue, answer), note)
    answer = dialogue.respond(final.encode())
    if isinstance(answer, Reply):
        # RFC 5034 has no data behind +OK, but some servers put their last message there.
        said = _decoded(answer.text) if answer.ok else b""
        return Outcome(_proven(answer, credentials, proof=_signed(client, said)))
    note = _error(answer.octets)
    signed = not note and _signed(client, answer.octets)
    if not note and not signed:
        raise _not_proven(credentials)
    reply = settled(dialogue, dialogue.respond(b""))
    return Outcome(_proven(reply, credentials, proof=signed), note)


def _client(credentials: Credentials, mechanism: str) -> Any:
    from scramp import ScramClient

    client = ScramClient([mechanism], credentials.user, credentials.password)
    if credentials.authzid:
        client.gs2_header = _Header(credentials.authzid)
    return client


class _Header:
    """The header that names whose mailbox to open (RFC 5802 section 7), which scramp has not."""

    def __init__(self, authzid: str) -> None:
        self._authzid = authzid.replace("=", "=3D").replace(",", "=2C")

    def __str__(self) -> str:
        return f"n,a={self._authzid},"

    def make_cbind_input(self, _: object) -> bytes:
        """What the client's last message repeats of it."""
        return str(self).encode()


def _signed(client: Any, message: bytes) -> bool:
    """Whether the server's last message has the signature that only knowledge can make."""
    from scramp import ScramException

    try:
        client.set_server_final(message.decode())
    except (ScramException, UnicodeDecodeError):
        return False
    return True


def _proven(reply: Reply, credentials: Credentials, *, proof: bool) -> Reply:
    if reply.ok and not proof:
        raise _not_proven(credentials)
    return reply


def _not_proven(credentials: Credentials) -> LoginRefused:
    return LoginRefused(
        f"the server did not prove that it knows the password of {credentials.user}",
        hint="it may not be the server that it seems to be; nothing more was sent to it",
    )


def _error(message: bytes) -> str:
    """What a message of the server's says went wrong (RFC 5802 section 7, ``e=``), or nothing."""
    text = message.decode("utf-8", "replace")
    words = text[2 : 2 + _MOST_WORDS].partition(",")[0] if text.startswith("e=") else ""
    return "".join(character for character in words if character.isprintable())


def _decoded(text: str) -> bytes:
    try:
        return a2b_base64(text.partition(" ")[0].encode("ascii", "replace"))
    except Base64Error:
        return b""
