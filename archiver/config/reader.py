"""Text becomes a plain table, and the table becomes values, with every problem of it at once."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archiver.config.urls import parse_proxy, parse_server
from archiver.config.values import (
    AUTH,
    GIB,
    MIB,
    AccountSettings,
    Deletion,
    OAuthSettings,
    PasswordSource,
    ServerUrl,
    Settings,
    StoreSettings,
)
from archiver.errors import UsageError

_UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": GIB}
_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?)(?:i?b)?\s*", re.IGNORECASE)
_LONGEST_SECONDS = 86_400
_MOST_DAYS = 100_000
_FINGERPRINT = re.compile(r"(?:sha-?256:)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.IGNORECASE)
_SOURCES = ("env", "file", "command")


def parse_size(text: str | int) -> int:
    """Reads a number of octets such as ``2GiB``, ``500k`` or ``1048576``.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 2GiB or 500k")
    return int(match[1]) * _UNITS[match[2].lower()]


def parse_fingerprint(text: str) -> str:
    """Reads the SHA-256 of a certificate, with or without colons, as 64 lower-case hex digits.

    Raises:
        ValueError: it is none.
    """
    match = _FINGERPRINT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not the SHA-256 of a certificate, 64 hex digits")
    return match[1].replace(":", "").lower()


def parse_settings(text: str, where: str) -> Settings:
    """Reads the text of an ``archiver.toml``.

    Args:
        text: what the file holds.
        where: the file's name, for messages.

    Raises:
        UsageError: it cannot be used; every problem is named, one a line.
    """
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is not TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{where} cannot be used: its tables are too deep") from None
    reader = _Reader()
    settings = reader.settings(table)
    if reader.problems:
        raise UsageError(
            f"{where} cannot be used:\n" + "\n".join(f"  {problem}" for problem in reader.problems),
            hint="archiver init writes a commented example",
        )
    assert settings is not None
    return settings


def read_account(name: str, table: Mapping[str, Any]) -> AccountSettings:
    """An account from options that were given one by one, named as in a file.

    Raises:
        UsageError: they cannot be used; every problem is named, one a line.
    """
    reader = _Reader()
    account = reader.account(name, table, "options")
    if reader.problems:
        raise UsageError(
            "\n".join(problem.replace("[options] ", "") for problem in reader.problems)
        )
    assert account is not None
    return account


def read_deletion(base: Deletion, table: Mapping[str, Any]) -> Deletion:
    """What may be deleted, where options that were given one by one win over ``base``.

    Raises:
        UsageError: they cannot be used; every problem is named, one a line.
    """
    reader = _Reader()
    chosen = reader.deletion(table, "options")
    if reader.problems:
        raise UsageError(
            "\n".join(problem.replace("[options] ", "") for problem in reader.problems)
        )
    return replace(base, **chosen)


_DELETION = {
    "delete": str,
    "delete_proof": str,
    "after_days": "days",
    "keep_latest": int,
    "larger_than": "size",
    "max_delete": int,
    "delete_despite_lifecycle": bool,
}
_ACCOUNT = {
    "server": "server",
    "password_env": str,
    "password_file": str,
    "password_command": str,
    "auth": str,
    "authzid": str,
    "cleartext_password": bool,
    "oauth": dict,
    "ca_file": str,
    "tls_min": str,
    "tls_fingerprint": "fingerprint",
    "client_cert": str,
    "client_key": str,
    "proxy": "proxy",
    "proxy_password_env": str,
    "proxy_password_file": str,
    "proxy_password_command": str,
    "pipelining": str,
    "login_delay": "delay",
    "timeout": "seconds",
    "max_message": "size",
    "reconnects": int,
    "tries": "count",
    **_DELETION,
}
_OAUTH = {
    "provider": str,
    "client_id": str,
    "client_secret_env": str,
    "client_secret_file": str,
    "client_secret_command": str,
    "authorization_url": str,
    "token_url": str,
    "device_url": str,
    "scope": str,
    "tenant": str,
}


@dataclass
class _Reader:
    """Turns tables into values and gathers what is wrong with them."""

    problems: list[str] = field(default_factory=list)

    def settings(self, table: Mapping[str, Any]) -> Settings | None:
        top = self._section(
            table,
            "",
            {
                "store": dict,
                "accounts": dict,
                "state": str,
                "spool_limit": "size",
                "workers": int,
                "connections": int,
                "signing_key": str,
                "trusted_keys": "texts",
            },
        )
        store = self._store(top.pop("store", {}))
        accounts = [
            account
            for name, section in top.pop("accounts", {}).items()
            if (account := self._account(name, section)) is not None
        ]
        names = [account.name for account in accounts]
        self.problems += [f"account {name} is there twice" for name in _repeated(names)]
        if not accounts and not self.problems:
            self.problems.append("it has no [accounts.NAME]")
        if store is None:
            return None
        return Settings(accounts=tuple(accounts), store=store, **top)

    def _store(self, table: Mapping[str, Any]) -> StoreSettings | None:
        values = self._section(
            table,
            "store",
            {
                "url": str,
                "endpoint": str,
                "region": str,
                "profile": str,
                "path_style": bool,
                "ca_file": str,
                "storage_class": str,
                "sse": str,
                "kms_key": str,
                "lock_mode": str,
                "lock_days": int,
                "legal_hold": bool,
                "tags": dict,
            },
        )
        tags = values.pop("tags", {})
        if "url" not in values:
            self.problems.append('[store] needs a url, such as "s3://bucket/prefix"')
            return None
        pairs = tuple(sorted((key, str(value)) for key, value in tags.items()))
        return StoreSettings(tags=pairs, **values)

    def _account(self, name: str, table: Any) -> AccountSettings | None:
        where = f"accounts.{name}"
        if not name:
            self.problems.append("an account has no name")
            return None
        if not isinstance(table, dict):
            self.problems.append(f"[{where}] is not a table")
            return None
        return self.account(name, table, where)

    def account(self, name: str, table: Mapping[str, Any], where: str) -> AccountSettings | None:
        before = len(self.problems)
        values = self._section(table, where, _ACCOUNT)
        values["password"] = self._source(values, where, "password")
        values["proxy_password"] = self._source(values, where, "proxy_password")
        if "oauth" in values:
            values["oauth"] = self._oauth(values["oauth"], f"{where}.oauth")
        self._one_of(where, values, "auth", AUTH)
        self._one_of(where, values, "pipelining", ("auto", "always", "never"))
        self._one_of(where, values, "tls_min", ("1.2", "1.0", "1.1", "1.3"))
        self._belongs(where, values)
        chosen = {key: values.pop(key) for key in _DELETION if key in values}
        self._judge_deletion(chosen, where)
        values["deletion"] = Deletion(**chosen)
        if "server" not in values:
            if len(self.problems) == before:
                self.problems.append(f"[{where}] needs a server, such as pop3s://user@host")
            return None
        return AccountSettings(name=name.lower(), **values)

    def deletion(self, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        chosen = self._section(table, where, _DELETION)
        self._judge_deletion(chosen, where)
        return chosen

    def _judge_deletion(self, chosen: Mapping[str, Any], where: str) -> None:
        self._one_of(where, chosen, "delete", ("never", "verified"))
        self._one_of(where, chosen, "delete_proof", ("read", "checksum"))

    def _belongs(self, where: str, values: Mapping[str, Any]) -> None:
        """What one setting needs another one for."""
        auth = values.get("auth")
        if auth in ("xoauth2", "oauthbearer") and values.get("oauth") is None:
            self.problems.append(f"[{where}] auth = {auth!r} needs a table [{where}.oauth]")
        if auth == "external" and "client_cert" not in values:
            self.problems.append(f"[{where}] auth = 'external' needs a client_cert")
        if "client_key" in values and "client_cert" not in values:
            self.problems.append(f"[{where}] client_key needs a client_cert")

    def _source(self, values: dict[str, Any], where: str, name: str) -> PasswordSource:
        """Takes ``name_env``, ``name_file`` and ``name_command`` out of the values."""
        found = {
            kind: values.pop(f"{name}_{kind}") for kind in _SOURCES if f"{name}_{kind}" in values
        }
        if len(found) > 1:
            what = name.replace("_", " ")
            self.problems.append(f"[{where}] names more than one source of its {what}")
        return PasswordSource(**found)

    def _oauth(self, table: Mapping[str, Any], where: str) -> OAuthSettings | None:
        before = len(self.problems)
        values = self._section(table, where, _OAUTH)
        values["client_secret"] = self._source(values, where, "client_secret")
        self._one_of(where, values, "provider", ("custom", "google", "microsoft"))
        if "client_id" not in values:
            self.problems.append(f"[{where}] needs a client_id, which the provider gives")
        if values.get("provider", "custom") == "custom":
            missing = [key for key in ("token_url", "scope") if key not in values]
            if "authorization_url" not in values and "device_url" not in values:
                missing.append("authorization_url or device_url")
            if missing:
                self.problems.append(
                    f"[{where}] needs {', '.join(missing)}, or provider google or microsoft"
                )
        return OAuthSettings(**values) if len(self.problems) == before else None

    def _one_of(
        self, where: str, values: Mapping[str, Any], key: str, allowed: tuple[str, ...]
    ) -> None:
        if values.get(key, allowed[0]) not in allowed:
            self.problems.append(f"[{where}] {key} is one of {', '.join(allowed)}")

    def _section(
        self, table: Mapping[str, Any], where: str, kinds: Mapping[str, Any]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        place = f"[{where}] " if where else ""
        for key, value in table.items():
            if key not in kinds:
                known = ", ".join(sorted(kinds))
                self.problems.append(f"{place}{key} is no setting; known are: {known}")
                continue
            try:
                values[key] = _convert(value, kinds[key])
            except (ValueError, UsageError) as error:
                self.problems.append(f"{place}{key}: {error}")
        return values


def _convert(value: Any, kind: Any) -> Any:
    if kind in _READ:
        return _READ[kind](value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        raise ValueError(f"{value!r} is not {words.get(kind, 'a table')}")
    if kind is int and value < 0:
        raise ValueError(f"{value!r} is negative")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    if not 0 < value < _LONGEST_SECONDS:
        raise ValueError(f"{value!r} is no time to wait")
    return float(value)


def _delay(value: Any) -> float | None:
    if value == "server":
        return None
    # On a command line a number is a text.
    given = float(value) if isinstance(value, str) and value.isdecimal() else value
    return 0.0 if given == 0 and not isinstance(given, bool) else _seconds(given)


def _days(value: Any) -> float:
    # On a command line a number is a text.
    given = float(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < _MOST_DAYS:
        raise ValueError(f"{value!r} is no number of days")
    return float(given)


def _count(value: Any) -> Any:
    if _convert(value, int) == 0:
        raise ValueError("0 is too few")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{value!r} is no list of texts")
    return tuple(value)


_READ: Mapping[Any, Callable[[Any], Any]] = {
    "size": parse_size,
    "server": lambda value: value if isinstance(value, ServerUrl) else parse_server(str(value)),
    "proxy": lambda value: parse_proxy(str(value)),
    "fingerprint": lambda value: parse_fingerprint(str(value)),
    "seconds": _seconds,
    "delay": _delay,
    "count": _count,
    "days": _days,
    "texts": _texts,
}
"""How a setting is read whose kind is not simply a type of TOML."""


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
