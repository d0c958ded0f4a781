import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from by_hand import objects_in_directory
from command import Archiver, one_clear_line

from infra.authorization import Authorization
from infra.dovecot import Dovecot
from infra.dovecot_imap import DovecotImap

CONFIG = """
[store]
url = "./archive"

[accounts.work]
server = "pop3+plain://{user}@127.0.0.1:{port}"
auth = "{auth}"

[accounts.work.oauth]
client_id = "{client_id}"
client_secret_env = "CLIENT_SECRET"
authorization_url = "{url}/authorize"
token_url = "{url}/token"
device_url = "{url}/device"
scope = "mail"
"""
BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
_numbers = count(1)


@pytest.fixture
def authority() -> Iterator[Authorization]:
    """An authorization server of this test alone."""
    with Authorization() as server:
        yield server


@dataclass
class Owner:
    """Whoever owns the account ``work``, with a machine that has a browser and no keyring."""

    archiver: Archiver
    authority: Authorization
    home: Path

    @property
    def tokens(self) -> Path:
        """Where the tokens lie."""
        return self.home / "state" / "tokens" / "work.json"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts to sign in on a machine without a browser."""
        surroundings = {"BROWSER": ""}
        return self.archiver.start(
            "login", "work", "--state", "state", *arguments, environment=surroundings
        )

    def login(self) -> str:
        """Signs in with the browser; what the person read."""
        return self.archiver("login", "WORK", "--state", "state").stderr

    def run(self, code: int = 0) -> str:
        """Archives; what the person read."""
        return self.archiver("run", "--state", "state", code=code).stderr


def owner_of(
    home: Path, authority: Authorization, user: str = "me", port: int = 110, auth: str = "xoauth2"
) -> Owner:
    """An owner, with settings for this mailbox."""
    values = {"user": user, "port": port, "auth": auth}
    home.joinpath("archiver.toml").write_text(
        CONFIG.format(url=authority.url, client_id=authority.client_id, **values)
    )
    script = home / "browser.py"
    script.write_text(BROWSER)
    environment = {
        "BROWSER": f"{sys.executable} {script} %s",
        "CLIENT_SECRET": str(authority.client_secret),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    return Owner(Archiver(home, environment), authority, home)


@pytest.fixture
def owner(tmp_path: Path, authority: Authorization) -> Owner:
    """An owner whose mailbox is not asked for."""
    return owner_of(tmp_path, authority)


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """The lines that a command says, up to the one with these words."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(lines)


def test_browser(owner: Owner) -> None:
    """A person signs in with a browser; the tokens lie in a file that only they may read."""
    lines = owner.login().splitlines()
    assert lines[0] == "Open this address and sign in as me:"
    assert lines[1].startswith(owner.authority.authorization_url)
    assert lines[-1] == f"work is signed in; the token is kept in {owner.tokens}"
    assert stat.S_IMODE(owner.tokens.stat().st_mode) == 0o600
    kept = json.loads(owner.tokens.read_text())
    assert kept["refresh_token"] == owner.authority.issued[0].refresh_token


@pytest.mark.parametrize("arguments", [(), ("--device",)])
def test_device(owner: Owner, arguments: tuple[str, ...]) -> None:
    """Without a browser, or when asked, a code is shown, to be entered on another device."""
    process = owner.start(*arguments)
    lines = read_until(process, "enter the code")
    owner.authority.decide(lines[-1].rpartition(" ")[2])
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "work is signed in" in said
    assert (lines[0] == "There is no browser here: any other device will do.") == (not arguments)


def test_denied(owner: Owner) -> None:
    """A person who does not allow it ends the sign-in with the code of a refused login."""
    owner.authority.consent = False
    done = owner.archiver("login", "work", "--state", "state", code=4)
    assert one_clear_line(done).startswith("work is not signed in: access_denied")


def test_interrupt(owner: Owner) -> None:
    """Ctrl-C ends the waiting."""
    process = owner.start("--device")
    try:
        read_until(process, "Ctrl-C")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said


def test_forget(owner: Owner) -> None:
    """What was kept is removed when asked, and the person is told what that does not do."""
    owner.login()
    forget = ("login", "work", "--forget", "--state", "state")
    assert "the token is removed here" in owner.archiver(*forget).stderr
    assert not owner.tokens.exists()
    assert owner.archiver(*forget).stderr == "work: there is no token here\n"


def test_unknown_account(owner: Owner) -> None:
    """An account that is not in the file is said, with those that are."""
    done = owner.archiver("login", "home", code=2)
    assert one_clear_line(done) == "archiver.toml has no account home"
    assert "it has work" in done.stderr


def test_no_file(tmp_path: Path) -> None:
    """Without a file of settings there is nobody to sign in."""
    done = Archiver(tmp_path)("login", "work", code=2)
    assert one_clear_line(done).startswith("there is no archiver.toml here")


def test_account_with_a_password(owner: Owner) -> None:
    """An account without OAuth is told what is missing."""
    settings = owner.home / "archiver.toml"
    text = settings.read_text().partition("[accounts.work.oauth]")[0]
    settings.write_text(text.replace('auth = "xoauth2"', ""))
    done = owner.archiver("login", "work", code=2)
    assert one_clear_line(done) == "account work has no OAuth settings"


@pytest.fixture(scope="module")
def provider() -> Iterator[Authorization]:
    """The authorization server that the mail server believes."""
    with Authorization() as server:
        yield server


@pytest.fixture(scope="module")
def guarded(
    dovecot_imap: DovecotImap, provider: Authorization, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DovecotImap]:
    """A real mail server that takes access tokens."""
    del dovecot_imap  # asked for to know whether there is any
    place = tmp_path_factory.mktemp("guarded")
    with DovecotImap(place, introspection_url=provider.introspection_url) as server:
        yield server


@pytest.fixture
def stranger(
    tmp_path: Path, provider: Authorization, guarded: Dovecot
) -> Iterator[Callable[..., Owner]]:
    """Makes an owner who has not signed in yet, of a mailbox with messages."""

    def make(auth: str = "xoauth2", lifetime: int = 3600) -> Owner:
        user = f"owner{next(_numbers)}"
        guarded.add_user(user, "not known to anybody")
        guarded.add(user, [b"Subject: %d\r\n\r\ntext\r\n" % number for number in range(12)])
        provider.lifetime = lifetime
        return owner_of(tmp_path, provider, user, guarded.port, auth)

    yield make
    provider.lifetime = 3600


@pytest.fixture
def signed_in(stranger: Callable[..., Owner]) -> Callable[..., Owner]:
    """Makes an owner who has signed in, of a mailbox with messages."""

    def make(auth: str = "xoauth2", lifetime: int = 3600) -> Owner:
        made = stranger(auth, lifetime)
        made.login()
        return made

    return make


def archived(owner: Owner) -> int:
    """How many messages are in the archive."""
    return sum(key.endswith(".eml") for key in objects_in_directory(owner.home / "archive"))


def test_nobody_signed_in(stranger: Callable[..., Owner]) -> None:
    """A run before anybody signed in says what to run."""
    said = stranger().run(code=4)
    assert "nobody has signed in" in said
    assert "run: archiver login work" in said


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer", "auto"])
def test_archives_with_a_token(signed_in: Callable[..., Owner], auth: str) -> None:
    """Once signed in, a run archives the mailbox of a real server without any password."""
    owner = signed_in(auth)
    owner.run()
    assert archived(owner) == 12


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer", "auto"])
def test_restores_with_a_token(
    signed_in: Callable[..., Owner], guarded: DovecotImap, provider: Authorization, auth: str
) -> None:
    """What was archived is restored over IMAP with the tokens of an account, renewed where due."""
    owner = signed_in()
    owner.run()
    provider.expire()
    user = provider.issued[-1].user
    url = f"imap+plain://{user}@127.0.0.1:{guarded.imap_port}/Archive"
    restore = ("restore", url, "--oauth", "work", "--auth", auth, "--state", "state", "--json")
    assert owner.archiver(*restore).record["appended"] == 12
    assert owner.archiver(*restore).record["known"] == 12


def test_refreshes_between_runs(
    signed_in: Callable[..., Owner], provider: Authorization, guarded: Dovecot
) -> None:
    """Tokens that have ended since the last run are refreshed by the next one, again and again."""
    owner = signed_in(lifetime=1)
    before = provider.refreshes()
    for expected in (12, 13, 14):
        owner.run()
        assert archived(owner) == expected
        user = provider.issued[-1].user
        guarded.add(user, [b"Subject: %d\r\n\r\ntext\r\n" % expected])
    assert provider.refreshes() - before >= 3


def test_refreshes_what_the_server_refuses(
    signed_in: Callable[..., Owner], provider: Authorization
) -> None:
    """A token that the mail server no longer takes is refreshed in the same run."""
    owner = signed_in()
    provider.expire()
    owner.run()
    assert archived(owner) == 12


def test_revoked(signed_in: Callable[..., Owner], provider: Authorization) -> None:
    """When the person has taken the right back, the run says that they must sign in again."""
    owner = signed_in()
    owner.run()
    provider.revoke(provider.issued[-1].user)
    said = owner.run(code=4)
    assert "run: archiver login work" in said
    owner.login()
    owner.run()


def test_no_token_lies_around(signed_in: Callable[..., Owner], provider: Authorization) -> None:
    """Tokens are in their file, and in nothing else that a run writes or says."""
    owner = signed_in(lifetime=1)
    said = owner.run()
    secrets = [str(provider.client_secret).encode()]
    for one in provider.issued:
        secrets += [one.access_token.encode(), str(one.refresh_token).encode()]
    files = [path for path in owner.home.rglob("*") if path.is_file() and path != owner.tokens]
    for octets in [said.encode(), *(path.read_bytes() for path in files)]:
        assert not any(secret in octets for secret in secrets)
