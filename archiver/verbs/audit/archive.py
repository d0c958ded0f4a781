"""From settings to an audit: the store, what this machine knows of it, and a place to sort in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from archiver.config import StoreSettings
from archiver.errors import LedgerDamaged, UsageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import accounts_of, capabilities
from archiver.state import StatePaths
from archiver.store import Store, canonical_url, open_store, remembered
from archiver.verbs.audit.audit import Audited, Tell, Wanted, audit
from archiver.verbs.audit.findings import Finding, Remark
from archiver.verbs.audit.stored import Watch


def audit_archive(
    settings: StoreSettings, state: Path, wanted: Wanted, *, tell: Tell, watch: Watch, now: float
) -> Audited:
    """Looks at the store that the settings name.

    Args:
        settings: where it is.
        state: the state directory; nothing is made there.
        wanted: what to look at.
        tell: takes each finding.
        watch: hears how far it has come.
        now: the time, in seconds since the epoch.

    Raises:
        UsageError: the settings do not name a store, or it has no such account.
        StoreError: it cannot be reached or refuses.
        UnknownFormat: it is of a newer format.
        LocalDiskError: there is no room to sort names in.
    """
    with ExitStack() as stack:
        ledger = stack.enter_context(_ledger(StatePaths(state).ledger, tell))
        store = stack.enter_context(_store(settings, ledger, wanted.threads))
        scratch = stack.enter_context(TemporaryDirectory(prefix="archiver-audit-"))
        return audit(store, ledger, Path(scratch), wanted, tell=tell, watch=watch, now=now)


@contextmanager
def _ledger(path: Path, tell: Tell) -> Iterator[Ledger | None]:
    """The ledger; a damaged one is no reason not to look at the store."""
    if not path.exists():
        yield None
        return
    try:
        ledger = Ledger.open(path)
    except (LedgerDamaged, UsageError) as error:
        tell(Finding(Remark.LEDGER_UNUSABLE, "", str(path), error.message), None)
        yield None
        return
    with ledger:
        yield ledger


def _store(settings: StoreSettings, ledger: Ledger | None, threads: int) -> Store:
    owners = [] if ledger is None else accounts_of(ledger, canonical_url(settings.url))
    found = capabilities(ledger, owners[0].store) if ledger and owners else None
    return open_store(settings, capabilities=remembered(found), connections=threads)
