"""Settings: what ``archiver.toml`` and the command line may say, as frozen values.

Reading is in two steps: text becomes a plain table, and the table becomes values, with every
problem of it reported at once. Nothing here opens a file or asks for a password.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from archiver.errors import UsageError

MIB = 1 << 20
GIB = 1 << 30
_UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": GIB}
_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?)(?:i?b)?\s*", re.IGNORECASE)
_SCHEMES = {"pop3s": ("tls", 995), "pop3": ("stls", 110), "pop3+plain": ("plain", 110)}
_LONGEST_SECONDS = 86_400
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A mailbox as ``--server`` names it; ``security`` is ``tls``, ``stls`` or ``plain``."""

    host: str
    port: int
    user: str
    security: str


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a password comes from; at most one is set, with none keyring or terminal are asked."""

    env: str | None = None
    file: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One POP3 mailbox with its policies; sizes are octets, times seconds."""

    name: str
    server: ServerUrl
    password: PasswordSource = PasswordSource()
    ca_file: str | None = None
    mechanism: str = "auto"
    pipelining: str = "auto"
    timeout: float = 60.0
    max_message: int = GIB
    reconnects: int = 5
    tries: int = 5


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where a store is and how objects are to be written there; all but ``url`` concerns S3 only.

    Attributes:
        url: ``s3://bucket/prefix``, a path, ``file:///path``, or ``memory://name`` in tests.
        endpoint: URL of the service if it is not AWS; None leaves it to the AWS configuration.
        region, profile: as the AWS configuration names them; None leaves them to it.
        path_style: the bucket in the path (True) or in the host name (False); None for the path
            with an endpoint and the host name without.
        ca_file: PEM file of authorities to trust instead of the usual ones.
        storage_class: of objects below ``mail/``, such as ``STANDARD_IA``.
        sse: ``AES256``, ``aws:kms`` with ``kms_key``, or None for the bucket's default.
        lock_mode, lock_days: ``GOVERNANCE`` or ``COMPLIANCE``, and days from the write on.
        legal_hold: whether objects are held until a person lifts it.
        tags: names and values put on every object outside ``state/``.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    path_style: bool | None = None
    ca_file: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    kms_key: str | None = None
    lock_mode: str | None = None
    lock_days: int | None = None
    legal_hold: bool = False
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run needs to know.

    ``state`` is the directory of ledger, index and spool; empty until the command line has filled
    in the platform's own. ``workers`` is 0 for one a processor; ``connections`` is how many
    accounts are fetched at once.
    """

    accounts: tuple[AccountSettings, ...]
    store: StoreSettings
    state: str = ""
    spool_limit: int = 2 * GIB
    workers: int = 0
    connections: int = 8


def parse_server(text: str) -> ServerUrl:
    """Reads ``pop3s://user@host[:port]``, ``pop3://…`` (STLS) or ``pop3+plain://…``.

    The last ``@`` separates user from host, so that a mail address may be the user's name; both
    may be percent-encoded.

    Raises:
        UsageError: it cannot be read that way, or holds a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise UsageError(
            f"the server {_without_password(text)!r} has no scheme that we know",
            hint="write pop3s://user@host (TLS), pop3://user@host (STLS)"
            " or pop3+plain://user@host (no TLS)",
        )
    security, port = _SCHEMES[scheme.lower()]
    user, at, address = rest.rpartition("@")
    if not at or not user:
        raise UsageError("the server's URL names no user", hint="write user@host")
    if ":" in user:
        raise UsageError(
            "the server's URL holds a password, which others on this machine could read",
            hint="use --password-env, --password-file or --password-command"
            " (a colon in the user's name is written %3A)",
        )
    host, port = _host_and_port(address.rstrip("/"), port)
    user = unquote(user)
    if _CONTROL.search(user) or _CONTROL.search(host):
        raise UsageError("the server's URL holds a control character")
    return ServerUrl(host=host, port=port, user=user, security=security)


def _without_password(text: str) -> str:
    scheme, separator, rest = text.rpartition("://")
    user, at, address = rest.rpartition("@")
    return scheme + separator + user.partition(":")[0] + at + address


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host = parts.hostname or ""
        port = parts.port or port
    except ValueError:
        host = ""
    if not host or "/" in address or "?" in address or "#" in address:
        raise UsageError(f"the server address {address!r} is not host or host:port")
    return host, port


def account_name(server: ServerUrl) -> str:
    """The id of an account that no file names: ``user@host``, lower case."""
    return f"{server.user}@{server.host}".lower()


def parse_size(text: str | int) -> int:
    """Reads a number of octets such as ``2GiB``, ``500k`` or ``1048576``.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 2GiB or 500k")
    return int(match[1]) * _UNITS[match[2].lower()]


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
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not TOML: {error}") from None
    reader = _Reader()
    settings = reader.settings(table)
    if reader.problems:
        raise UsageError(
            f"{where} cannot be used:\n" + "\n".join(f"  {problem}" for problem in reader.problems),
            hint="archiver init writes a commented example",
        )
    assert settings is not None
    return settings


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
        values = self._section(
            table,
            where,
            {
                "server": "server",
                "password_env": str,
                "password_file": str,
                "password_command": str,
                "ca_file": str,
                "mechanism": str,
                "pipelining": str,
                "timeout": "seconds",
                "max_message": "size",
                "reconnects": int,
                "tries": "count",
            },
        )
        sources = {
            key: values.pop(f"password_{key}")
            for key in ("env", "file", "command")
            if f"password_{key}" in values
        }
        if len(sources) > 1:
            self.problems.append(f"[{where}] names more than one source of its password")
        self._one_of(where, values, "mechanism", ("auto", "plain", "user"))
        self._one_of(where, values, "pipelining", ("auto", "always", "never"))
        if "server" not in values:
            if not any(where in problem for problem in self.problems):
                self.problems.append(f"[{where}] needs a server, such as pop3s://user@host")
            return None
        return AccountSettings(name=name.lower(), password=PasswordSource(**sources), **values)

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
    if kind == "size":
        return parse_size(value)
    if kind == "server":
        return parse_server(str(value))
    if kind == "seconds":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is not a number")
        if not 0 < value < _LONGEST_SECONDS:
            raise ValueError(f"{value!r} is no time to wait")
        return float(value)
    if kind == "count":
        if _convert(value, int) == 0:
            raise ValueError("0 is too few")
        return value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        raise ValueError(f"{value!r} is not {words.get(kind, 'a table')}")
    if kind is int and value < 0:
        raise ValueError(f"{value!r} is negative")
    return value


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
