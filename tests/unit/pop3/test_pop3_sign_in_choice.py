"""Which way to sign in is tried first, and which one after a refusal."""

import pytest
from dialogues import (
    MORE,
    NO,
    OK,
    STAMP,
    WRONG,
    Script,
    Tokens,
    attempt,
    capable,
    clear,
    safe,
    words,
)

from archiver.errors import LoginRefused, ProtocolError, SessionLost, UsageError
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.choice import choices, fallback
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.mechanisms import MECHANISMS

EVERY = [mechanism.sasl for mechanism in MECHANISMS.values() if mechanism.sasl]
PLAIN = "AUTH PLAIN AHVzZXIAc2VjcmV0"
BOTH = safe("PLAIN", user=True)
CHALLENGE = Challenge(b"<1@host>")
PASSWORD = ["scram-sha-256", "scram-sha-1", "plain", "user", "login", "cram-md5", "apop"]
HASHES = ["scram-sha-256", "scram-sha-1", "cram-md5", "apop"]
BARE = ["plain", "user", "login"]


def _order(peer: Peer, credentials: Credentials | None = None, remembered: str = "") -> list[str]:
    return list(choices("auto", remembered, credentials or Credentials("user", "secret"), peer))


def test_order_with_tls() -> None:
    """Where nobody listens, SCRAM is followed by the password itself, hashes come last."""
    peer = safe(*EVERY, greeting=STAMP)
    assert _order(peer) == PASSWORD
    whole = Credentials("user", "secret", token=Tokens(), certificate=True)
    assert _order(peer, whole) == ["external", "xoauth2", "oauthbearer", *PASSWORD]
    assert _order(peer, Credentials("user", None, certificate=True)) == ["external"]
    assert _order(peer, Credentials("user", None, token=Tokens())) == ["xoauth2", "oauthbearer"]


def test_order_without_tls() -> None:
    """Where others may listen, only hashes go, unless the password itself was allowed."""
    peer = clear(*EVERY, greeting=STAMP)
    whole = Credentials("user", "secret", token=Tokens(), certificate=True)
    assert _order(peer, whole) == HASHES
    allowed = Credentials("user", "secret", token=Tokens(), certificate=True, cleartext=True)
    assert _order(peer, allowed) == ["xoauth2", "oauthbearer", *HASHES, *BARE]


def test_order_on_this_machine() -> None:
    """On a connection within this machine the password may go, where nothing else does it."""
    peer = clear(*EVERY, greeting=STAMP, local=True)
    assert _order(peer, Credentials("user", "secret", certificate=True)) == [*HASHES, *BARE]


@pytest.mark.parametrize(
    "capabilities", [Capabilities(), capable(user=True), capable(user=False), capable("PLAIN")]
)
def test_only_what_is_offered(capabilities: Capabilities) -> None:
    """Without SASL it is USER and PASS, also where CAPA keeps silent of them; else what is said."""
    wanted = ["plain", "user"] if capabilities.sasl else ["user"]
    assert _order(Peer(capabilities=capabilities, secured=True)) == wanted


def test_user_is_not_offered() -> None:
    """USER is not tried on a server that says what it has, and has it not."""
    assert _order(safe("PLAIN", user=False)) == ["plain"]


def test_remembered() -> None:
    """What worked the last time comes first, while it is among the choices."""
    assert _order(safe("PLAIN", "SCRAM-SHA-1"), remembered="user") == [
        *("user", "scram-sha-1", "plain")
    ]
    assert _order(safe("PLAIN"), remembered="cram-md5") == ["plain", "user"]
    assert _order(clear("CRAM-MD5"), remembered="plain") == ["cram-md5"]
    assert _order(safe("PLAIN"), remembered="rot13") == ["plain", "user"]


def test_whose_mailbox() -> None:
    """To open another's mailbox, only what can name it is used."""
    credentials = Credentials("admin", "secret", authzid="boss")
    assert _order(safe(*EVERY), credentials) == ["scram-sha-256", "scram-sha-1", "plain"]
    with pytest.raises(LoginRefused, match=r"mailbox of boss with a password"):
        _order(safe("LOGIN"), credentials)


@pytest.mark.parametrize("auth", ["auto", *BARE, "xoauth2", "oauthbearer"])
def test_no_secret_for_others_to_read(auth: str) -> None:
    """Without TLS a password or token is refused before anything is sent, named or not."""
    peer = clear("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
    script, tokens = Script(peer=peer), Tokens("one")
    with pytest.raises(LoginRefused, match="without TLS") as caught:
        attempt(script, auth, token=tokens)
    assert script.said == []
    assert tokens.refused == []
    for words_ in ("pop3s://", "cleartext_password = true", "--cleartext-password"):
        assert words_ in caught.value.hint


@pytest.mark.parametrize("allowed", [{"cleartext": True}, {}])
@pytest.mark.parametrize("auth", ["auto", "plain"])
def test_password_where_it_is_allowed(allowed: dict[str, bool], auth: str) -> None:
    """It goes where a person allowed it, and where the connection ends at this machine."""
    script = Script(OK, peer=clear("PLAIN", local=not allowed))
    assert attempt(script, auth, cleartext="cleartext" in allowed) == "plain"


def test_nothing_offered() -> None:
    """A server with no way that we know is refused with what it has, and what would help."""
    with pytest.raises(LoginRefused, match=r"offers no way .* with a password") as caught:
        attempt(Script(peer=safe("GSSAPI", "NTLM", user=False)))
    assert "GSSAPI, NTLM" in caught.value.hint
    with pytest.raises(LoginRefused) as caught:
        attempt(Script(peer=safe("XOAUTH2", user=False)))
    assert "archiver login" in caught.value.hint
    with pytest.raises(LoginRefused, match="with nothing"):
        attempt(Script(), password=None)


def test_nothing_but_what_cannot_be_carried() -> None:
    """Where SCRAM is all there is and cannot carry the password, that is what is said."""
    with pytest.raises(UsageError, match="cannot carry"):
        attempt(Script(peer=safe("SCRAM-SHA-256", user=False)), password="\N{GRINNING FACE}")


@pytest.mark.parametrize("refusal", [NO, WRONG])
@pytest.mark.parametrize(
    ("peer", "auth", "then"),
    [
        (safe("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"), "AUTH SCRAM-SHA-256", "AUTH PLAIN"),
        (safe("SCRAM-SHA-1"), "AUTH SCRAM-SHA-1", "USER"),
        (safe("SCRAM-SHA-1", "LOGIN", user=False), "AUTH SCRAM-SHA-1", "AUTH LOGIN"),
        (clear("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"), "AUTH SCRAM-SHA-256", "AUTH CRAM-MD5"),
        (clear("SCRAM-SHA-256", "SCRAM-SHA-1"), "AUTH SCRAM-SHA-256", "AUTH SCRAM-SHA-1"),
        (clear("SCRAM-SHA-256", greeting=STAMP), "AUTH SCRAM-SHA-256", "APOP"),
        (clear("CRAM-MD5", greeting=STAMP), "AUTH CRAM-MD5", "APOP"),
        (safe("CRAM-MD5", greeting=STAMP, user=False), "AUTH CRAM-MD5", "APOP"),
    ],
)
def test_one_fallback_from_a_special_secret(
    peer: Peer, auth: str, then: str, refusal: Reply
) -> None:
    """A server may lack the secret that a hash needs: one other kind is tried, and no third."""
    script = Script(refusal, WRONG, peer=peer)
    with pytest.raises(LoginRefused, match="nor by"):
        attempt(script)
    assert words(script.said) == [auth, then]


@pytest.mark.parametrize("peer", [clear("CRAM-MD5", "PLAIN"), clear("SCRAM-SHA-1", "PLAIN")])
def test_no_fallback_to_a_readable_password(peer: Peer) -> None:
    """Without TLS a refused hash is not followed by the password itself, unless allowed."""
    script = Script(WRONG, peer=peer)
    with pytest.raises(LoginRefused):
        attempt(script)
    assert len(script.said) == 1
    script = Script(WRONG, OK, peer=peer)
    assert attempt(script, cleartext=True) == "plain"


def test_certificate_then_password() -> None:
    """A certificate that the server does not take for a login is followed by the password."""
    script = Script(NO, OK, peer=safe("EXTERNAL", "PLAIN"))
    assert attempt(script, certificate=True) == "plain"


def test_one_fallback_without_a_reason() -> None:
    """-ERR to PLAIN or LOGIN without a code is followed by USER and PASS, once."""
    script = Script(NO, OK, OK, peer=BOTH)
    assert attempt(script) == "user"
    assert script.said == [PLAIN, "USER user", "PASS secret"]
    script = Script(NO, OK, NO, peer=BOTH)
    with pytest.raises(LoginRefused, match=r"by PLAIN, nor by USER and PASS: .*denied"):
        attempt(script)
    assert len(script.said) == 3
    assert fallback("login", NO, ("login", "plain", "user")) == "user"


@pytest.mark.parametrize("code", ["AUTH", "IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM", "UTF8"])
def test_no_second_password(code: str) -> None:
    """A wrong password is not shown twice, and other reasons are not tried against at all."""
    for peer in (BOTH, safe("SCRAM-SHA-1", "PLAIN")):
        if peer is not BOTH and code == "AUTH":
            continue
        script = Script(Reply(False, code, f"[{code}]"), peer=peer)
        with pytest.raises(Exception, match=code):
            attempt(script)
        assert len(script.said) == 1


@pytest.mark.parametrize("text", ["mailbox is locked", "Temporary failure", "please wait"])
def test_no_second_try_at_a_busy_server(text: str) -> None:
    """What passes by itself is no opinion about the mechanism."""
    script = Script(Reply(False, "", text), peer=safe("SCRAM-SHA-1", "PLAIN"))
    with pytest.raises(Exception, match=text):
        attempt(script)
    assert len(script.said) == 1


@pytest.mark.parametrize("name", [n for n in MECHANISMS if n not in ("xoauth2", "oauthbearer")])
def test_named_mechanism_alone(name: str) -> None:
    """A mechanism that was named is the only one tried."""
    script = Script(NO, peer=safe(*EVERY, greeting=STAMP))
    with pytest.raises(LoginRefused):
        attempt(script, name, certificate=True)
    assert len(script.said) == 1


def test_remembered_then_fallback() -> None:
    """What worked the last time and works no more has one fallback as any other."""
    script = Script(MORE, WRONG, OK, peer=safe("SCRAM-SHA-1", "CRAM-MD5", "PLAIN"))
    assert attempt(script, remembered="cram-md5") == "plain"


def test_hung_up_before_the_fallback() -> None:
    """A refusal that was read is told also when the server hangs up on what follows it."""
    script = Script(WRONG, SessionLost("lost pop.example"), peer=safe("SCRAM-SHA-1", "PLAIN"))
    with pytest.raises(
        LoginRefused, match="denied; the connection was lost before PLAIN"
    ) as caught:
        attempt(script)
    assert 'auth = "plain"' in caught.value.hint


def test_nonsense_after_a_refusal() -> None:
    """A server that no longer speaks POP3 is no refused login."""
    script = Script(WRONG, ProtocolError("nonsense"), peer=safe("SCRAM-SHA-1", "PLAIN"))
    with pytest.raises(ProtocolError):
        attempt(script)


def test_lost_at_the_first() -> None:
    """A connection that breaks before any answer is no refused login."""
    with pytest.raises(SessionLost):
        attempt(Script(SessionLost("lost"), peer=BOTH))
