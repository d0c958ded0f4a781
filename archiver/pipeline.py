"""A run: the only file that knows the order of the stages and how they run side by side.

One thread an account fetches; one thread a worker takes landed batches to ARCHIVED; one thread
writes the index. The main thread waits, and adds up.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from archiver.archiving import Steps
from archiver.asked import CHRONICLED, COUNTED, INDEXED, STEPS, Verb
from archiver.clock import StoppableClock
from archiver.config import AccountSettings, Settings
from archiver.deleting import NO_ORDER, Deleting, Order, words
from archiver.dispatch import Dispatch, chronicle, give_up_leases
from archiver.errors import AlreadyRunning, ArchiverError, Interrupted, worst
from archiver.fetching import Fetching
from archiver.importing import Bringing
from archiver.indexing import Indexer, tell_unread, trust_marks
from archiver.ledger import Ledger, checkpoints, events, landing, manifests, returning
from archiver.ledger.accounts import (
    begin_run,
    end_run,
    has_run,
    open_account,
    other_stores,
    without_server,
)
from archiver.ledger.holding import hold
from archiver.ledger.seen import Counts
from archiver.ledger.snapshots import check_present
from archiver.ledger.status import problem_count
from archiver.mailbox import mailbox
from archiver.model import Clock, Reconciliation, Reporter
from archiver.reading import Reading
from archiver.reporting import (
    Outcome,
    Report,
    Work,
    reconcile,
    report_prune,
    report_stage,
)
from archiver.signing import signing_with
from archiver.snapshots import Snapshots
from archiver.sources import Source
from archiver.staff import Staff
from archiver.state import AccountLock, Spool, StatePaths
from archiver.stopping import Stop
from archiver.store import canonical_url
from archiver.working import Account

__all__ = ["Verb", "run"]


def run(
    settings: Settings,
    verb: Verb,
    *,
    reporter: Reporter,
    stop: Stop,
    limit: int | None = None,
    order: Order = NO_ORDER,
    sources: Sequence[Source] = (),
) -> Outcome:
    """Runs the stages of ``verb`` for every account of the settings.

    Args:
        settings: accounts, store and state directory.
        verb: which stages.
        reporter: hears what happens.
        stop: ask it to end the run at the next safe point.
        limit: the most messages to fetch for each account, None for all.
        order: what a person asked of deletion beyond the settings.
        sources: what is imported into each account.

    Raises:
        Interrupted: the run was asked to end before it had begun.
        UsageError: the settings cannot be used; nothing was done.
        LocalDiskError: the state directory cannot be used.
    """
    with ExitStack() as stack:
        job = _Run(settings, verb, reporter, stop)
        stack.callback(job.close)
        job.begin(stack)
        if verb in (Verb.RUN, Verb.FETCH):
            job.fetch(limit)
        job.bring(sources)
        job.archive()
        if verb in (Verb.RUN, Verb.PRUNE):
            job.delete(order)
        job.chronicle()
        if verb in INDEXED and not stop.asked():
            job.index()
        job.give_up_leases()
        if verb in CHRONICLED and not order.dry_run:
            job.snapshot()
        return job.outcome()


class _Run:
    """What the threads of a run share."""

    def __init__(self, settings: Settings, verb: Verb, reporter: Reporter, stop: Stop) -> None:
        self.settings = settings
        self.verb = verb
        self.reporter = reporter
        self.stop = stop
        self.clock: Clock = StoppableClock(stop)
        sign = signing_with(settings.signing_key)
        self.paths = StatePaths(Path(settings.state))
        self.paths.create()
        check_present(self.paths.ledger, self.paths.snapshots)
        # Another process may be reading all of it, to see whether it is whole.
        with stop.at_once():
            self.ledger = Ledger.open(self.paths.ledger)
        self.spool = Spool(self.paths.spool, settings.spool_limit)
        self.indexer = Indexer(self.paths.index, self.paths.ledger, reporter, stop.asked)
        self.accounts: list[Account] = []
        self.busy: list[str] = []
        self.errors: list[ArchiverError] = []
        self._reported: Exception | None = None
        self.staff = Staff(
            self.paths.ledger,
            settings.store,
            self.spool,
            self.indexer.add,
            reporter,
            self.clock,
            stop,
            STEPS.get(verb, Steps()),
            sign,
        )
        count = settings.workers or os.cpu_count() or 1
        self.dispatch = Dispatch(count, self.staff.archivist, self.spool, stop.asked, reporter)

    def begin(self, stack: ExitStack) -> None:
        """Opens the accounts under their locks, and takes stock of what earlier runs left."""
        url = canonical_url(self.settings.store.url)
        for settings in self.settings.accounts:
            lock = AccountLock(self.paths.locks, settings.name, self.verb)
            try:
                lock.acquire()
            except AlreadyRunning as error:
                self.errors.append(error)
                self.busy.append(settings.name)
                continue
            stack.callback(lock.release)
            self.accounts.append(self._open(settings, url))
            if self.verb in COUNTED:
                self.accounts[-1].counts = Counts()
        if self.verb in INDEXED:
            trust_marks(self.ledger, self.paths.index)
        for account in self.accounts:
            self._recover(account)

    def _open(self, settings: AccountSettings, url: str) -> Account:
        now = self.clock.now()
        host = settings.server.host
        owner = open_account(self.ledger, settings.name, store_url=url, host=host)
        self.staff.store_row = owner.store
        if not has_run(self.ledger, owner) and (others := other_stores(self.ledger, owner)):
            self.reporter.note(
                owner.name,
                f"so far archived into {', '.join(others)}; {url} is another archive,"
                " for which everything is fetched again",
            )
        return Account(settings, owner, begin_run(self.ledger, owner, self.verb, now), now)

    def _recover(self, account: Account) -> None:
        owner = account.ledger_account
        needed = landing.segments(self.ledger, owner)
        for segment in self.spool.recover(owner.name, needed):
            lost = returning.give_back(self.ledger, segment)
            self.reporter.note(
                owner.name,
                f"segment {segment} is gone from the spool:"
                f" {lost} messages are to be fetched again",
            )
        if self.verb in STEPS:
            for batch in landing.pending(self.ledger, owner, tries=account.settings.tries):
                self.dispatch.landed(owner.name, batch)

    def fetch(self, limit: int | None) -> None:
        """Fetches every account, several side by side; returns when all have ended."""
        fetching = Fetching(
            self.paths.ledger,
            self.spool,
            self.dispatch if self.verb is Verb.RUN else None,
            self.reporter,
            self.clock,
            self.stop,
            limit,
        )
        self._each([one for one in self.accounts if self._unlock(one)], fetching.fetch)

    def bring(self, sources: Sequence[Source]) -> None:
        """Imports what lies there into every account; see ``fetch``."""
        bringing = Bringing(
            sources,
            self.paths.ledger,
            self.spool,
            self.dispatch,
            self.reporter,
            self.clock,
            self.stop.asked,
        )
        self._each(self.accounts if sources else (), bringing.bring)

    def delete(self, order: Order) -> None:
        """Deletes on the servers what is archived, as far as policies and proofs permit."""
        deleting = Deleting(
            self.paths.ledger,
            self.spool,
            self.dispatch,
            self.reporter,
            self.clock,
            self.stop,
            order,
            self._failed,
        )
        self._each([one for one in self.accounts if self._may_delete(one, order)], deleting.delete)
        self._drain()

    def _may_delete(self, account: Account, order: Order) -> bool:
        if account.codes or self.dispatch.error is not None or self.stop.asked():
            return False
        if self.verb is Verb.PRUNE:
            asks_server = not order.dry_run or account.ledger_account.retires
            return not asks_server or self._unlock(account)
        return account.settings.deletion.delete == "verified"

    def _each(self, accounts: Sequence[Account], work: Callable[[Account], None]) -> None:
        def attempt(account: Account) -> None:
            try:
                work(account)
            except Interrupted:
                pass  # the run knows that it is to end
            except ArchiverError as error:
                self._failed(account, error)

        with ThreadPoolExecutor(max(1, self.settings.connections), "account") as pool:
            for future in [pool.submit(attempt, account) for account in accounts]:
                future.result()

    def _unlock(self, account: Account) -> bool:
        """Finds the secrets before anything runs, since a person may have to be asked."""
        try:
            with self.stop.at_once():
                account.mailbox = mailbox(account.settings, self.paths.root, self.stop)
        except Interrupted:
            return False
        except ArchiverError as error:
            self._failed(account, error)
            return False
        return True

    def _failed(self, account: Account, error: ArchiverError) -> None:
        account.codes.append(error.exit_code)
        self.errors.append(
            type(error)(f"{account.settings.name}: {error.message}", hint=error.hint)
        )

    def archive(self) -> None:
        """Waits until what has landed is archived."""
        self._drain()

    def chronicle(self) -> None:
        """Has the manifests tell what became of messages after they were archived."""
        for account in self.accounts:
            hold(self.ledger, account.ledger_account, tries=account.settings.tries)
        if self.verb not in CHRONICLED:
            return
        for account in self.accounts:
            owner = account.ledger_account
            if manifests.head(self.ledger, owner) is not None:
                events.describe(self.ledger, owner)
            if events.waiting(self.ledger, owner) or checkpoints.due(self.ledger, owner):
                self.dispatch.assign(
                    owner.name, f"events of {owner.name}", partial(chronicle, owner)
                )
        self._drain()

    def _drain(self) -> None:
        self.dispatch.drain()
        for account in self.accounts:
            refusal = self.dispatch.refused.get(account.settings.name)
            if refusal is not None and refusal not in self.errors:
                account.codes.append(refusal.exit_code)
                self.errors.append(refusal)
        error = self.dispatch.error
        if error is not None and error is not self._reported:
            self._reported = error
            self._note_or_raise(error)

    def _note_or_raise(self, error: Exception) -> None:
        """Keeps an expected error for the report; any other is a bug and ends the run."""
        if not isinstance(error, ArchiverError):
            raise error
        self._share(error)

    def index(self) -> None:
        """Reads what the index lacks, and marks what it holds."""
        reading = Reading(
            self.ledger, self.paths.spool, self.indexer, self.dispatch, self.clock, self.stop.asked
        )
        owners = {account.ledger_account.row: account.ledger_account for account in self.accounts}
        for store in {owner.store for owner in owners.values()}:
            # Nothing else would have the index read again what was imported.
            owners |= {owner.row: owner for owner in without_server(self.ledger, store)}
        error = reading.read([*owners.values()])
        tell_unread(self.indexer.unread, self.reporter)
        self._drain()
        if error is not None:
            self._note_or_raise(error)

    def give_up_leases(self) -> None:
        """Lets other machines archive these accounts from now on."""
        if self.staff.leases.holds_any():
            self.dispatch.assign("", "leases", give_up_leases, last=True)
            self._drain()

    def snapshot(self) -> None:
        """Keeps a copy of the ledger, where manifests were added since the last one."""
        snapshots = Snapshots(
            self.ledger, self.paths, self.dispatch, self.reporter, self.clock, self.stop.asked
        )
        self._each(self.accounts[:1], snapshots.keep)

    def outcome(self) -> Outcome:
        """Adds up, and writes down how the run ended."""
        if self.stop.asked():
            self._share(Interrupted())
        by_name = {each.settings.name: self._report(each) for each in self.accounts}
        if self.verb in COUNTED:
            by_name |= {name: Reconciliation(name) for name in self.busy}
        reports = [by_name[each.name] for each in self.settings.accounts if each.name in by_name]
        codes = [code for account in self.accounts for code in account.codes]
        codes += [error.exit_code for error in self.errors]
        return Outcome(tuple(reports), tuple(self.errors), worst(codes))

    def _share(self, error: ArchiverError) -> None:
        """Keeps an error that concerns every account, once if several threads met it."""
        if not any(error.message in known.message for known in self.errors):
            self.errors.append(error)
        for account in self.accounts:
            account.codes.append(error.exit_code)

    def _report(self, account: Account) -> Report:
        owner = account.ledger_account
        failed, held = problem_count(self.ledger, owner.row)
        if failed or held or (account.counts is not None and account.counts.failed):
            account.codes.append(3)
        waiting = landing.waiting(self.ledger, owner)
        if waiting and self.verb in (Verb.RUN, Verb.IMPORT):
            self.reporter.note(owner.name, f"{waiting:,} messages wait in the spool for the store")
        if account.deletion.kept and self.verb is Verb.RUN:
            self.reporter.note(owner.name, f"stay on the server: {words(account.deletion.kept)}")
        now = self.clock.now()
        report = self._made_report(account, now)
        end_run(
            self.ledger,
            account.run,
            now=now,
            exit_code=worst(account.codes),
            report=asdict(report),
        )
        return report

    def _made_report(self, account: Account, now: float) -> Report:
        name, done = account.settings.name, self.dispatch
        by_verb = {Verb.UPLOAD: done.uploaded, Verb.INDEX: done.read}
        messages = by_verb.get(self.verb, done.archived)[name]
        if account.counts is not None:
            octets = account.tally.octets
            return reconcile(self.ledger, account, Work(messages, octets, account.started, now))
        work = Work(messages, done.octets[name], account.started, now)
        if self.verb is Verb.PRUNE:
            return report_prune(self.ledger, account, work)
        return report_stage(self.ledger, account, self.verb, work)

    def close(self) -> None:
        """Ends what still runs, whatever the reason."""
        self.dispatch.close()
        self.indexer.close()
        self.ledger.close()
