"""``doctor``: what stands between a run and its mailboxes, its store and its state."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from archiver.cli import options
from archiver.cli.output import print_json
from archiver.cli.takes import takes
from archiver.errors import worst

if TYPE_CHECKING:
    from archiver.verbs.doctor import Examination, Finding

_INDENT = "  "
_MARK_WIDTH = 8
_TOPIC_WIDTH = 13
_COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}


@takes(options.MAILBOX, options.STORE, options.PLACE)
def command(
    accounts: options.Accounts = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Examine mailboxes, store and state, step by step, and change nothing."""
    from pathlib import Path

    from archiver.clock import StoppableClock
    from archiver.stopping import Stop
    from archiver.verbs.doctor import examine

    if given["server"] is not None and given["store"] is None:
        found, state = options.accounts(accounts or (), given)
        store = None
    else:
        settings = options.settings(accounts or (), given)
        found, store, state = settings.accounts, settings.store, Path(settings.state)
    codes = []
    for examination in examine(found, store, state, StoppableClock(Stop())):
        if as_json:
            print_json(_json(examination))
        else:
            _show(examination)
        codes.append(examination.exit_code)
    raise typer.Exit(worst(codes))


def _json(examination: "Examination") -> dict[str, Any]:
    return {
        "kind": examination.kind,
        "name": examination.name,
        "exit_code": examination.exit_code,
        **examination.facts,
        "findings": [
            {
                "topic": finding.topic,
                "mark": finding.mark.value,
                "seen": finding.seen,
                "advice": finding.advice,
                "exit_code": finding.exit_code,
            }
            for finding in examination.findings
        ],
    }


def _show(examination: "Examination") -> None:
    """A group of lines: in columns and colours on a terminal, plain elsewhere."""
    title = f"{examination.kind} {examination.name}"
    if examination.about:
        title += f" ({examination.about})"
    if sys.stdout.isatty():
        _show_coloured(title, examination)
        return
    sys.stdout.write(f"{title}\n")
    for finding in examination.findings:
        sys.stdout.write(f"{_INDENT}{_columns(finding)}{finding.seen}\n")
        if finding.advice:
            blank = " " * (_MARK_WIDTH + _TOPIC_WIDTH)
            sys.stdout.write(f"{_INDENT}{blank}{finding.advice}\n")
    sys.stdout.flush()


def _columns(finding: "Finding") -> str:
    return f"{finding.mark:<{_MARK_WIDTH}}{finding.topic:<{_TOPIC_WIDTH}}"


def _show_coloured(title: str, examination: "Examination") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for width in (_MARK_WIDTH, _TOPIC_WIDTH):
        table.add_column(min_width=width - 1, no_wrap=True)
    table.add_column(overflow="fold")
    for finding in examination.findings:
        words = Text(finding.seen)
        if finding.advice:
            words.append(f"\n{finding.advice}", style="dim")
        mark = Text(finding.mark, style=_COLOURS[finding.mark])
        table.add_row(mark, finding.topic, words)
    console = Console(highlight=False)
    console.print(Text(title, style="bold"))
    console.print(table)
