"""Options that several verbs share, and how they become settings.

With ``--server`` the options alone say everything; without it ``archiver.toml`` does, and
``--store``, ``--state`` and the limits given here win over it.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from archiver.config import (
    AccountSettings,
    PasswordSource,
    Settings,
    StoreSettings,
    account_name,
    parse_server,
    parse_settings,
    parse_size,
)
from archiver.errors import UsageError

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
CaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM authorities for the POP3 server.")
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
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person chose on the command line; None where they did not."""

    accounts: tuple[str, ...]
    server: str | None
    store: str | None
    state: Path | None
    config: Path | None
    password: PasswordSource
    ca_file: Path | None
    store_values: dict[str, Any]
    spool_limit: str | None
    workers: int | None


def settings(chosen: Chosen) -> Settings:
    """The settings of a run.

    Raises:
        UsageError: options or file cannot be used, or name no such account.
    """
    found = _from_options(chosen) if chosen.server is not None else _from_file(chosen)
    if chosen.spool_limit is not None:
        found = replace(found, spool_limit=_size(chosen.spool_limit, "--spool-limit"))
    if chosen.workers is not None:
        found = replace(found, workers=chosen.workers)
    state = state_directory(chosen.state, found.state)
    return replace(found, state=str(state), store=replace(found.store, **chosen.store_values))


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
    return replace(found, state=_below(base, found.state) if found.state else "")


def _below(base: Path, path: str) -> str:
    return os.path.normpath(base / Path(path).expanduser())


def _from_options(chosen: Chosen) -> Settings:
    assert chosen.server is not None
    server = parse_server(chosen.server)
    if chosen.store is None:
        raise UsageError(
            "--server needs --store", hint="name s3://bucket/prefix or a directory such as ./mail"
        )
    if chosen.accounts:
        raise UsageError(
            f"--server names the account; {chosen.accounts[0]} cannot be one as well",
            hint="leave --server out to use accounts of archiver.toml",
        )
    account = AccountSettings(
        name=account_name(server),
        server=server,
        password=chosen.password,
        ca_file=None if chosen.ca_file is None else str(chosen.ca_file.expanduser()),
    )
    return Settings(accounts=(account,), store=StoreSettings(url=chosen.store))


def _from_file(chosen: Chosen) -> Settings:
    path = find_config(chosen.config)
    if path is None:
        raise UsageError(
            f"there is no {CONFIG_NAME} here and no --server",
            hint="archiver run --server pop3s://user@host --store DIR, or archiver init",
        )
    found = read_config(path)
    if chosen.store is not None:
        found = replace(found, store=replace(found.store, url=chosen.store))
    if chosen.password != PasswordSource():
        raise UsageError("a password option goes with --server; archiver.toml names its own")
    wanted = {name.lower() for name in chosen.accounts}
    unknown = wanted - {account.name for account in found.accounts}
    if unknown:
        known = ", ".join(account.name for account in found.accounts)
        raise UsageError(
            f"{path} has no account {', '.join(sorted(unknown))}", hint=f"it has {known}"
        )
    if wanted:
        kept = tuple(account for account in found.accounts if account.name in wanted)
        found = replace(found, accounts=kept)
    return found


def _size(text: str, option: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
