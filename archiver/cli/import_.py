"""``import``: mail that people already have in files joins the archive."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.stages import run_verb
from archiver.cli.takes import takes
from archiver.config import NO_SERVER, AccountSettings, Settings
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.sources import Source

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KINDS = ("mboxrd", "mboxo", "mboxcl", "mboxcl2")


@takes(options.STORE, options.SIGNING, options.PLACE)
def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Maildirs, mbox files, .eml files, Outlook's .pst files, or directories of these;"
            " none only finishes what an import that was cut off left in the spool.",
        ),
    ] = None,
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The account that it joins: a new one, or one that is archived from a server.",
        ),
    ] = "import",
    mbox: Annotated[
        str,
        typer.Option(metavar="KIND", help=f"How mbox files were written: {', '.join(_KINDS)}."),
    ] = _KINDS[0],
    spool_limit: options.SpoolLimit = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Archive the mail in maildirs, mbox files, .eml files and .pst files, each message once.

    It goes the way of fetched mail: stored, verified, indexed, accounted for. What is archived in
    the account already, by whatever way, is known by its octets and not stored again. Files are
    only read, and symbolic links in directories are not followed. What cannot be read is listed,
    and the exit code is 3.
    """
    found = options.with_limits(options.stored(given), spool_limit, workers)
    found = replace(found, accounts=(_account(found, account),))
    with ExitStack() as opened:
        sources = _sources(paths or (), mbox, opened)
        run_verb("import", found, sources=sources, as_json=as_json)


def _account(found: Settings, name: str) -> AccountSettings:
    """The account of this name: as the file of settings has it, or one without a server."""
    name = name.lower()
    if not name or _CONTROL.search(name) or not _is_text(name):
        raise UsageError(
            f"--account: {name!r} is no name", hint="such as import, or me@example.com"
        )
    configured = {each.name: each for each in found.accounts}
    return configured.get(name) or AccountSettings(name, NO_SERVER)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sources(paths: Sequence[Path], kind: str, opened: ExitStack) -> "tuple[Source, ...]":
    from archiver.sources import Mbox, Source

    if kind.lower() not in _KINDS:
        raise UsageError(f"--mbox: {kind!r} is no kind of mbox", hint=f"one of {', '.join(_KINDS)}")
    sources = tuple(Source(path, Mbox(kind.lower())) for path in paths)
    for source in sources:
        opened.callback(source.close)
    return sources
