"""A batch's way from the spool to ARCHIVED: the order of the writes, and who does what.

    objects put -> proven -> recorded -> manifest drafted (committed) -> put and proven
    -> messages ARCHIVED -> segment removed

Every arrow may be cut by a crash; whoever comes back finds in the ledger how far the batch came
and goes on there. One thread drives one worker, and the manifests of an account follow one another.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archiver.errors import IntegrityError, Interrupted, KeyTaken
from archiver.format import Sign
from archiver.ledger import Ledger, checkpoints, copies, events, landing, manifests
from archiver.ledger.accounts import LedgerAccount, holder, owner_of, writer
from archiver.model import Batch, Clock, Copy, Kind, Reporter
from archiver.state import Spool
from archiver.workers import (
    Archive,
    Archived,
    Claims,
    Leases,
    PutFile,
    PutManifest,
    Relock,
    Worker,
    WorkerDied,
    halves,
)

if TYPE_CHECKING:
    from archiver.index import Entry, Location

EntrySink = Callable[[Sequence[tuple["Entry", "Location"]]], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """Which steps are taken with each batch."""

    upload: bool = True
    verify: bool = True
    index: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """What a batch came to, in messages: put, ARCHIVED, read for the index; and its octets."""

    uploaded: int = 0
    archived: int = 0
    read: int = 0
    octets: int = 0


class Deferred(Exception):
    """A batch must wait until another one, which puts a part of its messages, is archived."""


@dataclass(frozen=True, slots=True)
class Archivist:
    """One thread's means of archiving: a connection to the ledger and a worker.

    ``chain`` is held by whoever writes an account's manifests; ``sign`` signs them, where they are
    signed; ``locks`` says that the settings ask for Object Lock; ``stopping`` whether the run
    was asked to end. Messages are archived under a lease of their account.
    """

    ledger: Ledger
    worker: Worker
    spool: Spool
    claims: Claims
    leases: Leases
    chain: Callable[[str], AbstractContextManager[Any]]
    entries: EntrySink
    reporter: Reporter
    clock: Clock
    steps: Steps
    sign: Sign | None = None
    locks: bool = False
    stopping: Callable[[], bool] = lambda: False

    def archive(self, name: str) -> Progress:
        """Takes a batch as far as the steps go.

        Raises:
            Deferred: it has to wait for another batch.
            AlreadyRunning: another machine archives this account; the batch stays where it is.
            StoreError: the store refuses or cannot be reached; the batch stays where it is.
            IntegrityError: the store does not hold what it acknowledged.
        """
        batch = landing.load(self.ledger, name)
        owner = owner_of(self.ledger, name)
        self.hold(owner)
        progress = Progress()
        if batch.messages:
            progress = self._store(batch, owner)
        if self.steps.verify:
            progress = self._seal(name, owner, progress)
        return progress

    def hold(self, owner: LedgerAccount) -> None:
        """Takes the lease of an account, or sees that it is held.

        Raises:
            AlreadyRunning: another machine archives this account.
            StoreError: the store refuses or cannot be reached.
        """
        self.leases.hold(owner.name, holder(self.ledger), self.worker)

    def _store(self, batch: Batch, owner: LedgerAccount) -> Progress:
        if landing.is_uploaded(self.ledger, batch.id):
            if not self.steps.verify or self._prove(batch, owner):
                return Progress()
            if not self.steps.upload:
                raise IntegrityError(
                    f"the store does not hold all that was uploaded of batch {batch.id}",
                    hint="archiver upload stores it again",
                )
        elif not self.steps.upload:
            return Progress()
        try:
            results = self._attempt(batch, owner)
            return self._record(batch, owner, results)
        finally:
            self.claims.drop(batch.id)

    def _prove(self, batch: Batch, owner: LedgerAccount) -> bool:
        """Verifies a batch that was uploaded before; False when it must be uploaded again."""
        unproven = copies.of_batch(self.ledger, batch.id, unproven=True)
        result: Archived = self.worker.run(
            self._task(batch, replace(self.steps, upload=False), tuple(unproven))
        )
        copies.record_proofs(self.ledger, owner, result.verified.proven, self.clock.now())
        missing = result.verified.missing
        if missing:
            copies.forget(self.ledger, owner, batch.id, missing)
            self.reporter.note(
                owner.name, f"{len(missing)} objects of batch {batch.id} are not in the store"
            )
        return not missing

    def _task(self, batch: Batch, steps: Steps, unproven: tuple[Copy, ...] = ()) -> Archive:
        return Archive(
            batch=batch,
            segment=self.spool.path(batch.segment),
            upload=steps.upload,
            verify=steps.verify,
            index=steps.index,
            copies=unproven,
        )

    def _attempt(self, batch: Batch, owner: LedgerAccount) -> list[Archived]:
        """Has a batch stored; one on which a worker dies is halved until the culprit is alone."""
        todo = [self._task(batch, replace(self.steps, upload=True))]
        done: list[Archived] = []
        while todo:
            task = todo.pop()
            self.claims.drop(batch.id)
            try:
                done.append(
                    self.worker.run(task, claim=self._claim(batch, owner), entries=self.entries)
                )
            except WorkerDied:
                todo += self._smaller(task, owner)
        return done

    def _smaller(self, task: Archive, owner: LedgerAccount) -> list[Archive]:
        if len(task.batch.messages) > 1:
            first, second = halves(task)
            return [second, first]
        culprit = task.batch.messages[0].digest
        if culprit in task.header_only:
            raise IntegrityError(
                f"a worker died while it stored message {culprit}, and again with its header alone",
                hint="look at the system's log for what ended it",
            )
        self.reporter.note(
            owner.name, f"a worker died on message {culprit}: only its header is read"
        )
        return [replace(task, header_only=frozenset({culprit}))]

    def _claim(self, batch: Batch, owner: LedgerAccount) -> Callable[[str], bool]:
        def claim(digest: str) -> bool:
            if not self.claims.grant(owner.name, digest, batch.id):
                return False
            return copies.find(self.ledger, owner, Kind.PART, digest) is None

        return claim

    def _record(self, batch: Batch, owner: LedgerAccount, results: list[Archived]) -> Progress:
        now = self.clock.now()
        failed: dict[str, str] = {}
        missing: list[Copy] = []
        put = 0
        for result in results:
            proofs = {(c.kind, c.digest): c.proof for c in result.verified.proven}
            missing += result.verified.missing
            lost = {(c.kind, c.digest) for c in result.verified.missing}
            kept = [
                replace(c, proof=proofs.get((c.kind, c.digest)))
                for c in result.uploaded.copies
                if (c.kind, c.digest) not in lost
            ]
            put += sum(copy.kind is Kind.RAW for copy in kept)
            failed.update(result.uploaded.failed)
            copies.record_upload(
                self.ledger, owner, batch.id, copies=kept, parts=result.uploaded.parts, now=now
            )
        if missing:
            raise IntegrityError(
                f"the store acknowledged {len(missing)} objects of batch {batch.id}"
                f" and does not hold them, {missing[0].locator.key} first",
                hint="the messages stay in the spool; run again, and look into the store",
            )
        landing.mark_uploaded(self.ledger, batch.id, now)
        if failed:
            self._set_aside(batch, owner, failed)
        octets = sum(message.length for message in batch.messages)
        return Progress(uploaded=put, octets=octets)

    def _set_aside(self, batch: Batch, owner: LedgerAccount, failed: dict[str, str]) -> None:
        for message in batch.messages:
            reason = failed.get(message.digest)
            if reason is None:
                continue
            now = self.clock.now()
            kept = self.spool.keep(
                owner.name,
                self.spool.path(batch.segment),
                [(message.offset, message.length)],
                now,
            )
            draft = landing.Draft(kept.batch, kept.day, kept.name, kept.octets)
            landing.set_aside(self.ledger, [message], draft, reason, now)
            self.reporter.note(owner.name, f"message {message.digest} is set aside: {reason}")

    def _seal(self, name: str, owner: LedgerAccount, progress: Progress) -> Progress:
        """Writes the manifest that makes a batch's messages ARCHIVED, and frees its segment."""
        batch = landing.load(self.ledger, name)
        if batch.messages and not landing.is_uploaded(self.ledger, name):
            return progress
        self.claims.wait(owner.name, manifests.parts_named(self.ledger, owner, batch), name)
        if self.locks:
            self._relock(batch, owner)
        with self.chain(owner.name):
            self._finish_drafts(owner)
            if not landing.is_archived(self.ledger, name):
                self._write_manifest(batch, owner)
        self.spool.remove(batch.segment)
        return replace(progress, archived=len(batch.messages))

    def _relock(self, batch: Batch, owner: LedgerAccount) -> None:
        """Has what is named again stay locked as long as what was put just now."""
        reused = tuple(manifests.reused(self.ledger, owner, batch))
        if not reused:
            return
        missing: tuple[Copy, ...] = self.worker.run(Relock(reused))
        for copy in missing:
            self.reporter.note(
                owner.name, f"{copy.locator.key} is not in the store any more: see archiver audit"
            )

    def _write_manifest(self, batch: Batch, owner: LedgerAccount) -> None:
        if not batch.messages and not batch.linked:
            self._close(batch, owner)
            return
        if not manifests.is_proven(self.ledger, owner, batch):
            # Whoever was to put the part may have failed: the next try puts it from here.
            copies.forget(self.ledger, owner, batch.id, ())
            raise Deferred(batch.id)
        self._extend_chain(owner, batch)

    def _close(self, batch: Batch, owner: LedgerAccount) -> None:
        """Archives a batch that brings no messages: what was moved into it is to be named first."""
        while events.waiting(self.ledger, owner) > events.MOST_IN_A_MANIFEST:
            self._extend_chain(owner, None)
        if events.waiting(self.ledger, owner):
            self._extend_chain(owner, batch)
        else:
            manifests.close_empty(self.ledger, batch.id, self.clock.now())

    def _extend_chain(self, owner: LedgerAccount, batch: Batch | None) -> None:
        draft = self._draft(owner, batch)
        try:
            self._put_manifest(draft)
        except KeyTaken:
            # Another machine, or a copy of this state directory, wrote on from the same place.
            self.reporter.note(
                owner.name, "this chain of manifests has another writer: a new one begins"
            )
            manifests.move_chain(self.ledger, draft)
            self._put_manifest(self._draft(owner, batch))

    def _draft(self, owner: LedgerAccount, batch: Batch | None) -> manifests.Manifest:
        return manifests.draft(self.ledger, owner, batch, self.clock.now(), self.sign)

    def chronicle(self, owner: LedgerAccount) -> None:
        """Has manifests name every event that waits, and a checkpoint where the chain is long.

        Raises:
            StoreError: the store refuses or cannot be reached; the events wait for the next run.
            LocalDiskError: there is no room for a checkpoint; the chain is whole without it.
        """
        with self.chain(owner.name):
            self._finish_drafts(owner)
            self._empty_outbox(owner)
            if checkpoints.due(self.ledger, owner):
                # A run that is asked to end leaves it to the next one.
                with suppress(Interrupted):
                    self._write_checkpoint(owner)
                self._empty_outbox(owner)

    def restate(self, owner: LedgerAccount) -> dict[str, int]:
        """Has a checkpoint say again what is live, however short the chain is.

        Returns:
            For each writer the last link whose content the checkpoint makes good.

        Raises:
            AlreadyRunning: another machine archives this account.
            StoreError: the store refuses or cannot be reached.
            LocalDiskError: there is no room for a checkpoint.
        """
        self.hold(owner)
        with self.chain(owner.name):
            self._finish_drafts(owner)
            self._empty_outbox(owner)
            if writer(self.ledger) not in manifests.proven_ends(self.ledger, owner):
                self._extend_chain(owner, None)
            covered = manifests.proven_ends(self.ledger, owner)
            self._write_checkpoint(owner)
            self._empty_outbox(owner)
        return covered

    def _empty_outbox(self, owner: LedgerAccount) -> None:
        while events.waiting(self.ledger, owner):
            self._extend_chain(owner, None)

    def _write_checkpoint(self, owner: LedgerAccount) -> None:
        made = checkpoints.write(
            self.ledger,
            owner,
            self.ledger.path.parent,
            self.clock.now(),
            stopping=self.stopping,
        )
        try:
            self.worker.run(PutFile(made.key, made.path, made.length, made.digest))
        finally:
            made.path.unlink(missing_ok=True)
        checkpoints.note(self.ledger, owner, made)

    def _put_manifest(self, manifest: manifests.Manifest) -> None:
        self.worker.run(PutManifest(manifest.key, manifest.octets))
        manifests.seal(self.ledger, manifest, self.clock.now())

    def _finish_drafts(self, owner: LedgerAccount) -> None:
        """Puts what a crash left drafted: the same octets, before anything follows in the chain."""
        while (draft := manifests.unproven(self.ledger, owner)) is not None:
            try:
                self._put_manifest(draft)
            except KeyTaken:
                manifests.move_chain(self.ledger, draft)
                return
            self.spool.remove(manifests.segment_of(self.ledger, draft))


class Chains:
    """One lock an account: its manifests follow one another."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __call__(self, account: str) -> AbstractContextManager[Any]:
        """The lock of this account's chain."""
        with self._guard:
            return self._locks.setdefault(account, threading.Lock())
