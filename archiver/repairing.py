"""Repair: an audit, and then what can be done about what it found, account by account.

Objects are put again (``mending.py``). Where a chain is damaged, what the ledger knows is said
again by a checkpoint, after which neither a rebuild nor an audit depends on the links before it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from archiver.archiving import Archivist, Steps
from archiver.clock import StoppableClock
from archiver.config import Settings
from archiver.errors import ArchiverError, Interrupted, UsageError
from archiver.format import Sign
from archiver.index import is_usable
from archiver.indexing import Indexer
from archiver.ledger import Ledger, manifests
from archiver.ledger.accounts import LedgerAccount, account, accounts_of
from archiver.ledger.listing import Listing
from archiver.ledger.naming import Named
from archiver.mailbox import mailbox
from archiver.mending import Mended, Mending
from archiver.model import Kind, Reporter
from archiver.signing import signing_with
from archiver.staff import Staff
from archiver.stages.fetch_job import FetchJob, NoArchiving
from archiver.state import AccountLock, Spool, StatePaths
from archiver.stopping import Stop
from archiver.verbs.audit import (
    Audited,
    Finding,
    Opened,
    Tell,
    Trouble,
    Wanted,
    Watch,
    audit,
    opened,
)

_RESTATABLE = frozenset(
    {
        Trouble.MANIFEST_MISSING,
        Trouble.MANIFEST_DAMAGED,
        Trouble.MANIFEST_MISPLACED,
        Trouble.MANIFEST_REPLACED,
        Trouble.CHAIN_BROKEN,
        Trouble.CHECKPOINT_MISSING,
        Trouble.CHECKPOINT_DAMAGED,
        Trouble.UNSIGNED,
        Trouble.SIGNATURE_BAD,
        Trouble.SIGNER_UNKNOWN,
    }
)
_CHECKPOINTS = (Trouble.CHECKPOINT_MISSING, Trouble.CHECKPOINT_DAMAGED)
_FOREIGN = "the ledger of this machine does not know what it said: repair it on the one that does"
_UNSIGNED = "what is said anew has to be signed by a trusted key: give --signing-key"


@dataclass(frozen=True, slots=True)
class Repaired:
    """How an audit with a repair ended: ``repaired`` findings of those that are damage."""

    audited: Audited
    repaired: int

    @property
    def left(self) -> int:
        """How many findings are damage still."""
        return self.audited.damage - self.repaired


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears of a repair: findings, what became of them, and how far it has come."""

    tell: Tell
    mended: Callable[[Mended], None]
    watch: Watch
    reporter: Reporter


def repair(settings: Settings, wanted: Wanted, audience: Audience, stop: Stop) -> Repaired:
    """Audits a store and repairs what can be repaired.

    Args:
        settings: the store, the state directory, and mailboxes that may be asked.
        wanted: what to look at.
        audience: hears of it.
        stop: ask it to end at the next safe point.

    Raises:
        UsageError: there is no ledger that knows the store.
        AlreadyRunning: another process, or machine, has one of the accounts.
        Interrupted: the run was asked to end; what was repaired is.
        StoreError: the store cannot be reached or refuses.
        LocalDiskError: there is no room for what is to be put again.
    """
    with ExitStack() as stack:
        sign = signing_with(settings.signing_key)
        state = Path(settings.state)
        found = stack.enter_context(opened(settings.store, state, wanted.threads, audience.tell))
        ledger, owners = _known(found, state, wanted)
        for owner in owners:
            stack.enter_context(AccountLock(StatePaths(state).locks, owner.name, "audit"))
        work = _Repair(settings, found, ledger, audience, stop, sign)
        audited = work.audit(wanted)
        if audited.damage:
            work.repair(audited, owners, wanted)
        return Repaired(audited, work.repaired)


def _known(found: Opened, state: Path, wanted: Wanted) -> tuple[Ledger, list[LedgerAccount]]:
    owners = [] if found.ledger is None else accounts_of(found.ledger, found.store.url)
    if found.ledger is None or not owners:
        raise UsageError(
            f"{state} has no ledger that knows {found.store.url}, so nothing can be repaired",
            hint="name its --state; archiver rebuild makes one from the store",
        )
    names = {name.lower() for name in wanted.accounts}
    return found.ledger, [one for one in owners if not names or one.name in names]


class _Repair:
    """An audit whose findings are kept, and what is done about them."""

    def __init__(
        self,
        settings: Settings,
        found: Opened,
        ledger: Ledger,
        audience: Audience,
        stop: Stop,
        sign: Sign | None,
    ) -> None:
        self._settings = settings
        self._found = found
        self._ledger = ledger
        self._audience = audience
        self._stop = stop
        self._sign = sign
        self._paths = StatePaths(Path(settings.state))
        self._clock = StoppableClock(stop)
        self._chains: dict[str, list[Finding]] = {}
        self.repaired = 0

    def audit(self, wanted: Wanted) -> Audited:
        """Looks at the store, and remembers what is damaged."""
        found, heard = self._found, self._audience
        return audit(
            found.store,
            found.ledger,
            found.names,
            wanted,
            tell=self._hear,
            watch=heard.watch,
            now=self._clock.now(),
        )

    def _hear(self, finding: Finding, named: Named | None) -> None:
        self._audience.tell(finding, named)
        if named is not None:
            self._found.names.damage(named, dict(finding.facts)["sound_version"])
        elif finding.is_damage:
            self._chains.setdefault(finding.account, []).append(finding)

    def repair(self, audited: Audited, owners: Sequence[LedgerAccount], wanted: Wanted) -> None:
        """Repairs what can be, and says of all the rest why not."""
        for name in sorted({*audited.accounts} - {owner.name for owner in owners}):
            self._leave(name)
        if not owners:
            self._leave("")
            return
        with self._staff(owners[0]) as archivist:
            for finding in self._chains.pop("", ()):
                self._settle_store(finding)
            for owner in owners:
                self._mending(owner, archivist).mend()
                self._restate(owner, archivist, wanted)

    @contextmanager
    def _staff(self, owner: LedgerAccount) -> Iterator[Archivist]:
        """Means of archiving; its first worker also sees that the store says what it is."""
        spool = Spool(self._paths.spool, self._settings.spool_limit)
        indexer = Indexer(self._paths.index, self._paths.ledger, self._audience.reporter)
        staff = Staff(
            self._paths.ledger,
            self._settings.store,
            spool,
            indexer.add,
            self._audience.reporter,
            self._clock,
            self._stop,
            Steps(),
            self._sign,
        )
        staff.store_row = owner.store
        archivist = staff.archivist()
        try:
            yield archivist
        finally:
            # A lease that cannot be given up runs out by itself.
            with suppress(ArchiverError):
                archivist.leases.give_up(archivist.worker)
            archivist.worker.close()
            archivist.ledger.close()
            indexer.close()

    def _settle_store(self, finding: Finding) -> None:
        if finding.kind is Trouble.FORMAT_MISSING:
            self._say(Mended("", finding.key, True, "written again", finding.key))
        else:
            self._say(Mended("", finding.key, False, finding.todo))

    def _leave(self, name: str) -> None:
        """An account of which this machine knows nothing."""
        for kind in Kind:
            for page in self._found.names.damaged(name, kind, 500):
                for damaged in page:
                    self._say(Mended(name, damaged.named.locator.key, False, _FOREIGN))
        for finding in self._chains.pop(name, ()):
            self._say(Mended(name, finding.key, False, _FOREIGN))

    def _mending(self, owner: LedgerAccount, archivist: Archivist) -> Mending:
        return Mending(
            owner=owner,
            store=self._found.store,
            names=self._found.names,
            directory=self._found.scratch,
            archivist=archivist,
            visit=partial(self._visit, owner, archivist),
            index=is_usable(self._paths.index),
            stopping=self._stop.asked,
            tell=self._say,
        )

    def _visit(self, owner: LedgerAccount, archivist: Archivist) -> FetchJob:
        chosen = [one for one in self._settings.accounts if one.name == owner.name]
        if not chosen:
            raise UsageError(f"no mailbox of {owner.name} is named by options or settings")
        with self._stop.at_once():
            place = mailbox(chosen[0], self._paths.root, self._stop)
        current = account(archivist.ledger, owner.row)
        return FetchJob(
            settings=chosen[0],
            mailbox=place,
            listing=Listing(archivist.ledger, current, tries=chosen[0].tries),
            spool=archivist.spool,
            archiving=NoArchiving(),
            reporter=self._audience.reporter,
            clock=self._clock,
            stopping=self._stop.asked,
            stop=self._stop,
        )

    def _restate(self, owner: LedgerAccount, archivist: Archivist, wanted: Wanted) -> None:
        """Has a checkpoint say again what damaged links said, as far as the ledger knows it."""
        if self._stop.asked():
            raise Interrupted("interrupted at a safe point")
        findings = self._chains.pop(owner.name, [])
        known = [one for one in findings if self._knows(owner, one)]
        covered: dict[str, int] = {}
        reason = _FOREIGN
        if known and wanted.demands.keys and self._sign is None:
            known, reason = [], _UNSIGNED
        if known:
            covered = archivist.restate(owner)
        for finding in findings:
            facts = dict(finding.facts)
            last = facts.get("sequence", 0) + facts.get("count", 1) - 1
            done = finding in known and covered.get(facts.get("writer", ""), 0) >= last
            how = "a checkpoint says again what was live" if done else reason
            self._say(Mended(owner.name, finding.key, done, how))

    def _knows(self, owner: LedgerAccount, finding: Finding) -> bool:
        if finding.kind not in _RESTATABLE:
            return False
        facts = dict(finding.facts)
        return finding.kind in _CHECKPOINTS or manifests.knows(
            self._ledger, owner, facts["writer"], facts["sequence"], facts["count"]
        )

    def _say(self, mended: Mended) -> None:
        self.repaired += mended.done
        self._audience.mended(mended)
