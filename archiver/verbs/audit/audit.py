"""An audit: every chain of manifests, then every object, and octets as far as a person wants.

Nothing is written into the store, so the right to read and list is enough. What is found is told as
soon as it is known; what has to be sorted lies in a temporary directory.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from archiver.chains import survey
from archiver.errors import IntegrityError, UnknownFormat, UsageError
from archiver.format import FORMAT_KEY, MANIFESTS_PREFIX, ChainHead, check_format
from archiver.ledger import Ledger
from archiver.ledger.accounts import LedgerAccount, accounts_of
from archiver.ledger.naming import Named, Names
from archiver.store import ObjectMissing, Store
from archiver.verbs.audit.contents import Contents
from archiver.verbs.audit.findings import Finding, Remark, Trouble, counted_finding
from archiver.verbs.audit.known import Known
from archiver.verbs.audit.manifests import AccountChains, ChainTally, Demands
from archiver.verbs.audit.objects import Verdict
from archiver.verbs.audit.sampling import Sample
from archiver.verbs.audit.stored import ObjectTally, StoredObjects, Watch

Tell = Callable[[Finding, Named | None], None]
"""Takes a finding, and the object that it is about, where it is about one that is named."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants an audit to look at.

    Attributes:
        accounts: whose; all of the store if there are none.
        demands: what is demanded of the chains.
        read: whether octets are read at all.
        sample: which of them; None for all.
        threads: how many objects are read at once.
    """

    accounts: tuple[str, ...] = ()
    demands: Demands = field(default_factory=Demands)
    read: bool = False
    sample: Sample | None = None
    threads: int = 16


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit looked at, and how much was found.

    ``found`` counts findings by their kind.
    """

    accounts: tuple[str, ...]
    chains: ChainTally
    objects: ObjectTally
    found: Counter[Trouble | Remark] = field(default_factory=Counter)

    @property
    def damage(self) -> int:
        """How many findings are damage."""
        return sum(count for kind, count in self.found.items() if isinstance(kind, Trouble))

    @property
    def heads(self) -> list[tuple[str, str, ChainHead]]:
        """Account, writer and head of every chain."""
        return [(*place, head) for place, head in sorted(self.chains.heads.items())]


def audit(
    store: Store,
    ledger: Ledger | None,
    names: Names,
    wanted: Wanted,
    *,
    tell: Tell,
    watch: Watch,
    now: float,
) -> Audited:
    """Looks at a store.

    Args:
        store: the store.
        ledger: what this machine knows, if it has archived into that store.
        names: takes what manifests name; still empty.
        wanted: what to look at.
        tell: takes each finding.
        watch: hears how far it has come.
        now: the time, in seconds since the epoch.

    Raises:
        UsageError: neither the store nor the ledger has such an account.
        UnknownFormat: the store is of a newer format.
        StoreError: the store cannot be reached or refuses.
        LocalDiskError: there is no room for the names.
    """
    found: Counter[Trouble | Remark] = Counter()

    def counted(finding: Finding, named: Named | None) -> None:
        found[finding.kind] += 1
        tell(finding, named)

    looking = _Looking(store, names, wanted, counted, watch)
    looking.at_format()
    accounts = looking.at_chains(ledger)
    objects = looking.at_objects(accounts, now)
    return Audited(tuple(accounts), looking.chains, objects, found)


class _Looking:
    """The steps of an audit."""

    def __init__(
        self, store: Store, names: Names, wanted: Wanted, tell: Tell, watch: Watch
    ) -> None:
        self._store = store
        self._names = names
        self._wanted = wanted
        self._tell = tell
        self._watch = watch
        self.chains = ChainTally()

    def at_format(self) -> None:
        """What the store says of itself."""
        try:
            check_format(b"".join(self._store.read(FORMAT_KEY)))
        except ObjectMissing:
            self._say(Finding(Trouble.FORMAT_MISSING, "", FORMAT_KEY, "is not there"))
        except UnknownFormat:
            raise
        except IntegrityError as error:
            self._say(Finding(Trouble.FORMAT_DAMAGED, "", FORMAT_KEY, error.message))

    def at_chains(self, ledger: Ledger | None) -> list[str]:
        """Reads the chains; returns whose there are."""
        owners = _owners(ledger, self._store.url)
        # Before anything is listed, since another run may add links meanwhile.
        known = {owner.name: Known(ledger, owner) for owner in owners}
        there = survey(self._store)
        accounts = sorted({*there.accounts(), *(n for n, one in known.items() if one.ends)})
        accounts = _chosen(accounts, self._wanted.accounts)
        total = sum(chain.count() for name in accounts for chain in there.of(name))
        for name in accounts:
            reader = AccountChains(
                self._store,
                name,
                self._names,
                known.get(name, Known()),
                self._wanted.demands,
                self.chains,
                lambda done: self._watch.progress("manifests", done, total, 0),
            )
            reader.read(there.of(name), self._say)
        if there.foreign:
            self._say(counted_finding(Remark.FOREIGN, there.some_foreign[0], there.foreign))
        self._miss_heads()
        return accounts

    def _miss_heads(self) -> None:
        for head in sorted(self._wanted.demands.heads - self.chains.seen):
            what = f"has no manifest of SHA-256 {head} below it"
            self._say(Finding(Trouble.HEAD_MISSING, "", MANIFESTS_PREFIX, what))

    def at_objects(self, accounts: Iterable[str], now: float) -> ObjectTally:
        """Holds what is stored against what is named."""
        with Contents[tuple[Named, Verdict]](self._store, self._wanted.threads) as contents:
            objects = StoredObjects(
                self._store,
                self._names,
                self.chains.incomplete,
                self._takes,
                contents,
                self._tell,
                self._watch,
                now,
            )
            # Without a choice all mail is listed at once, that of unknown accounts as well.
            for account in accounts if self._wanted.accounts else (None,):
                objects.look(account)
            return objects.finish()

    def _takes(self, digest: str) -> bool:
        sample = self._wanted.sample
        return self._wanted.read and (sample is None or sample.takes(digest))

    def _say(self, finding: Finding) -> None:
        self._tell(finding, None)


def _owners(ledger: Ledger | None, url: str) -> list[LedgerAccount]:
    return [] if ledger is None else accounts_of(ledger, url)


def _chosen(accounts: list[str], wanted: tuple[str, ...]) -> list[str]:
    names = [name.lower() for name in wanted]
    for name in names:
        if name not in accounts:
            raise UsageError(
                f"the store has no manifests of an account {name}",
                hint=f"it has {', '.join(accounts) or 'none at all'}",
            )
    return sorted(names) or accounts
