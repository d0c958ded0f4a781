"""What each archiving thread is given: a connection to the ledger, and a worker with the store.

The first worker of a run sees what the store is and gives; the others are told.
"""

import threading
from dataclasses import asdict
from pathlib import Path

from archiver.archiving import Archivist, Chains, EntrySink, Steps
from archiver.config import StoreSettings
from archiver.format import Sign
from archiver.ledger import Ledger
from archiver.ledger.accounts import capabilities, remember_capabilities
from archiver.model import Clock, Reporter
from archiver.state import Spool
from archiver.stopping import Stop
from archiver.store import Capabilities, remembered
from archiver.workers import Claims, Leases, Prepare, Worker


class Staff:
    """Makes a run's means of archiving.

    Args:
        ledger: where the ledger is.
        store: where objects go.
        spool: where messages wait.
        entries: takes what the index should hold.
        reporter: hears what happens.
        clock: the time.
        stop: ends the workers.
        steps: what is done with each batch.
        sign: signs the manifests; None where they are not signed.

    ``store_row`` is the store's row in the ledger, known once an account is opened; ``leases`` are
    those that the run took.
    """

    def __init__(
        self,
        ledger: Path,
        store: StoreSettings,
        spool: Spool,
        entries: EntrySink,
        reporter: Reporter,
        clock: Clock,
        stop: Stop,
        steps: Steps,
        sign: Sign | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = store
        self._spool = spool
        self._entries = entries
        self._reporter = reporter
        self._clock = clock
        self._stop = stop
        self._steps = steps
        self._sign = sign
        self._claims = Claims()
        self.leases = Leases(clock)
        self._chains = Chains()
        self._preparing = threading.Lock()
        self._capabilities: Capabilities | None = None
        self.store_row: int | None = None

    def archivist(self) -> Archivist:
        """A thread's means of archiving.

        Raises:
            Interrupted: the run should have ended by now.
            StoreError: the store cannot be used.
            IntegrityError: it is of a format that this version does not know.
        """
        worker = Worker(self._prepare_known, self._stop)
        ledger = Ledger.open(self._ledger)
        try:
            self._prepare(ledger, worker)
        except BaseException:
            worker.close()
            ledger.close()
            raise
        return Archivist(
            ledger=ledger,
            worker=worker,
            spool=self._spool,
            claims=self._claims,
            leases=self.leases,
            chain=self._chains,
            entries=self._entries,
            reporter=self._reporter,
            clock=self._clock,
            steps=self._steps,
            sign=self._sign,
            locks=self._settings.lock_mode is not None,
            stopping=self._stop.asked,
        )

    def _prepare(self, ledger: Ledger, worker: Worker) -> None:
        worker.start()
        with self._preparing:
            if self._capabilities is not None:
                return
            assert self.store_row is not None
            known = remembered(capabilities(ledger, self.store_row))
            found: Capabilities = worker.run(Prepare(self._settings, known, check=True))
            if known is None:
                remember_capabilities(ledger, self.store_row, asdict(found))
            self._capabilities = found

    def _prepare_known(self) -> Prepare:
        return Prepare(self._settings, self._capabilities, check=False)
