"""Access tokens: XOAUTH2 and OAUTHBEARER, and tokens that the server refuses."""

from base64 import b64decode

import pytest
from dialogues import MORE, NO, OK, WRONG, Script, Tokens, attempt, safe, words

from archiver.errors import LoginRefused, ProtocolError, ServerUnavailable, SessionLost, UsageError
from archiver.pop3.events import Challenge, Reply

OFFER = safe("PLAIN", "XOAUTH2", "OAUTHBEARER")
FAILED = Challenge(
    b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}',
)
FIRST = "> user=user\1auth=Bearer one\1\1"
SECOND = "> user=user\1auth=Bearer two\1\1"


def test_xoauth2() -> None:
    """The token is sent in a step of its own, as Google and Microsoft document it."""
    script = Script(MORE, OK, peer=OFFER)
    tokens = Tokens("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    attempt(script, "xoauth2", user="someuser@example.com", token=tokens)
    assert script.said[0] == "AUTH XOAUTH2"
    documented = (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52"
        "YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    assert script.said[1] == "> " + b64decode(documented).decode()
    assert tokens.refused == [False]


def test_oauthbearer() -> None:
    """The example of RFC 7628 section 4.1, for a mailbox by POP3."""
    script = Script(MORE, OK, peer=OFFER)
    token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    attempt(script, "oauthbearer", user="user@example.com", token=Tokens(token))
    assert script.said == [
        "AUTH OAUTHBEARER",
        f"> n,a=user@example.com,\1host=pop.example\1port=995\1auth=Bearer {token}\1\1",
    ]


def test_whose_mailbox() -> None:
    """OAUTHBEARER names the mailbox to open, escaped as in SCRAM."""
    script = Script(MORE, OK, peer=OFFER)
    attempt(script, "oauthbearer", authzid="a=b,c", token=Tokens("t"))
    assert script.said[1].startswith("> n,a=a=3Db=2Cc,\1")


@pytest.mark.parametrize(("auth", "regret"), [("xoauth2", "> "), ("oauthbearer", "> \1")])
def test_refused_and_renewed(auth: str, regret: str) -> None:
    """A refusal's challenge is answered, and once a renewed token is tried."""
    script = Script(MORE, FAILED, NO, MORE, OK, peer=OFFER)
    tokens = Tokens("one", "two")
    assert attempt(script, auth, token=tokens) == auth
    assert tokens.refused == [False, True]
    assert script.said[2] == regret
    assert words(script.said) == [f"AUTH {auth.upper()}", ">", ">", f"AUTH {auth.upper()}", ">"]
    assert "Bearer two" in script.said[4]


def test_refused_twice() -> None:
    """A renewed token that is refused too is the end, with what the server wants in words."""
    script = Script(MORE, FAILED, NO, MORE, FAILED, NO, peer=OFFER)
    with pytest.raises(LoginRefused) as caught:
        attempt(script, token=Tokens("one", "two"))
    assert "status 400, wanted is a token for https://mail.google.com/" in caught.value.message
    assert "archiver login" in caught.value.hint
    assert script.answers == []


def test_refused_without_a_challenge() -> None:
    """Microsoft refuses a token without saying why, which also has it renewed once."""
    no = Reply(False, "", "Authentication failure: unknown user name or bad password.")
    script = Script(MORE, no, MORE, no, peer=OFFER)
    with pytest.raises(LoginRefused) as caught:
        attempt(script, "xoauth2", token=Tokens("one", "two"))
    assert script.said == ["AUTH XOAUTH2", FIRST, "AUTH XOAUTH2", SECOND]
    assert "archiver login" in caught.value.hint


def test_hung_up_before_the_renewed_token() -> None:
    """A server that hangs up on a refused token gets the new one in the next session."""
    script = Script(MORE, FAILED, NO, SessionLost("lost pop.example"), peer=OFFER)
    tokens = Tokens("one", "two")
    with pytest.raises(LoginRefused, match=r"denied.*renewed token") as caught:
        attempt(script, token=tokens)
    assert "try again" in caught.value.hint
    assert tokens.refused == [False, True]


def test_refused_before_any_token() -> None:
    """A server that does not do XOAUTH2 says nothing about the token, which is not renewed."""
    tokens = Tokens("one", "two")
    script = Script(Reply(False, "", "unsupported mechanism"), peer=OFFER)
    with pytest.raises(LoginRefused, match="does not do this"):
        attempt(script, "xoauth2", token=tokens)
    assert tokens.refused == [False]


@pytest.mark.parametrize("code", ["IN-USE", "LOGIN-DELAY", "SYS/TEMP"])
def test_busy_is_no_refused_token(code: str) -> None:
    """What passes by itself is not answered with another token."""
    tokens = Tokens("one", "two")
    with pytest.raises(ServerUnavailable) as caught:
        attempt(Script(MORE, Reply(False, code, ""), peer=OFFER), token=tokens)
    assert caught.value.code == code
    assert tokens.refused == [False]


@pytest.mark.parametrize(
    "said", [b"", b"no json", b"[1]", b"{}", b'{"status": {"a": 1}}', b"[" * 100_000, b"\xff"]
)
def test_reasons_that_say_nothing(said: bytes) -> None:
    """A refusal's challenge that is not what RFC 7628 has is answered all the same."""
    script = Script(MORE, Challenge(said), WRONG, MORE, OK, peer=OFFER)
    assert attempt(script, token=Tokens("one", "two")) == "xoauth2"


def test_reason_with_control_characters() -> None:
    """A reason that would move the cursor is shown without that, and not at any length."""
    said = Challenge(b'{"status": "a\\u001b[2J", "scope": "' + b"x" * 5000 + b'"}')
    with pytest.raises(LoginRefused) as caught:
        attempt(Script(MORE, said, NO, MORE, said, NO, peer=OFFER), token=Tokens("one", "two"))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def test_endless_challenges() -> None:
    """A server that goes on asking behind its refusal is cancelled."""
    with pytest.raises(ProtocolError):
        attempt(Script(MORE, MORE, MORE, MORE, peer=OFFER), "xoauth2", token=Tokens("one"))


@pytest.mark.parametrize("token", ["", "a b", "a\r\nDELE 1", "a\0", "a\1auth=x", "ä"])
def test_token_injection(token: str) -> None:
    """A token with what no token may hold is not sent and not shown."""
    for auth in ("xoauth2", "oauthbearer"):
        script = Script(peer=OFFER)
        with pytest.raises(LoginRefused, match="what no token may") as caught:
            attempt(script, auth, token=Tokens(token))
        assert script.said == []
        assert not token or token not in caught.value.message


def test_name_injection() -> None:
    """A separator in the name would be another field, and is refused."""
    for auth in ("xoauth2", "oauthbearer"):
        script = Script(peer=OFFER)
        with pytest.raises(UsageError):
            attempt(script, auth, user="u\1auth=Bearer x", token=Tokens("one"))
        assert script.said == []
