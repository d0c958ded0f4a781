import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.errors import LocalDiskError, LoginRefused, ServerUnavailable, UsageError
from archiver.oauth import TokenSource
from infra.authorization import Authorization, Canned
from tests.unit.oauth.oauth_helpers import Memory, Person

_REFRESHER = """
import sys, time
from pathlib import Path
from tests.unit.oauth.oauth_helpers import Person
from archiver.oauth import TokenSource

class Given:
    client_id, authorization_url, token_url, device_url, url, client_secret = sys.argv[2:]

person = Person(Given(), Path(sys.argv[1]))
source = TokenSource(
    person.account, person.state, secret=person.secret, ring=person.ring, now=time.time
)
for _ in range(5):
    print(source.access_token())
"""


def test_kept_while_it_lasts(authority: Authorization, person: Person) -> None:
    """A token is used again while it is good for a minute at least."""
    person.login()
    source = person.source()
    first = source.access_token()
    person.clock.time += 3600 - 60
    assert source.access_token() == first
    assert authority.refreshes() == 0
    person.clock.time += 1
    assert source.access_token() != first
    assert authority.refreshes() == 1


def test_next_run(authority: Authorization, person: Person) -> None:
    """Another run goes on with the token that this one refreshed."""
    person.login()
    person.clock.time += 3600
    refreshed = person.source().access_token()
    assert person.source().access_token() == refreshed
    assert authority.refreshes() == 1


def test_no_lifetime(authority: Authorization, person: Person) -> None:
    """A token of which nobody said when it ends is used until it is refused."""
    authority.lifetime = 0
    person.login()
    person.clock.time += 1e9
    first = person.source().access_token()
    source = person.source()
    assert source.access_token() == first
    assert source.access_token(refused=True) != first


def test_refused(authority: Authorization, person: Person) -> None:
    """A token that the mail server refused is refreshed, however fresh it looks."""
    person.login()
    source = person.source()
    first = source.access_token()
    second = source.access_token(refused=True)
    assert second != first
    assert source.access_token() == second
    assert authority.refreshes() == 1


def test_refused_and_refreshed_by_another(authority: Authorization, person: Person) -> None:
    """What another run refreshed in the meantime is taken before a refresh of our own."""
    person.login()
    ours, theirs = person.source(), person.source()
    assert ours.access_token() == theirs.access_token()
    new = theirs.access_token(refused=True)
    assert ours.access_token(refused=True) == new
    assert authority.refreshes() == 1


def test_rotation(authority: Authorization, person: Person) -> None:
    """A refresh token that is good for one use is used once, over many refreshes."""
    person.login()
    for _ in range(5):
        person.clock.time += 3600
        person.source().access_token()
    spent = [form["refresh_token"] for form in authority.forms[1:]]
    assert len(set(spent)) == 5
    assert not authority.issued[-1].revoked


def test_no_rotation(authority: Authorization, person: Person) -> None:
    """Where the server gives no new refresh token the old one stays good."""
    authority.rotate = False
    person.login()
    for _ in range(3):
        person.clock.time += 3600
        person.source().access_token()
    assert len({form["refresh_token"] for form in authority.forms[1:]}) == 1


def test_threads(authority: Authorization, person: Person) -> None:
    """Threads that refresh at once spend each refresh token once and lose none."""
    authority.lifetime = 30
    person.login()
    source = person.source()
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: source.access_token(), range(24)))
    assert len(set(tokens)) == 24
    assert not any(issued.revoked for issued in authority.issued)


def test_processes(authority: Authorization, person: Person) -> None:
    """Processes that refresh at once spend each refresh token once and lose none."""
    authority.lifetime = 30
    person.login()
    assert authority.client_secret is not None
    arguments = [
        authority.client_id,
        authority.authorization_url,
        authority.token_url,
        authority.device_url,
        authority.url,
        authority.client_secret,
    ]
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _REFRESHER, str(person.state), *arguments]
    runs = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{Path(__file__).parent}:{root}"},
        )
        for _ in range(3)
    ]
    tokens = [token for run in runs for token in run.communicate(timeout=60)[0].split()]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(set(tokens)) == 15
    assert not any(issued.revoked for issued in authority.issued)


def test_nobody_signed_in(person: Person) -> None:
    """Without a sign-in the person is told what to run."""
    with pytest.raises(LoginRefused, match="nobody has signed in") as caught:
        person.source().access_token()
    assert caught.value.hint == "run: archiver login work"
    assert caught.value.exit_code == 4


def test_revoked(authority: Authorization, person: Person) -> None:
    """Once the person has taken the right back they are told to sign in again."""
    person.login()
    authority.revoke("me@example.com")
    person.clock.time += 3600
    with pytest.raises(LoginRefused, match=r"no longer good: invalid_grant$") as caught:
        person.source().access_token()
    assert caught.value.hint == "run: archiver login work"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("invalid_grant", "run: archiver login work"),
        ("interaction_required", "run: archiver login work"),
        ("invalid_client", "check the account's OAuth settings"),
        ("unauthorized_client", "check the account's OAuth settings"),
        ("invalid_scope", "check the account's OAuth settings"),
        ("made_up", "check the account's OAuth settings"),
    ],
)
def test_refresh_refused(authority: Authorization, person: Person, error: str, hint: str) -> None:
    """What the server says to a refresh is shown, with the hint that helps."""
    person.login()
    person.clock.time += 3600
    body = json.dumps({"error": error, "error_description": "AADSTS7: No.\r\nTrace: 1"})
    authority.canned = Canned(400, body)
    with pytest.raises(LoginRefused, match=f"{error}: AADSTS7: No$") as caught:
        person.source().access_token()
    assert caught.value.hint == hint


def test_trouble_is_not_refusal(authority: Authorization, person: Person) -> None:
    """A provider in trouble is no reason to sign in again: the token is still there afterwards."""
    person.login()
    person.clock.time += 3600
    authority.canned = Canned(500, "<html>")
    with pytest.raises(ServerUnavailable, match="answered 500") as caught:
        person.source().access_token()
    assert caught.value.exit_code == 5
    authority.canned = None
    assert person.source().access_token()


def test_no_refresh_token(authority: Authorization, person: Person) -> None:
    """A token that cannot be refreshed is used to its end, and then a person is needed."""
    body = {"access_token": "short", "token_type": "Bearer", "expires_in": 600}
    authority.canned = Canned(200, json.dumps(body))
    person.login()
    assert person.source().access_token() == "short"
    person.clock.time += 600
    with pytest.raises(LoginRefused, match="its provider gives none to refresh it with") as caught:
        person.source().access_token()
    assert caught.value.hint == "run: archiver login work"


@pytest.mark.parametrize("change", ["client_id", "token_url"])
def test_other_provider(authority: Authorization, person: Person, change: str) -> None:
    """A token is never sent to another provider than the one that gave it."""
    person.login()
    person.clock.time += 3600
    person.change(**{change: "https://other.example.com/"})
    with pytest.raises(LoginRefused, match="another client_id or at another provider"):
        person.source().access_token()
    assert authority.refreshes() == 0


def test_nothing_is_spent_that_cannot_be_kept(authority: Authorization, person: Person) -> None:
    """Where a new token could not be kept, the old one is not spent."""
    person.login()
    person.clock.time += 3600
    (person.file.with_suffix(".new")).mkdir()
    with pytest.raises(LocalDiskError, match="cannot keep tokens"):
        person.source().access_token()
    assert authority.refreshes() == 0


def test_settings_are_checked_first(authority: Authorization, person: Person) -> None:
    """Settings that cannot be used are said before a run begins."""
    account = replace(person.account, oauth=None)
    with pytest.raises(UsageError, match="no OAuth settings"):
        TokenSource(account, person.state, secret=person.secret, ring=Memory())


def test_no_secret_anywhere(
    authority: Authorization, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """No token, code or secret is in a log, a line, an error or a representation."""
    caplog.set_level(logging.DEBUG)
    person.login()
    source = person.source()
    person.clock.time += 3600
    source.access_token()
    repeated = f"no {authority.issued[-1].refresh_token}"
    body = {"error": authority.client_secret, "error_description": repeated}
    authority.canned = Canned(400, json.dumps(body))
    with pytest.raises(LoginRefused) as caught:
        source.access_token(refused=True)
    secrets = [value for one in authority.issued for value in (one.access_token, one.refresh_token)]
    secrets += [form["code"] for form in authority.forms if "code" in form]
    secrets += [form["client_secret"] for form in authority.forms]
    secrets += [authority.forms[0]["code_verifier"]]
    own = [record for record in caplog.records if not record.name.startswith("authlib")]
    said = "\n".join(
        [
            *(record.getMessage() for record in own),
            *person.shown,
            *person.browsed,
            repr(caught.value),
            repr(source),
        ]
    )
    assert not [secret for secret in secrets if secret and secret in said]
