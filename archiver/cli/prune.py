"""``prune``: deletes on the servers what is archived and was read back from the store."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import deletion, options
from archiver.cli.output import octets, print_json, shell_word
from archiver.cli.stages import run_verb
from archiver.cli.takes import takes

if TYPE_CHECKING:
    from archiver.deleting import Planned


@takes(deletion.DELETION, options.MAILBOX, options.STORE, options.SIGNING, options.PLACE)
def command(
    accounts: options.Accounts = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be deleted, and why the rest stays.")
    ] = False,
    yes_delete_all: deletion.YesDeleteAll = False,
    workers: options.Workers = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Delete on the servers what is archived, as far as policy permits and the store proves it.

    With --server the policy is what the options say; accounts of archiver.toml are pruned as their
    own settings say, and not at all without delete = "verified".
    """
    from archiver.deleting import Order

    if given.get("server") is not None and given.get("delete") is None:
        given["delete"] = deletion.Delete.VERIFIED
    found = deletion.with_deletion(options.settings(accounts or (), given), given)
    found = options.with_limits(found, None, workers)
    show = _print_json if as_json else _print
    order = Order(dry_run=dry_run, empty=yes_delete_all, show=show)
    run_verb("prune", found, order=order, as_json=as_json)


def _print(planned: "Planned") -> None:
    from archiver.stages.prune_plan import WORDS, Verdict

    uidl = "(no UIDL)" if planned.uidl is None else shell_word(planned.uidl)
    what = "goes " if planned.verdict is Verdict.GOES else "stays"
    why = "" if planned.verdict is Verdict.GOES else f"  {WORDS[planned.verdict]}"
    typer.echo(f"{planned.account}  {what}  {octets(planned.size):>10}  {uidl}{why}")


def _print_json(planned: "Planned") -> None:
    from archiver.stages.prune_plan import Verdict

    goes = planned.verdict is Verdict.GOES
    print_json(
        {
            "account": planned.account,
            "uidl": planned.uidl,
            "digest": planned.digest,
            "size": planned.size,
            "action": "delete" if goes else "keep",
            "reason": None if goes else planned.verdict,
        }
    )
