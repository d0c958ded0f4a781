"""``stats``: how much mail there is, by whom, when and of what kind."""

from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json
from archiver.cli.search import QUERY, opened, parsed
from archiver.cli.shown import harmless
from archiver.errors import NothingMatched, UsageError

if TYPE_CHECKING:
    from archiver.index import Total

_BY = ("sender", "domain", "month", "type", "size")
_BAR_CELLS = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WITHOUT = {
    "sender": "(no sender)",
    "domain": "(no domain)",
    "month": "(no date)",
    "type": "(no type)",
}


def command(
    query: Annotated[list[str] | None, QUERY] = None,
    state: options.State = None,
    config: options.Config = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(_BY), help="What to count by; repeatable. Default: all."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most N rows of each.")] = 12,
    chart: Annotated[
        bool, typer.Option("--chart", help="Draw bars of the numbers of messages.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Count messages and their size by sender, domain, month, type of attachment and size."""
    from archiver.index import By
    from archiver.verbs.search import total_json

    chosen = by or list(_BY)
    for name in chosen:
        if name not in _BY:
            raise UsageError(f"--by {name}: expected one of {', '.join(_BY)}")
    wanted = parsed(query)
    index = opened(state, config)
    try:
        whole = index.total(wanted)
        if not whole.messages:
            raise NothingMatched("nothing matches")
        if as_json:
            print_json(total_json(whole, None))
        else:
            typer.echo(f"{whole.messages:,} messages, {octets(whole.octets)}")
        for name in chosen:
            rows = index.totals(wanted, By(name), limit=limit)
            if as_json:
                for row in rows:
                    print_json(total_json(row, name))
            else:
                _show(name, rows, chart=chart)
    finally:
        index.close()


def _show(by: str, rows: "list[Total]", *, chart: bool) -> None:
    from rich.cells import cell_len, set_cell_size

    if not rows:
        return
    typer.echo(f"\nby {by}")
    names = [harmless(row.key) or _WITHOUT.get(by, "") for row in rows]
    width = min(max(map(cell_len, names)), _BAR_CELLS)
    most = max(row.messages for row in rows)
    for name, row in zip(names, rows, strict=True):
        bar = f"  {_bar(row.messages / most)}" if chart else ""
        count = f"{row.messages:>10,}  {octets(row.octets):>10}"
        typer.echo(f"  {set_cell_size(name, width)}  {count}{bar}".rstrip())


def _bar(share: float) -> str:
    """A bar for a share from 0 to 1, in eighths of a cell; there is always something to see."""
    eighths = max(round(share * _BAR_CELLS * 8), 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
