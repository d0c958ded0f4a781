"""Which things are examined, in which order: the mailboxes, the store, and this machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from archiver.config import AccountSettings, StoreSettings
from archiver.errors import UsageError
from archiver.model import Clock
from archiver.store.opening import DirectoryPlace, MemoryPlace, place_of
from archiver.verbs.doctor.bucket import examine_bucket
from archiver.verbs.doctor.directory import examine_directory
from archiver.verbs.doctor.findings import Chart, Examination
from archiver.verbs.doctor.here import examine_here
from archiver.verbs.doctor.mailbox import examine_mailbox


def examine(
    accounts: Sequence[AccountSettings], store: StoreSettings | None, state: Path, clock: Clock
) -> Iterator[Examination]:
    """Examines one thing after the other; each is given as soon as it is done.

    Args:
        accounts: whose mailboxes to look at.
        store: where the archive is; None leaves it out.
        state: the state directory; nothing is made there.
        clock: the time to judge by.
    """
    for account in accounts:
        yield examine_mailbox(account, state, clock.now())
    if store is not None:
        yield _examine_store(store, state)
    yield examine_here(state, clock.now())


def _examine_store(store: StoreSettings, state: Path) -> Examination:
    try:
        place = place_of(store.url)
        if isinstance(place, MemoryPlace):
            raise UsageError(f"{store.url} is for tests alone", hint="name a bucket or a directory")
    except UsageError as error:
        chart = Chart("store", store.url, "", ())
        chart.problem("settings", error)
        return chart.examination()
    if isinstance(place, DirectoryPlace):
        return examine_directory(store, place.path, state)
    return examine_bucket(store)
