"""``audit``: whether the store still holds what was archived."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbelow
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json
from archiver.cli.progress import PlainReporter
from archiver.cli.shown import harmless
from archiver.cli.stopping import stopping
from archiver.cli.takes import takes
from archiver.cli.watching import watch
from archiver.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from archiver.config import Settings
    from archiver.ledger.naming import Named
    from archiver.mending import Mended
    from archiver.stopping import Stop
    from archiver.verbs.audit import Audited, Finding, Sample, Wanted, Watch

_SEEDS = 1 << 32
_DIGEST = re.compile("[0-9a-f]{64}")


@takes(options.MAILBOX, options.STORE, options.SIGNING, options.PLACE)
def command(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ACCOUNT]...", help="Accounts of the store; all if none."),
    ] = None,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read objects and hash their octets.")
    ] = False,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Read 5% at random, or 1/30: another thirtieth each day."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Draw the same share at random once more."),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGEST", help="A manifest's SHA-256 that must be there; repeatable."),
    ] = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY|FILE", help="By whom the manifests must be signed; repeatable."),
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many objects are read at once.")
    ] = 16,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Put again what is damaged, where its octets can still be had."
        ),
    ] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Check that the store still holds what was archived, and change nothing without --repair."""
    from archiver.verbs.audit import Demands, Wanted

    found = options.archive(given)
    chosen = _sample(sample, seed)
    demands = Demands(_keys(public_key or found.trusted_keys), _digests(head or ()))
    wanted = Wanted(
        accounts=tuple(accounts or ()),
        demands=demands,
        read=read_data or chosen is not None,
        sample=chosen,
        threads=connections,
    )
    shown = _Shown(as_json)
    began = time.monotonic()
    look = _repair if repair else _audit
    with stopping() as stop:
        watching = watch(stop, quiet=as_json)
        with watching.showing():
            audited, repaired = look(found, wanted, shown, watching, stop)
    shown.summary(audited, repaired, chosen, time.monotonic() - began)
    if audited.damage > (repaired or 0):
        raise typer.Exit(IntegrityError.exit_code)


def _audit(
    found: "Settings", wanted: "Wanted", shown: "_Shown", watching: "Watch", _stop: "Stop"
) -> tuple["Audited", int | None]:
    from archiver.verbs.audit import audit_archive

    state, now = Path(found.state), time.time()
    audited = audit_archive(found.store, state, wanted, tell=shown.finding, watch=watching, now=now)
    return audited, None


def _repair(
    found: "Settings", wanted: "Wanted", shown: "_Shown", watching: "Watch", stop: "Stop"
) -> tuple["Audited", int | None]:
    from archiver.repairing import Audience, repair

    audience = Audience(shown.finding, shown.mended, watching, PlainReporter())
    done = repair(found, wanted, audience, stop)
    return done.audited, done.repaired


def _sample(text: str | None, seed: int | None) -> "Sample | None":
    from archiver.verbs.audit import parse_sample

    if text is None:
        if seed is not None:
            raise UsageError("--seed goes with --sample", hint="as in --sample 5% --seed 1")
        return None
    drawn = randbelow(_SEEDS) if seed is None else seed
    return parse_sample(text, today=datetime.now(UTC).date(), seed=drawn)


def _keys(given: Sequence[str]) -> frozenset[str]:
    from archiver.signing import public_key

    return frozenset(map(public_key, given))


def _digests(given: Sequence[str]) -> frozenset[str]:
    digests = frozenset(text.strip().lower() for text in given)
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise UsageError(
                f"--head: {digest!r} is no SHA-256", hint="run --json and audit print heads"
            )
    return digests


class _Shown:
    """Prints findings as they come, and the summary behind them.

    Args:
        as_json: for machines.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def finding(self, finding: "Finding", named: "Named | None") -> None:
        """One line."""
        from archiver.verbs.audit import finding_json

        if self._as_json:
            print_json(finding_json(finding))
            return
        mark = "damage" if finding.is_damage else "note  "
        account = f"{finding.account}  " if finding.account else ""
        words = f"{finding.key}: {finding.what}: {finding.means}; {finding.todo}"
        typer.echo(harmless(f"{mark}  {account}{words}"))

    def mended(self, mended: "Mended") -> None:
        """What became of a finding."""
        if self._as_json:
            print_json(_mended_json(mended))
            return
        mark = "repaired" if mended.done else "not repaired"
        account = f"{mended.account}  " if mended.account else ""
        new = f": {mended.new}" if mended.new is not None else ""
        typer.echo(harmless(f"{mark}  {account}{mended.key}: {mended.how}{new}"))

    def summary(
        self,
        audited: "Audited",
        repaired: int | None,
        sample: "Sample | None",
        seconds: float,
    ) -> None:
        """What was looked at and how it ended."""
        if self._as_json:
            print_json(summary_json(audited, repaired, sample, seconds))
        else:
            _print_summary(audited, repaired, sample, seconds)


def _mended_json(mended: "Mended") -> dict[str, Any]:
    return {
        "kind": "repaired" if mended.done else "not-repaired",
        "damage": False,
        "account": mended.account or None,
        "key": mended.key,
        "what": mended.how,
        "new_key": mended.new,
    }


def summary_json(
    audited: "Audited", repaired: int | None, sample: "Sample | None", seconds: float
) -> dict[str, Any]:
    """The last object that ``audit --json`` prints: these fields are part of the interface."""
    return {
        "kind": "summary",
        "accounts": list(audited.accounts),
        "manifests": audited.chains.manifests,
        "checkpoints": audited.chains.checkpoints,
        "objects": audited.objects.objects,
        "moved": audited.objects.moved,
        "unnamed": audited.objects.unnamed,
        "read": audited.objects.read,
        "octets": audited.objects.octets,
        "sample": None if sample is None else str(sample),
        "found": dict(sorted(audited.found.items())),
        "damage": audited.damage,
        "repaired": repaired,
        "heads": [
            {"account": account, "writer": writer, "sequence": h.sequence, "digest": h.digest}
            for account, writer, h in audited.heads
        ],
        "keys": dict(sorted(audited.chains.keys.items())),
        "seconds": round(seconds, 3),
    }


def _print_summary(
    audited: "Audited", repaired: int | None, sample: "Sample | None", seconds: float
) -> None:
    for account, writer, head in audited.heads:
        typer.echo(f"head    {account}  {writer}  {head.sequence}  {head.digest}")
    for key, count in sorted(audited.chains.keys.items()):
        typer.echo(f"signed  {count:,} manifests by {key}")
    looked, chains = audited.objects, audited.chains
    read = ""
    if looked.read:
        read = f", read {octets(looked.octets)} of {looked.read:,} objects"
    if sample is not None:
        read += f" ({sample})"
    typer.echo(
        f"checked {chains.manifests:,} manifests, {looked.objects:,} objects{read}"
        f" in {seconds:.1f} s"
    )
    damage = f"{audited.damage:,} findings are damage" if audited.damage else "nothing is damaged"
    if audited.damage and repaired is not None:
        damage += f"; {repaired:,} repaired"
    typer.echo(damage)
