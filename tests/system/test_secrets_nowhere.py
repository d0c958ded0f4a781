"""Secrets are nowhere but where a person put them, however somebody signs in.

One file of settings has two accounts for each way to sign in, one with the right secret and one
with a wrong one. Commands run with every logger at DEBUG, the first of them in Python's development
mode. Then each secret, and whatever a client said on the wire to prove it, is looked for in all
that was printed, in every file that was written, and in what the system shows of our processes.
"""

import stat
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import Archiver
from onlookers import KEPT, STATE, Onlooker

from archiver.config import AUTH
from infra.authorization import Authorization
from infra.dovecot import Dovecot
from infra.fuzz.discretion import confided
from infra.proxies import Proxies
from infra.relay import Relay
from infra.traces import traces

STORE = "archive"
TOKENS = ("xoauth2", "oauthbearer")
CERTIFIED = "user"
"""The name in the client's certificate."""
LETTERS = [
    b"From: %b@example.com\r\nSubject: hello\r\n\r\ntext\r\n" % name for name in (b"a", b"b")
]
PROXY_USER, PROXY_WORDS = "proxy-user", {"right": "open-sesame-7412", "wrong": "open-barley-7413"}

VERBOSE = "import logging; logging.basicConfig(level=1); logging.debug('everything is logged')"
BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
SETTINGS = f'[store]\nurl = "./{STORE}"\n'
ACCOUNT = """
[accounts.{name}]
auth = "{auth}"
server = "{security}://{user}@127.0.0.1:{port}"
"""
CERTIFICATE = """
authzid = "{user}"
ca_file = "{server.ca_file}"
client_cert = "{server.directory}/client.pem"
client_key = "{server.directory}/client.key"
"""
OAUTH = """
[accounts.{name}.oauth]
client_id = "{provider.client_id}"
client_secret_file = "kept/client"
authorization_url = "{provider.authorization_url}"
token_url = "{provider.token_url}"
scope = "mail"
"""
PROXIED = """
password_file = "kept/password"
proxy = "{kind}://{user}@127.0.0.1:{port}"
proxy_password_file = "kept/{name}"
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in by ``auth``, with a secret that is ``right`` or not."""

    auth: str
    right: bool

    @property
    def name(self) -> str:
        """In the settings, and at the server but for certificates."""
        return f"{self.auth}-{'right' if self.right else 'wrong'}"

    @property
    def user(self) -> str:
        """At the server; a certificate opens its owner's mailbox and no other."""
        return CERTIFIED if self.auth == "external" and self.right else self.name

    @property
    def password(self) -> str:
        """What it gives out for the password."""
        return f"hörse, = '{self.name}' battery"


ACCOUNTS = [Account(auth, right) for auth in AUTH for right in (True, False)]


@dataclass(frozen=True, slots=True)
class Household:
    """All accounts on one machine, whom they deal with, and what could be seen of them so far."""

    onlooker: Onlooker
    server: Dovecot
    relay: Relay
    authority: Authorization

    @property
    def said(self) -> bytes:
        """All that our side said to the server on connections that can be read."""
        return b"\r\n".join(b"".join(one.said) for one in self.relay.recordings)

    def secrets(self, account: Account) -> set[bytes]:
        """Every form of what this account proves itself with, and all that went over the wire."""
        found = set(confided(self.said))
        if account.auth == "external":
            key = (self.server.directory / "client.key").read_text().split("-----")[2]
            return found | {line.encode() for line in key.split()}
        if account.auth not in TOKENS:
            return found | traces(account.password)
        issued = [one for one in self.authority.issued if one.user == account.user]
        assert issued
        tokens = {token for one in issued for token in (one.access_token, one.refresh_token)}
        return found.union(*map(traces, {str(self.authority.client_secret), *filter(None, tokens)}))

    def settings(self, account: Account) -> str:
        """Of an account: its right secret is in a file, a wrong one comes from a command."""
        place = {"security": "pop3+plain", "user": account.user, "port": self.relay.port}
        if account.auth == "external":
            place |= {"security": "pop3s", "port": self.server.tls_port}
            rest = CERTIFICATE.format(user=account.user, server=self.server)
        elif account.auth in TOKENS:
            rest = OAUTH.format(name=account.name, provider=self.authority)
        elif account.right:
            rest = f'password_file = "{KEPT}/{account.name}"'
        else:
            # Long enough to be seen.
            rest = f'password_command = "sleep 0.2; cat {KEPT}/{account.name}"'
        return ACCOUNT.format(name=account.name, auth=account.auth, **place) + rest

    def begin(self) -> None:
        """Gives every account its mailbox and its secret, and signs in who needs a browser."""
        home, server = self.onlooker.archiver.home, self.server
        _settle(home, SETTINGS + "".join(map(self.settings, ACCOUNTS)))
        (home / KEPT / "client").write_text(f"{self.authority.client_secret}\n")
        for account in ACCOUNTS:
            (home / KEPT / account.name).write_text(f"{account.password}\n")
            server.add_user(account.user, account.password if account.right else "another one")
            server.add(account.user, LETTERS)
            if account.auth in TOKENS:
                self.onlooker(("login", account.name), code=0)
                if not account.right:
                    self.authority.revoke(account.user)


def _settle(home: Path, settings: str) -> None:
    (home / "archiver.toml").write_text(settings)
    (home / KEPT).mkdir()
    (home / KEPT / "sitecustomize.py").write_text(VERBOSE)
    (home / KEPT / "browser.py").write_text(BROWSER)


def _onlooker(home: Path) -> Onlooker:
    environment = {
        "BROWSER": f"{sys.executable} {home / KEPT / 'browser.py'} %s",
        "PYTHONPATH": str(home / KEPT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    return Onlooker(Archiver(home, environment))


@pytest.fixture(scope="module")
def household(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Every account signed in, archived and examined, as far as each can be."""
    del dovecot  # asked for to know whether there is any
    place, onlooker = tmp_path_factory.mktemp("server"), _onlooker(tmp_path_factory.mktemp("home"))
    with (
        Authorization() as authority,
        Dovecot(place, introspection_url=authority.introspection_url, every_sign_in=True) as server,
        Relay(server.port) as relay,
    ):
        made = Household(onlooker, server, relay, authority)
        made.begin()
        # Not later: it takes as much time again, and there are many commands to come.
        onlooker.archiver.environment["PYTHONDEVMODE"] = "1"
        assert onlooker(("run",), code=4).count("cannot sign in") >= len(AUTH) - len(TOKENS)
        onlooker(("doctor",), code=4)
        del onlooker.archiver.environment["PYTHONDEVMODE"]
        yield made


@pytest.mark.parametrize("account", ACCOUNTS, ids=[account.name for account in ACCOUNTS])
def test_secrets_are_nowhere(household: Household, account: Account) -> None:
    """No secret is printed, logged, kept beside the mail, or shown by the system."""
    pop = ("pop", account.name, "--exec", "STAT")
    household.onlooker(pop, ("peek", account.name), code=0 if account.right else 4)
    household.onlooker.require_none_of(household.secrets(account))


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_proxy(household: Household, proxies: Proxies, tmp_path: Path, kind: str) -> None:
    """Nor is a proxy's password, whether it lets us in or not."""
    start = proxies.tinyproxy if kind == "http" else proxies.microsocks
    proxy = {"kind": kind, "user": PROXY_USER, "port": start(PROXY_USER, PROXY_WORDS["right"])}
    owner, onlooker, settings = ACCOUNTS[0], _onlooker(tmp_path), SETTINGS
    for name in PROXY_WORDS:
        place = {"security": "pop3+plain", "user": owner.user, "port": household.server.port}
        settings += ACCOUNT.format(name=name, auth="auto", **place)
        settings += PROXIED.format(name=name, **proxy)
    _settle(tmp_path, settings)
    for name, word in {**PROXY_WORDS, "password": owner.password}.items():
        (tmp_path / KEPT / name).write_text(f"{word}\n")
    assert "does not let us in" in onlooker(("run",), code=5)
    onlooker(("doctor",), code=5)
    for name, code in (("right", 0), ("wrong", 5)):
        onlooker(("pop", name, "--exec", "STAT"), ("peek", name), code=code)
    logins = [b64encode(f"{PROXY_USER}:{word}".encode()) for word in PROXY_WORDS.values()]
    onlooker.require_none_of(
        traces(owner.password).union(logins, *map(traces, PROXY_WORDS.values()))
    )


def test_this_would_find_one(household: Household) -> None:
    """What is looked for was said on the wire, and what is looked at has everything in it."""
    said, shown = household.said, b"\n".join(household.onlooker.seen)
    for account in ACCOUNTS:
        if account.auth in ("plain", "user", "login", *TOKENS):
            assert any(secret in said for secret in household.secrets(account))
    assert len(list(confided(said))) > 2 * len(ACCOUNTS)
    for part in (b"\0-m\0archiver\0run", b"PYTHONDEVMODE=1", b"DEBUG:root:", b"cat kept/plain-w"):
        assert part in shown
    files = [path for path, _ in household.onlooker.written()]
    assert {path.parts[0] for path in files} >= {STATE, STORE}
    assert "ledger.db" in {path.name for path in files}


def test_tokens_are_for_their_owner(household: Household) -> None:
    """Tokens lie in files that only their owner may read, where nobody else may look."""
    directory = household.onlooker.archiver.home / STATE / "tokens"
    assert {file.stem for file in directory.iterdir()} >= {f"{auth}-right" for auth in TOKENS}
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
