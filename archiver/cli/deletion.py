"""Options that say what may be deleted on the server, over what ``archiver.toml`` says."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from archiver.cli.takes import Given, Group
from archiver.config import Settings, read_deletion

YesDeleteAll = Annotated[
    bool,
    typer.Option(
        "--yes-delete-all", help="Also empty a mailbox, or delete more than --max-delete."
    ),
]


class Delete(StrEnum):
    """What becomes of a message on the server once it is archived."""

    NEVER = "never"
    VERIFIED = "verified"


class DeleteProof(StrEnum):
    """What shows that a message may leave the server."""

    READ = "read"
    CHECKSUM = "checksum"


DELETION: Group = {
    "delete": Annotated[
        Delete | None,
        typer.Option(help="Delete on the server what was read back from the store, or never."),
    ],
    "after_days": Annotated[
        str | None, typer.Option(metavar="N", help="Only what was archived N days ago.")
    ],
    "keep_latest": Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Never the N newest messages.")
    ],
    "larger_than": Annotated[
        str | None, typer.Option(metavar="SIZE", help="Only messages larger than this.")
    ],
    "max_delete": Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Stop where more would go; 5,000 unless said."),
    ],
    "delete_proof": Annotated[
        DeleteProof | None,
        typer.Option(help="Read octets back (default), or believe the store's SHA-256 of them."),
    ],
    "delete_despite_lifecycle": Annotated[
        bool | None,
        typer.Option(
            "--delete-despite-lifecycle",
            help="Also where the bucket's rules may take the copies away, or cannot be read.",
        ),
    ],
}
"""The policy of every account that is named."""


def with_deletion(found: Settings, given: Given) -> Settings:
    """Settings whose every account may delete as the options of ``DELETION`` say.

    Raises:
        UsageError: one of them cannot be used.
    """
    table = {name: given[name] for name in DELETION if given.get(name) is not None}
    accounts = tuple(
        replace(account, deletion=read_deletion(account.deletion, table))
        for account in found.accounts
    )
    return replace(found, accounts=accounts)
