"""``parse``: shows what is read from a message, without archiving it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli import options, stages
from archiver.errors import UsageError
from archiver.format import MessageHash

if TYPE_CHECKING:
    from archiver.model import Mail

_CHUNK = 1 << 20


def command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.eml]", help="A message; none: as index.")
    ] = None,
    config: options.Config = None,
    state: options.State = None,
    as_json: options.Json = False,
) -> None:
    """Print what is read from a message file as JSON; without a file, index what is archived."""
    if file is None:
        stages.run_index(state, config, as_json=as_json)
        return
    import json

    from archiver.mail import mail_json

    typer.echo(json.dumps(mail_json(read_file(file)), ensure_ascii=False, indent=2))


def read_file(file: Path) -> "Mail":
    """What a message in a file of its own says.

    Raises:
        UsageError: the file cannot be read.
    """
    from archiver.mail import read_mail

    try:
        with file.open("rb") as stream:
            hashed = MessageHash()
            while chunk := stream.read(_CHUNK):
                hashed.update(chunk)
            found = hashed.result()
            return read_mail(
                stream, digest=found.digest, header_digest=found.header_digest, size=found.size
            )
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
