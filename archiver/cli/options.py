"""Options that several verbs share, and how they become settings.

With ``--server`` the options alone say everything; without it ``archiver.toml`` does, and
``--store``, ``--state`` and the limits given here win over it.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from archiver.cli.takes import Given, Group
from archiver.config import (
    AUTH,
    AccountSettings,
    Settings,
    StoreSettings,
    account_name,
    parse_server,
    parse_settings,
    parse_size,
    read_account,
)
from archiver.errors import UsageError
from archiver.signing import is_key

CONFIG_NAME = "archiver.toml"

Accounts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ACCOUNT]...", help="Accounts of archiver.toml; all of them if none."),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A mailbox without a file: pop3s://user@host[:port] (TLS), pop3:// (STLS) or"
        " pop3+plain:// (no TLS).",
    ),
]
Store = Annotated[
    str | None, typer.Option(metavar="URL", help="s3://bucket/prefix, or a directory.")
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Ledger, index and spool; default: the user's data directory."
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Default: ./archiver.toml.")
]
PasswordEnv = Annotated[
    str | None, typer.Option(metavar="NAME", help="Environment variable with the password.")
]
PasswordFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File whose first line is the password.")
]
PasswordCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="Shell command that prints the password.")
]
Auth = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="How to sign in: " + ", ".join(AUTH) + "."),
]
Authzid = Annotated[
    str | None, typer.Option(metavar="USER", help="Open this user's mailbox, as an administrator.")
]
CleartextPassword = Annotated[
    bool | None,
    typer.Option("--cleartext-password", help="Without TLS, send the password all the same."),
]
CaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM authorities for the mail server.")
]
TlsMin = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Oldest TLS to accept: 1.0, 1.1, 1.2 (default), 1.3."),
]
TlsFingerprint = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="SHA-256 of the one certificate to accept."),
]
ClientCert = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM certificate to identify us by.")
]
ClientKey = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of --client-cert.")]
Proxy = Annotated[
    str | None, typer.Option(metavar="URL", help="socks5://host:port or http://host:port.")
]
ProxyPasswordEnv = Annotated[
    str | None, typer.Option(metavar="NAME", help="Environment variable with its password.")
]
LoginDelay = Annotated[
    str | None,
    typer.Option(metavar="SECONDS", help="Between two logins; default: what the server asks."),
]
SigningKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Private key that signs the manifests.")
]
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", "--endpoint-url", metavar="URL", help="S3 service that is not AWS."),
]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="S3 region.")]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="AWS profile.")]
PathStyle = Annotated[
    bool | None,
    typer.Option("--path-style/--host-style", help="Bucket in the path or in the host name."),
]
StoreCaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM authorities for the S3 service.")
]
StorageClass = Annotated[str | None, typer.Option(metavar="NAME", help="S3 storage class.")]
Sse = Annotated[
    str | None, typer.Option("--sse", metavar="KIND", help="AES256, or aws:kms with --kms-key.")
]
KmsKey = Annotated[str | None, typer.Option(metavar="ID", help="KMS key for --sse aws:kms.")]
SpoolLimit = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Room for the spool, such as 2GiB (default).")
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Worker processes; default: one a processor.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Fetch at most N messages of each account."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


MAILBOX: Group = {
    "server": Server,
    "password_env": PasswordEnv,
    "password_file": PasswordFile,
    "password_command": PasswordCommand,
    "auth": Auth,
    "authzid": Authzid,
    "cleartext_password": CleartextPassword,
    "ca_file": CaFile,
    "tls_min": TlsMin,
    "tls_fingerprint": TlsFingerprint,
    "client_cert": ClientCert,
    "client_key": ClientKey,
    "proxy": Proxy,
    "proxy_password_env": ProxyPasswordEnv,
    "login_delay": LoginDelay,
}
"""A mailbox without a file of settings."""

STORE: Group = {
    "store": Store,
    "endpoint": Endpoint,
    "region": Region,
    "profile": Profile,
    "path_style": PathStyle,
    "store_ca_file": StoreCaFile,
    "storage_class": StorageClass,
    "sse": Sse,
    "kms_key": KmsKey,
}
"""Where objects go."""

SIGNING: Group = {"signing_key": SigningKey}
"""How manifests are signed."""

PLACE: Group = {"state": State, "config": Config}
"""Where settings are read and state is kept."""

_FILES = ("ca_file", "client_cert", "client_key")
_OF_STORE = ("endpoint", "region", "profile", "path_style", "storage_class", "sse", "kms_key")


def settings(names: Sequence[str], given: Given) -> Settings:
    """The settings of a run.

    Args:
        names: the accounts that a person named; all of the file for none.
        given: options of ``MAILBOX``, ``STORE`` and ``PLACE`` by name; None where not given.

    Raises:
        UsageError: options or file cannot be used, or name no such account.
    """
    found = _from_options(names, given) if given.get("server") is not None else _from_file(given)
    return _placed(replace(found, accounts=_named(found.accounts, names, given)), given)


def _placed(found: Settings, given: Given) -> Settings:
    """Settings with what was given for state, store and signing."""
    state = state_directory(given.get("state"), found.state)
    if given.get("signing_key") is not None:
        found = replace(found, signing_key=str(given["signing_key"].expanduser()))
    return replace(found, state=str(state), store=replace(found.store, **_store_values(given)))


def archive(given: Given) -> Settings:
    """The settings of a verb about the store, which may do without a mailbox; see ``settings``.

    Raises:
        UsageError: options or file cannot be used, or name no store.
    """
    if given.get("server") is not None:
        return settings((), given)
    if given.get("store") is None or find_config(given.get("config")) is not None:
        return _placed(_from_file(given), given)
    return _placed(Settings(accounts=(), store=StoreSettings(url=given["store"])), given)


def stored(given: Given) -> Settings:
    """The settings of a verb that reads an archive: as ``archive``, else as this machine knows it.

    Args:
        given: options of ``STORE`` and ``PLACE`` by name; None where not given.

    Raises:
        UsageError: options or file cannot be used, or nothing tells which store is meant.
    """
    if given.get("store") is not None or find_config(given.get("config")) is not None:
        return archive(given)
    from archiver.state import StatePaths

    paths = StatePaths(state_directory(given.get("state")))
    urls = _stores_of(paths.ledger)
    if len(urls) != 1:
        raise UsageError(
            f"archived from {paths.root} into {' and '.join(urls) or 'nowhere'}: which store?",
            hint="name it by --store",
        )
    return _placed(Settings(accounts=(), store=StoreSettings(url=urls[0])), given)


def _stores_of(ledger: Path) -> list[str]:
    if not ledger.exists():
        return []
    from archiver.ledger import Ledger
    from archiver.ledger.accounts import stores

    with Ledger.open(ledger) as opened:
        return stores(opened)


def accounts(names: Sequence[str], given: Given) -> tuple[tuple[AccountSettings, ...], Path]:
    """The accounts of a verb that needs no store, and the state directory; see ``settings``.

    Raises:
        UsageError: options or file cannot be used, or name no such account.
    """
    without_store = {**given, "store": given.get("store") or "."}
    found = settings(names, without_store)
    return found.accounts, Path(found.state)


def one_account(name: str | None, given: Given) -> tuple[AccountSettings, Path]:
    """The account of a verb that takes one, and the state directory; see ``settings``.

    Raises:
        UsageError: options or file cannot be used, name no such account, or leave a choice.
    """
    found, state = accounts(() if name is None else (name,), given)
    if len(found) != 1:
        known = ", ".join(account.name for account in found)
        raise UsageError("which account?", hint=f"name one of {known}")
    return found[0], state


def with_limits(found: Settings, spool_limit: str | None, workers: int | None) -> Settings:
    """Settings with the limits that were given on the command line.

    Raises:
        UsageError: ``spool_limit`` is no size.
    """
    if spool_limit is not None:
        found = replace(found, spool_limit=_size(spool_limit, "--spool-limit"))
    return found if workers is None else replace(found, workers=workers)


def state_directory(chosen: Path | None, configured: str = "") -> Path:
    """The state directory: as chosen, as configured, else the platform's for this user."""
    if chosen is not None:
        return chosen.expanduser().absolute()
    if configured:
        return Path(configured).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("archiver", appauthor=False))


def find_config(chosen: Path | None) -> Path | None:
    """The file of settings: as chosen, else ./archiver.toml, else the user's; None if none is."""
    if chosen is not None:
        return chosen
    import platformdirs

    places = (Path(CONFIG_NAME), Path(platformdirs.user_config_dir("archiver")) / CONFIG_NAME)
    return next((place for place in places if place.exists()), None)


def read_config(path: Path) -> Settings:
    """Settings from a file; relative paths in it are relative to the file.

    Raises:
        UsageError: it cannot be read or used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8") from None
    found = parse_settings(text, str(path))
    base = path.absolute().parent
    url = found.store.url
    if "://" not in url:
        found = replace(found, store=replace(found.store, url=_below(base, url)))
    accounts = tuple(_anchored(base, account) for account in found.accounts)
    state = _below(base, found.state) if found.state else ""
    key = _below(base, found.signing_key) if found.signing_key else None
    trusted = tuple(one if is_key(one) else _below(base, one) for one in found.trusted_keys)
    return replace(found, accounts=accounts, state=state, signing_key=key, trusted_keys=trusted)


def _anchored(base: Path, account: AccountSettings) -> AccountSettings:
    named = {name: getattr(account, name) for name in _FILES}
    below: dict[str, Any] = {name: _below(base, path) for name, path in named.items() if path}
    return replace(account, **below)


def _below(base: Path, path: str) -> str:
    return os.path.normpath(base / Path(path).expanduser())


def _store_values(given: Given) -> dict[str, Any]:
    values = {name: given.get(name) for name in _OF_STORE}
    ca_file = given.get("store_ca_file")
    values["ca_file"] = None if ca_file is None else str(ca_file.expanduser())
    return {name: value for name, value in values.items() if value is not None}


def _from_options(names: Sequence[str], given: Given) -> Settings:
    server = parse_server(given["server"])
    if given.get("store") is None:
        raise UsageError(
            "--server needs --store", hint="name s3://bucket/prefix or a directory such as ./mail"
        )
    if names:
        raise UsageError(
            f"--server names the account; {names[0]} cannot be one as well",
            hint="leave --server out to use accounts of archiver.toml",
        )
    if sum(given.get(f"password_{kind}") is not None for kind in ("env", "file", "command")) > 1:
        raise UsageError("more than one source of the password is given", hint="name one of them")
    table = {name: given[name] for name in MAILBOX if given.get(name) is not None}
    table |= {name: str(one.expanduser()) for name, one in table.items() if isinstance(one, Path)}
    account = read_account(account_name(server), table)
    return Settings(accounts=(account,), store=StoreSettings(url=given["store"]))


def _from_file(given: Given) -> Settings:
    path = find_config(given.get("config"))
    if path is None:
        raise UsageError(
            f"there is no {CONFIG_NAME} here and no --server",
            hint="archiver run --server pop3s://user@host --store DIR, or archiver init",
        )
    if lone := [name for name in MAILBOX if given.get(name) is not None]:
        option = "--" + lone[0].replace("_", "-")
        raise UsageError(f"{option} goes with --server; {path} names its own")
    found = read_config(path)
    if given.get("store") is not None:
        found = replace(found, store=replace(found.store, url=given["store"]))
    return found


def _named(
    accounts: tuple[AccountSettings, ...], names: Sequence[str], given: Given
) -> tuple[AccountSettings, ...]:
    wanted = {name.lower() for name in names}
    unknown = wanted - {account.name for account in accounts}
    if unknown:
        known = ", ".join(account.name for account in accounts)
        path = find_config(given.get("config"))
        raise UsageError(
            f"{path} has no account {', '.join(sorted(unknown))}", hint=f"it has {known}"
        )
    return tuple(account for account in accounts if not wanted or account.name in wanted)


def _size(text: str, option: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
