"""A rebuild as a whole: what is there, whose turn it is, and whether the result may be used."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from archiver.chains import Survey, survey
from archiver.config import StoreSettings
from archiver.errors import IntegrityError, NothingMatched
from archiver.format import FORMAT_KEY, check_format
from archiver.ledger import Ledger, landing
from archiver.ledger.accounts import account, begin_run, end_run, renew_writer
from archiver.ledger.check import check
from archiver.ledger.copying import copy
from archiver.ledger.replay import Replay
from archiver.model import Clock, Reporter
from archiver.state import AccountLock, StatePaths
from archiver.stopping import Stop
from archiver.store import ObjectMissing, Store, open_store
from archiver.verbs.rebuild.installing import Aside, Place
from archiver.verbs.rebuild.replaying import AccountRebuilt, Rebuilding
from archiver.verbs.rebuild.snapshot import fetch


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for.

    Attributes:
        accounts: their ids; all that the store has for none. What a ledger that is replaced knows
            of others is kept.
        replace: a ledger that is there may be replaced; it is moved aside.
        partial: a ledger is put into its place also where the chains of manifests are broken.
    """

    accounts: tuple[str, ...] = ()
    replace: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it; ``installed`` says whether the ledger is in its place."""

    accounts: tuple[AccountRebuilt, ...]
    installed: bool
    aside: Aside | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything that was ever told is known again."""
        return all(account.is_whole for account in self.accounts)


def rebuild(
    settings: StoreSettings,
    paths: StatePaths,
    wanted: Wanted,
    *,
    reporter: Reporter,
    clock: Clock,
    stop: Stop,
) -> Rebuilt:
    """Makes a ledger from what manifests say, and puts it into its place.

    Args:
        settings: the store.
        paths: the state directory, which may hold nothing yet.
        wanted: what a person asked for.
        reporter: hears what happens.
        clock: the time.
        stop: ask it to end the rebuild, which changes nothing then.

    Raises:
        NothingMatched: the store holds no manifests, or none of an account that is named.
        UsageError: there is a ledger, which is not to be replaced.
        AlreadyRunning: another archiver works on this state.
        UnknownFormat: a newer version wrote into the store.
        StoreError: the store cannot be reached or refuses.
        LocalDiskError: the disk is full or failing.
        Interrupted: it was asked to end.
        Whatever it raises, nothing was changed.
    """
    paths.create()
    place = Place(paths, replace=wanted.replace)
    place.check()
    with ExitStack() as stack:
        with stop.at_once():
            store = stack.enter_context(open_store(settings))
            _see_format(store, reporter)
            found = survey(store)
            names = _chosen(found, wanted, store.url)
            _tell(found, names, reporter)
            for name in names:
                stack.enter_context(AccountLock(paths.locks, name, "rebuild"))
            place.clear()
            stack.callback(place.clear)
            kept = bool(wanted.accounts) and paths.ledger.exists()
            if kept:
                copy(paths.ledger, place.building, stopping=stop.asked)
            work = Rebuilding(store, paths.root, reporter, clock)
            accounts, needed = _made(work, place, found, names, kept=kept)
        if not wanted.partial and not all(account.is_whole for account in accounts):
            return Rebuilt(accounts, installed=False)
        aside = place.install(needed, clock.now())
    return Rebuilt(accounts, installed=True, aside=aside)


def _made(
    work: Rebuilding, place: Place, found: Survey, names: Sequence[str], *, kept: bool
) -> tuple[tuple[AccountRebuilt, ...], set[str]]:
    """What came of the accounts, in the ledger that is built, and the segments that it needs."""
    snapshot = None
    if not kept:
        snapshot = fetch(
            work.store, place.building, lambda text: work.reporter.note("rebuild", text)
        )
    with Ledger.open(place.building) as ledger:
        accounts = _replayed(work, ledger, found, names, snapshot)
        needed = landing.all_segments(ledger)
        renew_writer(ledger)
    check(place.building)
    return accounts, needed


def _see_format(store: Store, reporter: Reporter) -> None:
    try:
        check_format(b"".join(store.read(FORMAT_KEY)))
    except ObjectMissing:
        # Manifests name their format themselves, and may be all that somebody could save.
        reporter.note("rebuild", f"there is no {FORMAT_KEY} in {store.url}")


def _chosen(found: Survey, wanted: Wanted, url: str) -> list[str]:
    known = found.accounts()
    if not known:
        raise NothingMatched(
            f"there are no manifests in {url}",
            hint="check the bucket and the prefix; an archive begins with its first run",
        )
    names = sorted({name.lower() for name in wanted.accounts})
    for name in names:
        if name not in known:
            raise NothingMatched(
                f"there are no manifests of {name} in {url}",
                hint=f"there are of {', '.join(known)}",
            )
    return names or known


def _tell(found: Survey, names: Sequence[str], reporter: Reporter) -> None:
    for name in names:
        chains = found.of(name)
        manifests = sum(chain.count() for chain in chains)
        reporter.note(name, f"{manifests:,} manifests to read, chains: {len(chains)}")
    if found.foreign:
        reporter.note(
            "rebuild",
            f"{found.foreign:,} names below manifests/ are not ours and are passed over,"
            f" {found.some_foreign[0]} first",
        )


def _replayed(
    work: Rebuilding,
    ledger: Ledger,
    found: Survey,
    names: Sequence[str],
    snapshot: str | None,
) -> tuple[AccountRebuilt, ...]:
    began = work.clock.now()
    with Replay(ledger, work.store.url) as replay:
        if snapshot is not None:
            replay.strip(names)
        rebuilt = tuple(work.account(replay, name, found.of(name), snapshot) for name in names)
    for done in rebuilt:
        run = begin_run(ledger, account(ledger, done.row), "rebuild", began)
        code = 0 if done.is_whole else IntegrityError.exit_code
        end_run(ledger, run, now=work.clock.now(), exit_code=code, report=asdict(done))
    return rebuilt
