from collections.abc import Callable, Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from archiver.secrets import SystemKeyring

Use = Callable[[KeyringBackend], SystemKeyring]


class Memory(KeyringBackend):
    """A keyring that holds what it is given, while it is open."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError

    def _open(self) -> None:
        if self.locked:
            raise KeyringLocked


@pytest.fixture
def use() -> Iterator[Use]:
    """Takes a keyring in place of the machine's, for this test."""
    before = keyring.get_keyring()

    def take(backend: KeyringBackend) -> SystemKeyring:
        keyring.set_keyring(backend)
        return SystemKeyring()

    yield take
    keyring.set_keyring(before)


def test_kept_and_removed(use: Use) -> None:
    """What is kept is there until it is removed, and removing it again changes nothing."""
    ring = use(Memory())
    assert ring.put("oauth work", "token")
    assert ring.get("oauth work") == "token"
    ring.remove("oauth work")
    ring.remove("oauth work")
    assert ring.get("oauth work") is None


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
def test_no_keyring(use: Use, backend: type[KeyringBackend]) -> None:
    """Where there is no keyring, or one that is switched off, nothing is kept, and that is said."""
    ring = use(backend())
    assert not ring.put("oauth work", "token")
    assert ring.get("oauth work") is None
    ring.remove("oauth work")


def test_locked(use: Use) -> None:
    """A locked keyring keeps nothing and gives nothing."""
    memory = Memory()
    ring = use(memory)
    ring.put("oauth work", "token")
    memory.locked = True
    assert not ring.put("oauth work", "other")
    assert ring.get("oauth work") is None
    ring.remove("oauth work")
    memory.locked = False
    assert ring.get("oauth work") == "token"
