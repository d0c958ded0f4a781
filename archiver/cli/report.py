"""A run's report as a person reads it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archiver.cli.output import octets, say
from archiver.model import Reconciliation

if TYPE_CHECKING:
    from archiver.reporting import PruneReport, Report, StageReport

_SUM = ("known", "linked", "fetched", "failed", "vanished", "remaining")


def print_outcome(reports: "Sequence[Report]", store: str) -> None:
    """A few lines for each account."""
    from archiver.reporting import StageReport

    for report in reports:
        if isinstance(report, Reconciliation):
            _print_reconciliation(report, store)
        elif isinstance(report, StageReport):
            _print_stage(report)
        else:
            _print_prune(report)


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
    if report.deleted or report.gone:
        say(f"  deleted   {report.deleted:,} on the server; {report.gone:,} are confirmed gone")
    if report.held:
        say(f"  held      {report.held:,} wait for a decision: archiver status --problems")
    if report.given_up:
        say(f"  given up  {report.given_up:,} of those known stay on the server, not archived")
    if report.head:
        say(f"  head      {report.head}")


def _print_stage(report: "StageReport") -> None:
    done = {"upload": "uploaded", "verify": "verified", "index": "indexed"}[report.stage]
    size = f", {octets(report.bytes)}" if report.bytes else ""
    say(f"{report.account}: {report.messages:,} messages {done}{size} in {report.seconds:.1f} s")
    if report.failed:
        say(f"  {report.failed:,} failed: archiver status --problems says why")


def _print_prune(report: "PruneReport") -> None:
    from archiver.deleting import words

    say(
        f"{report.account}: {report.deleted:,} of {report.planned:,} messages that may go"
        f" were deleted in {report.seconds:.1f} s"
    )
    if report.gone:
        say(f"  gone      {report.gone:,} are confirmed by a listing")
    if report.unconfirmed:
        say(f"  sent      {report.unconfirmed:,} wait for the next listing to confirm it")
    if report.kept:
        say(f"  stay      {words(report.kept)}")
    if report.head:
        say(f"  head      {report.head}")
