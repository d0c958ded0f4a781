import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from oauthlib.oauth2 import WebApplicationClient

from infra.authorization import Authorization

REDIRECT = "http://127.0.0.1:1"
VERIFIER = "v" * 50
CHALLENGE = WebApplicationClient("").create_code_challenge(VERIFIER, "S256")


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, **form: str | None) -> dict[str, Any]:
    """Sends a form; the object that answers."""
    sent = {name: value for name, value in form.items() if value is not None}
    try:
        with urllib.request.urlopen(url, urlencode(sent).encode()) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refused:
        with refused:
            return dict(json.load(refused))


def authorize(authority: Authorization, **changes: str | None) -> dict[str, str]:
    """Goes to the authorization endpoint with a browser; what it is sent back with."""
    query = {
        "response_type": "code",
        "client_id": authority.client_id,
        "redirect_uri": REDIRECT,
        "scope": "mail",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    url = f"{authority.authorization_url}?{urlencode({k: v for k, v in query.items() if v})}"
    try:
        urllib.request.build_opener(Stay).open(url)
    except urllib.error.HTTPError as sent:
        with sent:
            target = urlsplit(sent.headers.get("Location", ""))
            return {name: values[0] for name, values in parse_qs(target.query).items()}
    raise AssertionError


def trade(authority: Authorization, code: str, **changes: str | None) -> dict[str, Any]:
    """Trades a code for tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        "client_id": authority.client_id,
        "client_secret": authority.client_secret,
        **changes,
    }
    return ask(authority.token_url, **form)


def refresh(authority: Authorization, refresh_token: str) -> dict[str, Any]:
    """Trades a refresh token for tokens."""
    return ask(
        authority.token_url,
        grant_type="refresh_token",
        refresh_token=refresh_token,
        client_id=authority.client_id,
        client_secret=authority.client_secret,
    )


def test_code(authority: Authorization) -> None:
    """A code that is proven gives tokens once."""
    code = authorize(authority)["code"]
    assert trade(authority, code)["token_type"] == "Bearer"
    assert trade(authority, code)["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain", "code_challenge": VERIFIER},
        {"code_challenge_method": None},
        {"code_challenge_method": None, "code_challenge": None},
    ],
    ids=["plain", "no method", "none"],
)
def test_s256_is_required(authority: Authorization, changes: dict[str, str | None]) -> None:
    """Without PKCE, or with a verifier that others could read, there is no code."""
    assert authorize(authority, **changes)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:2"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": None}, "invalid_client"),
    ],
)
def test_stolen_code(authority: Authorization, changes: dict[str, str | None], error: str) -> None:
    """A code is worth nothing to anybody else."""
    assert trade(authority, authorize(authority)["code"], **changes)["error"] == error


def test_redirect_elsewhere(authority: Authorization) -> None:
    """A browser is sent back to this machine only."""
    assert not authorize(authority, redirect_uri="https://example.com/")


def test_reuse_ends_all(authority: Authorization) -> None:
    """A refresh token that is used twice ends every token of its sign-in."""
    first = trade(authority, authorize(authority)["code"])
    second = refresh(authority, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert refresh(authority, first["refresh_token"])["error"] == "invalid_grant"
    assert refresh(authority, second["refresh_token"])["error"] == "invalid_grant"
    assert all(issued.revoked for issued in authority.issued)
