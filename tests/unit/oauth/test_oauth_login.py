import socket
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from archiver.errors import LoginRefused, ServerUnavailable, UsageError
from archiver.oauth import flows
from infra.authorization import Authorization, Canned
from tests.unit.oauth.oauth_helpers import Person


def test_browser(authority: Authorization, person: Person) -> None:
    """With a browser the code comes back over loopback, and the tokens are kept."""
    assert person.login() == str(person.file)
    assert person.browsed == ["archiver has what it needs. You may close this window.\n"]
    assert person.source().access_token() == authority.issued[0].access_token
    assert authority.issued[0].user == "me@example.com"


def test_code_is_proven(authority: Authorization, person: Person) -> None:
    """The code is bound to us by PKCE with S256, a state, and the redirect's exact address."""
    person.login()
    (query,), (form,) = authority.queries, authority.forms
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] != form["code_verifier"]
    assert len(form["code_verifier"]) >= 43
    assert len(query["state"]) >= 22
    assert query["redirect_uri"] == form["redirect_uri"]
    assert urlsplit(query["redirect_uri"]).hostname == "127.0.0.1"


def test_public_client(authority: Authorization, person: Person) -> None:
    """A client without a secret sends none."""
    authority.client_secret = None
    person.login()
    assert "client_secret" not in authority.forms[0]


def test_nothing_is_reused(authority: Authorization, person: Person) -> None:
    """Each sign-in has a state and a verifier of its own."""
    person.login()
    person.login()
    assert authority.queries[0]["state"] != authority.queries[1]["state"]
    assert authority.forms[0]["code_verifier"] != authority.forms[1]["code_verifier"]


def test_address_is_always_shown(person: Person) -> None:
    """The address to open is shown, also where a browser opens by itself."""
    person.login()
    assert parse_qs(urlsplit(person.address()).query)["response_type"] == ["code"]


def test_denied_in_the_browser(authority: Authorization, person: Person) -> None:
    """What the person does not allow is said here and in the browser."""
    authority.consent = False
    with pytest.raises(LoginRefused, match="work is not signed in: access_denied") as caught:
        person.login()
    assert "allow" in caught.value.hint
    assert person.browsed == ["The sign-in was refused. archiver says more.\n"]
    assert not person.file.exists()


def test_foreign_state(person: Person) -> None:
    """An answer with another state is turned away, and the right one is still waited for."""

    def browse(url: str) -> bool:
        target = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        person.visit(f"{target}/?code=stolen&state=guessed")
        person.visit(f"{target}/favicon.ico")
        return person.browse(url)

    person.browser = browse
    person.login()
    foreign = "This is no answer to the sign-in that archiver waits for.\n"
    assert person.browsed[:2] == [foreign, foreign]
    assert [form["grant_type"] for form in person.authority.forms] == ["authorization_code"]
    assert person.authority.forms[0]["code"] != "stolen"


def test_idle_connection(person: Person) -> None:
    """A connection that a browser makes in advance does not stand before its request."""

    def browse(url: str) -> bool:
        port = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port
        with socket.create_connection(("127.0.0.1", port or 0)):
            person.visit(url)
        return True

    person.browser = browse
    person.login()
    assert person.browsed == ["archiver has what it needs. You may close this window.\n"]


def test_nobody_comes(monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    """A sign-in that nobody finishes ends, and says so."""
    monkeypatch.setattr(flows, "_BROWSER_SECONDS", 0.01)
    person.browser = lambda _: True
    with pytest.raises(LoginRefused, match="nobody signed in to work in time"):
        person.login()


def test_browser_elsewhere(person: Person) -> None:
    """Where no browser opens, the person is told how one on another machine can be used."""

    person.browser = lambda _: False
    person.on_show = lambda line: "ssh -L" in line and person.browse(person.address())
    person.login()
    port = urlsplit(person.authority.queries[0]["redirect_uri"]).port
    assert any(f"ssh -L {port}:127.0.0.1:{port}" in line for line in person.shown)


def test_browser_that_stays(person: Person) -> None:
    """A browser that comes back only when it is closed, long afterwards, is not waited for."""
    closed = threading.Event()

    def stays(url: str) -> bool:
        person.visit(url)
        return closed.wait(60)

    person.browser = stays
    person.login()
    closed.set()


def test_no_browser_and_no_device_flow(monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    """Without browser and without device flow it is the address that is shown, and waited for."""
    monkeypatch.setattr(flows, "_BROWSER_SECONDS", 0.01)
    person.change(device_url=None)
    person.browser = None
    with pytest.raises(LoginRefused, match="in time"):
        person.login()
    assert person.address()


def test_device(authority: Authorization, person: Person) -> None:
    """The device flow shows a code, asks until it is entered, and keeps the tokens."""
    person.enters()
    person.login(device=True)
    assert person.clock.slept == [1.0]
    assert person.source().access_token() == authority.issued[0].access_token
    assert not person.browsed


def test_device_by_itself(person: Person) -> None:
    """Without a browser the device flow is chosen, and the person is told why."""
    person.browser = None
    person.enters()
    person.login()
    assert person.shown[0] == "There is no browser here: any other device will do."


def test_device_only(person: Person) -> None:
    """A provider that has only the device flow is used by it."""
    person.change(authorization_url=None)
    person.enters()
    person.login()
    assert not person.browsed


def test_device_waits(authority: Authorization, person: Person) -> None:
    """A server that says slow_down is asked five seconds less often from then on."""
    authority.slow_down = 2
    waits = person.clock.slept
    person.clock.on_sleep = lambda: (
        authority.decide(str(next(iter(authority.devices.values()))["user_code"]))
        if len(waits) == 4
        else None
    )
    person.login(device=True)
    assert waits == [1.0, 6.0, 11.0, 11.0]


def test_device_denied(person: Person) -> None:
    """What the person denies on the other device is said here."""
    person.enters(allow=False)
    with pytest.raises(LoginRefused, match="work is not signed in: access_denied"):
        person.login(device=True)


def test_device_expired(authority: Authorization, person: Person) -> None:
    """A code that the server lets run out ends the sign-in."""
    person.clock.on_sleep = authority.expire_devices
    with pytest.raises(LoginRefused, match="work is not signed in: expired_token"):
        person.login(device=True)


def test_device_gives_up(authority: Authorization, person: Person) -> None:
    """A code that nobody enters is not asked for any longer than it lives."""
    authority.device_lifetime, authority.device_interval = 10, 4
    with pytest.raises(LoginRefused, match="nobody signed in in time"):
        person.login(device=True)
    assert person.clock.slept == [4.0, 4.0, 4.0]


def test_device_outlives_trouble(authority: Authorization, person: Person) -> None:
    """A token endpoint in trouble is asked again, half as often, until the code runs out."""
    authority.canned = Canned(503)

    def mend() -> None:
        if len(person.clock.slept) == 3:
            authority.canned = None

    person.clock.on_sleep = mend
    person.enters()
    person.login(device=True)
    assert person.clock.slept == [1.0, 2.0, 4.0]


def test_device_refused(authority: Authorization, person: Person) -> None:
    """A device endpoint that refuses us is heard."""
    person.change(client_id="nobody")
    with pytest.raises(LoginRefused, match="invalid_client") as caught:
        person.login(device=True)
    assert "settings" in caught.value.hint


def test_device_endpoint_that_is_none(authority: Authorization, person: Person) -> None:
    """An endpoint that gives no code is said to be wrong."""
    authority.canned = Canned(200, "{}")
    person.change(device_url=authority.token_url)
    with pytest.raises(ServerUnavailable, match="gave no code for a device"):
        person.login(device=True)


def test_no_device_flow(person: Person) -> None:
    """A provider without the device flow says so when it is asked for."""
    person.change(device_url=None)
    with pytest.raises(UsageError, match="no device flow"):
        person.login(device=True)


def test_no_refresh_token(authority: Authorization, person: Person) -> None:
    """A provider that gives no refresh token is used, and the person is told what that means."""
    authority.canned = Canned(200, '{"access_token": "short", "token_type": "Bearer"}')
    person.login()
    assert person.shown[-1].startswith("The provider gives no refresh token")
    assert person.source().access_token() == "short"


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"access_token": ""}',
        '{"access_token": null}',
        '{"access_token": 7}',
        '{"access_token": "two words"}',
        '{"access_token": "line\\nend"}',
        '{"access_token": "t", "refresh_token": ["r"]}',
        '{"access_token": "t", "expires_in": "soon"}',
        '{"access_token": "t", "scope": 7}',
    ],
)
def test_useless_answers(authority: Authorization, person: Person, body: str) -> None:
    """An answer without a token that can be used is no token, whatever else it holds."""
    authority.canned = Canned(200, body)
    with pytest.raises(ServerUnavailable, match="gave no token that can be used"):
        person.login()
    assert not person.file.exists()


def test_new_sign_in_after_another(authority: Authorization, person: Person) -> None:
    """Signing in again replaces the tokens of the last time."""
    person.login()
    authority.revoke("me@example.com")
    person.login()
    assert person.source().access_token() == authority.issued[1].access_token
