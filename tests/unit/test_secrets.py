import sys
from pathlib import Path

import keyring
import pytest
from keyring.errors import KeyringLocked

from archiver.config import AccountSettings, PasswordSource, ServerUrl
from archiver.errors import LoginRefused, UsageError
from archiver.secrets import password

SERVER = ServerUrl("Example.com", 995, "Me", "tls")


def account(**source: str) -> AccountSettings:
    """An account whose password has this source."""
    return AccountSettings("me", SERVER, PasswordSource(**source))


class Ring:
    """A keyring that holds one password, or is locked."""

    locked = False

    def get_password(self, service: str, username: str) -> str | None:
        """The password of this one user."""
        if self.locked:
            raise KeyringLocked
        return "from ring" if (service, username) == ("archiver", "me@example.com") else None


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    """A keyring instead of the machine's, and nobody at the terminal."""
    made = Ring()
    monkeypatch.setattr(keyring, "get_password", made.get_password)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    return made


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password comes from the variable that is named, as it stands there."""
    monkeypatch.setenv("MAIL_PASSWORD", " p w ")
    assert password(account(env="MAIL_PASSWORD")) == " p w "


@pytest.mark.parametrize("value", [None, ""])
def test_empty_environment(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """A variable that is not there or empty is said by its name."""
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("MAIL_PASSWORD", value)
    with pytest.raises(UsageError, match="MAIL_PASSWORD"):
        password(account(env="MAIL_PASSWORD"))


@pytest.mark.parametrize("text", ["geheim ü", "geheim ü\n", "geheim ü\r\nsecond line\n"])
def test_file(tmp_path: Path, text: str) -> None:
    """A file's first line is the password, without its line end."""
    path = tmp_path / "password"
    path.write_bytes(text.encode())
    assert password(account(file=str(path))) == "geheim ü"


@pytest.mark.parametrize("octets", [None, b"", b"\nhidden\n", b"hidden\xff"], ids=range(4))
def test_unusable_file(tmp_path: Path, octets: bytes | None) -> None:
    """A file without a password is refused, and nothing of it is shown."""
    path = tmp_path / "password"
    if octets is not None:
        path.write_bytes(octets)
    with pytest.raises(UsageError) as caught:
        password(account(file=str(path)))
    assert "hidden" not in str(caught.value)


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tilde in a file's name is the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "password").write_text("pw")
    assert password(account(file="~/password")) == "pw"


def test_command() -> None:
    """The first line that a shell command prints is the password."""
    assert password(account(command="printf 'p w\\nuser: me\\n'")) == "p w"


@pytest.mark.parametrize(
    "command", ["echo secret; exit 3", "true", "printf 'secret\\377'", "no-such-command-anywhere"]
)
def test_failing_command(command: str) -> None:
    """A command that fails or prints nothing of use is refused, and its output not shown."""
    with pytest.raises(UsageError) as caught:
        password(account(command=command))
    assert "secret" not in str(caught.value)


def test_keyring(ring: Ring) -> None:
    """Without a source the system's keyring is asked for user@host."""
    assert password(account()) == "from ring"


def test_locked_keyring(ring: Ring) -> None:
    """A keyring that is locked and nobody to ask is a login that cannot be tried."""
    ring.locked = True
    with pytest.raises(LoginRefused, match="no password for me@") as caught:
        password(account())
    assert "--password-env" in caught.value.hint


def test_terminal(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal is asked last."""
    ring.locked = True
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    assert password(account()) == "typed at Password of me@example.com: "
