"""Keeping tokens: in the system's keyring, or in a file below the state directory (mode 0600).

``tokens/<account>.json`` is there in both cases: it holds the tokens, or says that the keyring
does, so that a run where that keyring cannot be reached can say so. It also names whose tokens they
are: they are never sent to another provider than the one that gave them.

A refresh token may be good for one use (RFC 9700 section 4.14.2), so a new one is kept before
anything is done with it, and one process at a time, under ``locked``, may spend one.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from archiver.durable import sync_directory
from archiver.errors import LocalDiskError, LoginRefused
from archiver.format import account_segment
from archiver.oauth.providers import Provider


class Ring(Protocol):
    """The system's keyring."""

    def get(self, name: str) -> str | None:
        """What is kept by this name; None where nothing is, or where there is no keyring."""

    def put(self, name: str, value: str) -> bool:
        """Keeps a value and says whether it is kept."""

    def remove(self, name: str) -> None:
        """Forgets a value, if it is there."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a provider gave.

    Attributes:
        access_token: good for signing in.
        refresh_token: good for the next access token; None where the provider gives none.
        expires_at: when the access token ends, in seconds since the epoch; None where not said.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float | None


class Keeper:
    """Keeps the tokens of one account.

    Args:
        account: the account's id.
        provider: who gives them.
        state: the state directory.
        ring: the system's keyring.
    """

    def __init__(self, account: str, provider: Provider, state: Path, ring: Ring) -> None:
        self._account = account
        self._owner = {"client_id": provider.client_id, "token_url": provider.token_url}
        self._directory = state / "tokens"
        self._path = self._directory / f"{account_segment(account)}.json"
        self._ring = ring

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other threads and processes from spending the same refresh token.

        Raises:
            LocalDiskError: the lock's file cannot be written.
        """
        with self._disk():
            for directory in (self._directory.parent, self._directory):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._path.with_suffix(".lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Token:
        """The tokens that are kept.

        Raises:
            LoginRefused: there are none, or they are of another provider.
            LocalDiskError: they cannot be read.
        """
        found = self._record()
        if not found:
            raise self._refused("nobody has signed in")
        if "owner" not in found:
            raise self._refused("the token that is kept cannot be read")
        if found["owner"] != self._owner:
            raise self._refused("the sign-in was with another client_id or at another provider")
        if entry := found.get("keyring"):
            kept = self._ring.get(str(entry))
            if kept is None:
                raise self._refused("the token is in the keyring, which does not give it here")
            found = _object(kept)
        token = _token(found)
        if token is None:
            raise self._refused("the token that is kept cannot be read")
        return token

    def keep(self, token: Token) -> str:
        """Keeps new tokens, in the keyring where there is one, and says where that is.

        Raises:
            LocalDiskError: the file cannot be written.
        """
        old = self._record().get("keyring")
        # A name of its own: accounts of other state directories may be called alike.
        entry = str(old or f"oauth {self._account} {token_hex(4)}")
        if self._ring.put(entry, json.dumps(_values(token))):
            self._write({"owner": self._owner, "keyring": entry})
            return "the keyring"
        self._write({"owner": self._owner, **_values(token)})
        if old:
            self._ring.remove(entry)
        return str(self._path)

    def replace(self, token: Token) -> None:
        """Keeps refreshed tokens where the ones before them are.

        A file stays a file where a keyring would do: whoever runs there may have no keyring.

        Raises:
            LocalDiskError: the file cannot be written.
        """
        if self._record().get("keyring"):
            self.keep(token)
        else:
            self._write({"owner": self._owner, **_values(token)})

    def remove(self) -> bool:
        """Forgets the tokens and says whether there were any.

        Raises:
            LocalDiskError: they cannot be removed.
        """
        found = self._record()
        if entry := found.get("keyring"):
            self._ring.remove(str(entry))
        with self._disk():
            self._path.unlink(missing_ok=True)
        return bool(found)

    def _record(self) -> dict[str, Any]:
        with self._disk():
            try:
                return _object(self._path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return {}
            except UnicodeDecodeError:
                return _object("")

    def _write(self, record: Mapping[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        with self._disk():
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(record, file)
                    file.flush()
                    os.fsync(descriptor)
                new.rename(self._path)
            except OSError:
                with suppress(OSError):
                    new.unlink()
                raise
            for directory in (self._directory, self._directory.parent):
                sync_directory(directory)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LocalDiskError(
                f"cannot keep tokens in {self._directory}: {error.strerror}",
                hint="free space, or name a directory that you may write with --state",
            ) from error

    def _refused(self, why: str) -> LoginRefused:
        return LoginRefused(why, hint=f"run: archiver login {self._account}")


def _values(token: Token) -> dict[str, Any]:
    return {
        "access_token": token.access_token,
        "refresh_token": token.refresh_token,
        "expires_at": token.expires_at,
    }


def _token(values: Mapping[str, Any]) -> Token | None:
    access, refresh, end = map(values.get, ("access_token", "refresh_token", "expires_at"))
    if not isinstance(access, str) or not isinstance(refresh, str | None):
        return None
    return Token(access, refresh, end) if isinstance(end, int | float | None) else None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": True}
