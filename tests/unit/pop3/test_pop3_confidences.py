from base64 import b64encode

import pytest

from archiver.pop3.confidences import Confidences
from archiver.pop3.rules import Verb

TOKEN = "ya29." + "abcdefghij" * 30
XOAUTH2 = f"user=jane@example.com\1auth=Bearer {TOKEN}\1\1".encode()


@pytest.fixture
def confidences() -> Confidences:
    """What knows a password, and that a name is none."""
    kept = Confidences("jane@example.com")
    kept.keep(b"hunter2", b"jane@example.com", b"no")
    return kept


@pytest.mark.parametrize("words", ["hunter2", "wrong password: hunter2!", "unknown PASS hunter2"])
def test_a_short_secret(confidences: Confidences, words: str) -> None:
    """A short secret is found as a whole, wherever it stands."""
    assert confidences.repeated_in(words)


@pytest.mark.parametrize("words", ["", "no", "hunter", "jane@example.com is unknown", "+OK"])
def test_what_is_no_secret(confidences: Confidences, words: str) -> None:
    """Names, words too short to be hidden, and everything else are not found."""
    assert not confidences.repeated_in(words)


@pytest.mark.parametrize("part", [slice(0, 200), slice(50, 70), slice(-16, None)])
@pytest.mark.parametrize("form", [TOKEN, b64encode(XOAUTH2).decode()])
def test_a_part_of_a_long_secret(form: str, part: slice) -> None:
    """Sixteen characters of a long secret give it away, in base64 as well."""
    kept = Confidences("jane@example.com")
    kept.keep_response(XOAUTH2)
    assert kept.repeated_in(f"what? {form[part]}")
    assert not kept.repeated_in("user=jane@example.com auth=Bearer is refused")


@pytest.mark.parametrize(
    ("verb", "arguments", "secret"),
    [
        (Verb.PASS, b"pass word", "pass word"),
        (Verb.APOP, b"jane 0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        (Verb.AUTH, b"PLAIN AGphbmUAaHVudGVyMg==", "AGphbmUAaHVudGVyMg=="),
    ],
)
def test_commands(verb: Verb, arguments: bytes, secret: str) -> None:
    """What PASS, APOP and AUTH say behind a name is a secret, and what others say is none."""
    kept = Confidences()
    kept.keep_command(verb, arguments)
    assert kept.repeated_in(f"what is {secret}?")
    other = Confidences()
    other.keep_command(Verb.USER, arguments)
    assert not other.repeated_in(secret)


def test_no_representation(confidences: Confidences) -> None:
    """Nothing of what is kept shows in a representation."""
    assert "hunter2" not in repr(confidences)
