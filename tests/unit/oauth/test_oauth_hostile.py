"""Whatever an authorization server says, it is a token, a refusal, or trouble; never a crash."""

import json
from collections.abc import Mapping
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ServerUnavailable
from archiver.oauth.endpoint import Answer
from archiver.oauth.flows import _device
from archiver.oauth.grants import Grants, Refusal, refuse
from archiver.oauth.keeping import Token
from archiver.oauth.providers import Provider

NAMES = [
    "access_token", "token_type", "expires_in", "expires_at", "refresh_token", "scope", "error",
    "error_description", "error_uri", "device_code", "user_code", "verification_uri",
    "verification_uri_complete", "interval",
]  # fmt: skip
GRANTS = Grants(Provider("id", "https://id.example.com/token", None, None, "mail"), "secret")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
words = st.sampled_from(["invalid_grant", "slow_down", "abc", "3600", "3600.5", "-1", "a b"])
huge = st.sampled_from([float("inf"), float("nan"), 10**400, -(10**400), 1e300])
values = words | anything | huge
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
tokens = st.fixed_dictionaries({"access_token": st.just("abc")}, optional={"expires_in": values})
devices = st.fixed_dictionaries(
    {name: st.just("abc") for name in ("device_code", "user_code", "verification_uri")},
    optional={"interval": values, "expires_in": values, "verification_uri_complete": values},
)


def _answer(fields: Mapping[str, object]) -> Answer:
    return Answer("id.example.com", json.dumps(fields), fields, ("secret",))


@given(objects | tokens)
def test_tokens(fields: Mapping[str, object]) -> None:
    """An answer of the token endpoint is a token that can be sent, a refusal, or trouble."""
    with suppress(Refusal, ServerUnavailable):
        token = GRANTS.token(_answer(fields), 0.0)
        assert isinstance(token, Token)
        assert token.access_token.isascii()
        assert token.access_token.isprintable()
        assert token.expires_at is None or isinstance(token.expires_at, float)


@given(objects | devices)
def test_devices(fields: Mapping[str, object]) -> None:
    """An answer of the device endpoint can be shown and waited for, is a refusal, or trouble."""
    with suppress(Refusal, ServerUnavailable):
        refuse(_answer(fields))
        device = _device(_answer(fields))
        assert device.user_code.isprintable()
        assert device.address.isprintable()
        assert 1 <= device.interval < float("inf")
        assert 0 <= device.lifetime < float("inf")
