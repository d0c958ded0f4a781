"""Passwords: found where the settings say, never shown, never kept.

In this order: the named source; the system's keyring (service ``archiver``, user ``user@host``);
a person at a terminal. The door to keyring is here.
"""

import getpass
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from archiver.config import AccountSettings, PasswordSource, account_name
from archiver.errors import LoginRefused, UsageError

_COMMAND_SECONDS = 60
_SERVICE = "archiver"


def password(account: AccountSettings) -> str:
    """The password of an account.

    Raises:
        UsageError: its source is missing, fails or gives nothing.
        LoginRefused: there is no source and nobody to ask.
    """
    found = from_source(account.password)
    return found or _from_keyring(account_name(account.server)) or _ask(account)


def from_source(source: PasswordSource) -> str | None:
    """What a named source gives, None where none is named.

    Raises:
        UsageError: it is missing, fails or gives nothing.
    """
    if source.env is not None:
        return _from_environment(source.env)
    if source.file is not None:
        return _from_file(Path(source.file).expanduser())
    if source.command is not None:
        return _from_command(source.command)
    return None


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(
            f"the environment has no variable {name}",
            hint="export it, without it in a command line",
        )
    return value


def _from_file(path: Path) -> str:
    try:
        return _first_line(path.read_text(encoding="utf-8"), f"the file {path}")
    except OSError as error:
        raise UsageError(f"the password file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the password file {path} is not UTF-8") from None


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S602 - a shell command is what the setting is
            command,
            shell=True,
            check=True,
            stdout=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise UsageError(f"the password command ended with status {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"the password command took over {_COMMAND_SECONDS} s") from None
    except UnicodeDecodeError:
        raise UsageError("the password command printed something that is not UTF-8") from None
    return _first_line(done.stdout, "the password command's output")


def _first_line(text: str, where: str) -> str:
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise UsageError(f"{where} has no password in its first line")
    return line


def _from_keyring(user: str) -> str | None:
    # Keyring looks for a desktop's services when it is imported, which few servers have.
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, user)
    except KeyringError:
        return None


def _ask(account: AccountSettings) -> str:
    if not sys.stdin.isatty():
        raise LoginRefused(
            f"no password for {account_name(account.server)}",
            hint="use --password-env, --password-file or --password-command,"
            f" or keyring set {_SERVICE} {account_name(account.server)}",
        )
    return getpass.getpass(f"Password of {account_name(account.server)}: ")


class SystemKeyring:
    """The system's keyring, for what is kept there by a name, where there is one."""

    def get(self, name: str) -> str | None:
        """What is kept by this name; None where nothing is, or where there is no keyring."""
        return _from_keyring(name)

    def put(self, name: str, value: str) -> bool:
        """Keeps a value and says whether it is kept."""
        import keyring
        from keyring.errors import KeyringError

        try:
            keyring.set_password(_SERVICE, name, value)
        except KeyringError:
            return False
        # A keyring that is switched off takes everything and keeps nothing.
        return _from_keyring(name) == value

    def remove(self, name: str) -> None:
        """Forgets a value, if it is there."""
        import keyring
        from keyring.errors import KeyringError

        with suppress(KeyringError):
            keyring.delete_password(_SERVICE, name)
