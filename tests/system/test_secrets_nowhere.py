"""Secrets are nowhere but where a person put them, however somebody signs in.

One file of settings has two accounts for each way to sign in, one with the right secret and one
with a wrong one. Commands run with every logger at DEBUG, the first of them in Python's development
mode. Then each secret, and whatever a client said on the wire to prove it, is looked for in all
that was printed, in every file that was written, and in what the system shows of our processes.
"""

import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import pytest
from command import Archiver

from archiver.config import AUTH
from infra.authorization import Authorization
from infra.dovecot import Dovecot
from infra.fuzz.discretion import confided
from infra.relay import Relay
from infra.traces import traces

STATE, STORE, KEPT = "state", "archive", "kept"
TOKENS = ("xoauth2", "oauthbearer")
# The name in the client's certificate.
CERTIFIED = "user"
LETTER = b"From: a@example.com\r\nSubject: hello\r\n\r\ntext\r\n"
VERBOSE = """
import logging
logging.basicConfig(level=logging.DEBUG)
logging.debug("everything is logged")
"""
BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
OAUTH = """
[accounts.{name}.oauth]
client_id = "{client}"
client_secret_file = "{kept}/client"
authorization_url = "{url}/authorize"
token_url = "{url}/token"
scope = "mail"
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
        """At the server."""
        return CERTIFIED if self.auth == "external" and self.right else self.name

    @property
    def password(self) -> str:
        """What it gives out for the password."""
        return f"hörse, = '{self.name}' battery"

    @property
    def code(self) -> int:
        """How a command for this account ends."""
        return 0 if self.right else 4


ACCOUNTS = [Account(auth, right) for auth in AUTH for right in (True, False)]


class Watch:
    """Looks at what the system shows of processes and of those that they start."""

    def __init__(self, *pids: int) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen: set[bytes] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for one in self._processes:
                with suppress(psutil.NoSuchProcess, OSError):
                    for each in (one, *one.children(recursive=True)):
                        place = Path("/proc", str(each.pid))
                        self.seen |= {
                            (place / name).read_bytes() for name in ("cmdline", "environ")
                        }


@dataclass
class Household:
    """All accounts on one machine, and all that could be seen of them so far."""

    archiver: Archiver
    relay: Relay
    authority: Authorization
    seen: set[bytes] = field(default_factory=set)

    def __call__(self, *commands: tuple[str, ...], code: int) -> str:
        """Runs commands side by side to their ends, which must be with this exit code.

        Returns:
            What they said to people.
        """
        started = [self.archiver.start(*command, "--state", STATE) for command in commands]
        with Watch(*(process.pid for process in started)) as watch:
            ended = [process.communicate(timeout=120) for process in started]
        self.seen |= watch.seen.union(*({text.encode() for text in texts} for texts in ended))
        said = "".join(stderr for _, stderr in ended)
        assert [process.returncode for process in started] == [code] * len(commands), said
        return said

    @property
    def said(self) -> bytes:
        """All that our side said to the server on connections that can be read."""
        return b"\r\n".join(b"".join(one.said) for one in self.relay.recordings)

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every file but those where secrets belong."""
        home = self.archiver.home
        for path in home.rglob("*"):
            top = path.relative_to(home).parts[:2]
            if path.is_file() and top[0] != KEPT and top != (STATE, "tokens"):
                yield path, path.read_bytes()


@pytest.fixture(scope="module")
def authority() -> Iterator[Authorization]:
    """The authorization server that the mail server believes."""
    with Authorization() as server:
        yield server


@pytest.fixture(scope="module")
def server(
    dovecot: Dovecot, authority: Authorization, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dovecot]:
    """A real mail server with every way to sign in."""
    del dovecot  # asked for to know whether there is any
    place = tmp_path_factory.mktemp("all-ways")
    url = authority.introspection_url
    with Dovecot(place, introspection_url=url, every_sign_in=True) as started:
        for account in ACCOUNTS:
            password = account.password if account.right else "another password"
            started.add_user(account.user, password)
            started.add(account.user, [LETTER])
        yield started


@pytest.fixture(scope="module")
def household(
    server: Dovecot, authority: Authorization, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Household]:
    """Every account signed in, archived and examined, as far as each can be."""
    home = tmp_path_factory.mktemp("household")
    (home / KEPT).mkdir()
    (home / KEPT / "sitecustomize.py").write_text(VERBOSE)
    (home / KEPT / "browser.py").write_text(BROWSER)
    (home / KEPT / "client").write_text(f"{authority.client_secret}\n")
    environment = {
        "BROWSER": f"{sys.executable} {home / KEPT / 'browser.py'} %s",
        "PYTHONDEVMODE": "1",
        "PYTHONPATH": str(home / KEPT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    with Relay(server.port) as relay:
        (home / "archiver.toml").write_text(_settings(home, relay.port, server, authority))
        made = Household(Archiver(home, environment), relay, authority)
        for account in ACCOUNTS:
            if account.auth in TOKENS:
                made(("login", account.name), code=0)
                if not account.right:
                    authority.revoke(account.user)
        assert made(("run",), code=4).count("cannot sign in") >= len(AUTH) - len(TOKENS)
        made(("doctor",), code=4)
        # It takes as much time again, and there are many commands to come.
        made.archiver.environment["PYTHONDEVMODE"] = ""
        yield made


def _settings(home: Path, port: int, server: Dovecot, authority: Authorization) -> str:
    """The file of settings; right secrets come from a file, wrong ones from a command."""
    lines = [f'[store]\nurl = "./{STORE}"']
    for account in ACCOUNTS:
        (home / KEPT / account.name).write_text(f"{account.password}\n")
        secret = f"{KEPT}/{account.name}"
        lines.append(f'[accounts.{account.name}]\nauth = "{account.auth}"')
        if account.auth == "external":
            lines += [
                f'server = "pop3s://{account.user}@127.0.0.1:{server.tls_port}"',
                f'ca_file = "{server.ca_file}"',
                f'client_cert = "{server.directory}/client.pem"',
                f'client_key = "{server.directory}/client.key"',
                # A certificate opens its owner's mailbox and no other.
                *([] if account.right else [f'authzid = "{account.user}"']),
            ]
            continue
        lines.append(f'server = "pop3+plain://{account.user}@127.0.0.1:{port}"')
        if account.auth in TOKENS:
            values = {"name": account.name, "client": authority.client_id, "kept": KEPT}
            lines.append(OAUTH.format(url=authority.url, **values))
        elif account.right:
            lines.append(f'password_file = "{secret}"')
        else:
            # Long enough to be seen.
            lines.append(f'password_command = "sleep 0.2; cat {secret}"')
    return "\n".join(lines) + "\n"


def _secrets(household: Household, account: Account, server: Dovecot) -> set[bytes]:
    """Every form of what this account proves itself with, and all that went over the wire."""
    found = set(confided(household.said))
    if account.auth == "external":
        key = (server.directory / "client.key").read_text().split("-----")[2]
        return found | {line.encode() for line in key.split()}
    if account.auth not in TOKENS:
        return found | traces(account.password)
    issued = [one for one in household.authority.issued if one.user == account.user]
    assert issued
    told = [str(household.authority.client_secret)]
    told += [token for one in issued for token in (one.access_token, one.refresh_token) if token]
    return found.union(*map(traces, told))


@pytest.mark.parametrize("account", ACCOUNTS, ids=[account.name for account in ACCOUNTS])
def test_secrets_are_nowhere(household: Household, server: Dovecot, account: Account) -> None:
    """No secret is printed, logged, kept beside the mail, or shown by the system."""
    pop = ("pop", account.name, "--exec", "STAT")
    household(pop, ("peek", account.name), code=account.code)
    secrets = _secrets(household, account, server)
    for seen in household.seen:
        assert not [secret for secret in secrets if secret in seen], seen
    for path, octets in household.written():
        assert not [secret for secret in secrets if secret in octets], path


def test_this_would_find_one(household: Household, server: Dovecot) -> None:
    """What is looked for was said on the wire, and what is looked at has everything in it."""
    said = household.said
    for account in ACCOUNTS:
        if account.auth in ("plain", "user", "login", *TOKENS):
            assert any(secret in said for secret in _secrets(household, account, server))
    assert len(list(confided(said))) > 2 * len(ACCOUNTS)
    shown = b"\n".join(household.seen)
    for part in (
        b"\0-m\0archiver\0run",
        b"PYTHONDEVMODE=1",
        b"DEBUG:root:",
        b"cat kept/plain-wrong",
    ):
        assert part in shown
    files = {path.relative_to(household.archiver.home).parts[0] for path, _ in household.written()}
    assert files >= {STATE, STORE}
    assert any(path.name == "ledger.db" for path, _ in household.written())


def test_tokens_are_for_their_owner(household: Household) -> None:
    """Tokens lie in files that only their owner may read."""
    files = list((household.archiver.home / STATE / "tokens").glob("*.json"))
    assert {file.stem for file in files} >= {f"{auth}-right" for auth in TOKENS}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
