"""The leases of a run: taken with an account's first batch, kept while it goes on, and given up."""

import os
import threading
from dataclasses import replace

from archiver.errors import AlreadyRunning
from archiver.model import Clock
from archiver.stages.lease import LIFE_SECONDS, Lease
from archiver.workers.tasks import GiveUpLease, TakeLease
from archiver.workers.worker import Worker

_ANEW_SECONDS = LIFE_SECONDS / 3


class Leases:
    """Which accounts this run holds in the store; see ``stages.lease``.

    A lease is taken anew with a batch, not by a clock: a run whose batch takes longer than a lease
    lives, or that waits so long for its mail server, may find that another machine went on.
    """

    def __init__(self, clock: Clock) -> None:
        """Holds none; nothing is asked of the store."""
        self._clock = clock
        self._guard = threading.Lock()
        self._held: dict[str, Lease] = {}
        self._refused: dict[str, AlreadyRunning] = {}
        self._due: dict[str, float] = {}

    def hold(self, account: str, holder: str, worker: Worker) -> None:
        """Sees to it that an account is held, before something of it is archived.

        Args:
            account: its id.
            holder: who this state directory is.
            worker: has the store.

        Raises:
            AlreadyRunning: another machine holds it; from then on that is the answer.
            StoreError: the store refuses or cannot be reached.
        """
        with self._guard:
            if account in self._refused:
                raise self._refused[account]
            if account in self._held and self._clock.monotonic() < self._due[account]:
                return
            now = self._clock.now()
            ours = self._held.get(account) or Lease(
                holder, os.uname().nodename, os.getpid(), since=now, until=now
            )
            ours = replace(ours, until=now + LIFE_SECONDS)
            try:
                worker.run(TakeLease(account, ours, now))
            except AlreadyRunning as error:
                self._held.pop(account, None)
                self._refused[account] = error
                raise
            self._held[account] = ours
            self._due[account] = self._clock.monotonic() + _ANEW_SECONDS

    def holds_any(self) -> bool:
        """Whether there is one to give up."""
        return bool(self._held)

    def give_up(self, worker: Worker) -> None:
        """Gives up every lease.

        Raises:
            StoreError: the store refuses or cannot be reached; what is left runs out.
        """
        with self._guard:
            while self._held:
                account, lease = self._held.popitem()
                worker.run(GiveUpLease(account, lease))
