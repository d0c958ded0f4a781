"""A run's report as a person reads it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archiver.cli.output import octets, say
from archiver.model import Reconciliation

if TYPE_CHECKING:
    from archiver.reporting import StageReport

_SUM = ("known", "linked", "fetched", "failed", "vanished", "remaining")


def print_outcome(reports: "Sequence[Reconciliation | StageReport]", store: str) -> None:
    """A few lines for each account."""
    for report in reports:
        if isinstance(report, Reconciliation):
            _print_reconciliation(report, store)
        else:
            _print_stage(report)


def _print_reconciliation(report: Reconciliation, store: str) -> None:
    say(f"{report.account} -> {store}")
    terms = [f"{getattr(report, name):,} {name}" for name in _SUM]
    say(f"  listed    {report.listed:,} = {' + '.join(terms)}")
    if not report.adds_up:
        say("  this sum does not add up, which is a bug: please report it")
    say(
        f"  archived  {report.archived:,} messages;"
        f" {octets(report.bytes_fetched)} fetched in {report.seconds:.1f} s"
    )
    if report.held:
        say(f"  held      {report.held:,} wait for a decision: archiver status --problems")
    if report.head:
        say(f"  head      {report.head}")


def _print_stage(report: "StageReport") -> None:
    done = {"upload": "uploaded", "verify": "verified", "index": "indexed"}[report.stage]
    size = f", {octets(report.bytes)}" if report.bytes else ""
    say(f"{report.account}: {report.messages:,} messages {done}{size} in {report.seconds:.1f} s")
    if report.failed:
        say(f"  {report.failed:,} failed: archiver status --problems says why")
