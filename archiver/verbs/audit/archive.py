"""From settings to an audit: the store, what this machine knows of it, and a place to sort in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from archiver.config import StoreSettings
from archiver.errors import LedgerDamaged, LocalDiskError, UsageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import accounts_of, capabilities
from archiver.ledger.naming import Names
from archiver.state import StatePaths
from archiver.store import Store, canonical_url, open_store, remembered
from archiver.verbs.audit.audit import Audited, Tell, Wanted, audit
from archiver.verbs.audit.findings import Finding, Remark
from archiver.verbs.audit.stored import Watch


@dataclass(frozen=True, slots=True)
class Opened:
    """What an audit works with: ``ledger`` is None where this machine knows nothing."""

    store: Store
    ledger: Ledger | None
    names: Names
    scratch: Path


@contextmanager
def opened(settings: StoreSettings, state: Path, threads: int, tell: Tell) -> Iterator[Opened]:
    """Opens the store that the settings name, and what goes with it.

    Args:
        settings: where it is.
        state: the state directory; nothing is made there.
        threads: how many will use the store at once.
        tell: hears of a ledger that cannot be used.

    Raises:
        UsageError: the settings do not name a store.
        StoreError: there are no credentials.
        LocalDiskError: there is no room to sort names in.
    """
    with ExitStack() as stack:
        ledger = stack.enter_context(_ledger(StatePaths(state).ledger, tell))
        store = stack.enter_context(_store(settings, ledger, threads))
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="archiver-audit-")))
        names = stack.enter_context(Names(scratch / "names.db"))
        yield Opened(store, ledger, names, scratch)


def audit_archive(
    settings: StoreSettings, state: Path, wanted: Wanted, *, tell: Tell, watch: Watch, now: float
) -> Audited:
    """Looks at the store that the settings name; see ``audit`` and ``opened``."""
    with opened(settings, state, wanted.threads, tell) as found:
        return audit(
            found.store, found.ledger, found.names, wanted, tell=tell, watch=watch, now=now
        )


@contextmanager
def _ledger(path: Path, tell: Tell) -> Iterator[Ledger | None]:
    """The ledger; a damaged one is no reason not to look at the store."""
    if not path.exists():
        yield None
        return
    try:
        ledger = Ledger.open(path)
    except (LedgerDamaged, LocalDiskError, UsageError) as error:
        tell(Finding(Remark.LEDGER_UNUSABLE, "", str(path), error.message), None)
        yield None
        return
    with ledger:
        yield ledger


def _store(settings: StoreSettings, ledger: Ledger | None, threads: int) -> Store:
    owners = [] if ledger is None else accounts_of(ledger, canonical_url(settings.url))
    found = capabilities(ledger, owners[0].store) if ledger and owners else None
    return open_store(settings, capabilities=remembered(found), connections=threads)
