"""The objects of a store, held against what manifests name; some of them are read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from archiver.errors import StoreError
from archiver.format import mail_prefix, parse_mail_key, time_text
from archiver.ledger.naming import Named, Names
from archiver.store import Store, Version
from archiver.verbs.audit.contents import Contents, Octets
from archiver.verbs.audit.findings import Finding, Remark, Trouble, counted_finding
from archiver.verbs.audit.objects import Verdict, judge, side_by_side, verdict_on


class Watch(Protocol):
    """Where an audit says how far it has come."""

    def progress(self, stage: str, done: int, total: int | None, octets: int) -> None:
        """``done`` of ``total`` things are looked at, and so many octets were read for it.

        Raises:
            Interrupted: the audit is to end.
        """


@dataclass(slots=True)
class ObjectTally:
    """What was looked at so far.

    Attributes:
        objects: named objects that were held against the listing.
        moved: named objects that were given up for others, and need not be there.
        read: objects that were read and hashed; ``octets`` of them.
        unnamed: objects that no manifest names.
        foreign: objects whose keys are none of an archive's.
        rewritten: objects that were written again with the same octets.
    """

    objects: int = 0
    moved: int = 0
    read: int = 0
    octets: int = 0
    unnamed: int = 0
    foreign: int = 0
    rewritten: int = 0


class StoredObjects:
    """Looks at the objects of one account after the other, or at all at once.

    Args:
        store: where they are.
        names: what manifests name.
        incomplete: accounts of which not all is known that manifests named.
        sample: which objects are read; None for none but those that a listing leaves in doubt.
        contents: reads them.
        tell: takes what is found.
        watch: hears how far it has come.
        now: the time, in seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        names: Names,
        incomplete: set[str],
        sample: Callable[[str], bool],
        contents: Contents[tuple[Named, Verdict]],
        tell: Callable[[Finding, Named | None], None],
        watch: Watch,
        now: float,
    ) -> None:
        self._store = store
        self._names = names
        self._sample = sample
        self._contents = contents
        self._tell = tell
        self._watch = watch
        self._total = names.count()
        self._unnamed = _Unnamed(incomplete, now, lambda found: tell(found, None))
        self._first_foreign = ""
        self._first_rewritten = ""
        self._plain = False
        self.tally = ObjectTally()

    def look(self, account: str | None) -> None:
        """Looks at the objects of an account, or of all of them.

        Raises:
            StoreError: the store cannot be reached or refuses.
        """
        listed = self._listed(mail_prefix(account))
        for named, versions in side_by_side(self._names.below(account), listed):
            if named is None:
                self._explain(versions)
            elif named.moved:
                self.tally.moved += 1
            else:
                self._judge(named, versions)
            tally = self.tally
            self._watch.progress("objects", tally.objects, self._total, tally.octets)

    def finish(self) -> ObjectTally:
        """Waits for what is still being read, and tells what was counted only."""
        for item, octets in self._contents.rest():
            self._take(item, octets)
        self._unnamed.flush()
        tally = self.tally
        for kind, first, count in (
            (Remark.FOREIGN, self._first_foreign, tally.foreign),
            (Remark.REWRITTEN, self._first_rewritten, tally.rewritten),
        ):
            if count:
                self._tell(counted_finding(kind, first, count), None)
        return tally

    def _listed(self, prefix: str) -> Iterator[Version]:
        """All versions, or where they may not be listed, what a plain listing shows."""
        if not self._plain:
            versions = self._store.versions(prefix)
            try:
                first = next(versions, None)
            except StoreError as error:
                self._plain = True
                found = Finding(Remark.VERSIONS_UNKNOWN, "", prefix, error.message)
                self._tell(found, None)
            else:
                if first is not None:
                    yield first
                yield from versions
                return
        yield from Store.versions(self._store, prefix)

    def _judge(self, named: Named, versions: Sequence[Version]) -> None:
        self.tally.objects += 1
        verdict = judge(named, versions)
        if verdict.trouble is not None:
            self._found(named, verdict)
        elif verdict.in_doubt or self._sample(named.digest):
            for item, octets in self._contents.put((named, verdict), named.locator.key):
                self._take(item, octets)

    def _take(self, item: tuple[Named, Verdict], octets: Octets) -> None:
        named, verdict = item
        self.tally.octets += octets.length
        if octets.is_missing:
            self._found(named, Verdict(Trouble.MISSING, "is listed, and cannot be read"))
            return
        if octets.error is not None:
            what = f"cannot be read: {octets.error.message}"
            self._found(named, Verdict(Trouble.UNREADABLE, what))
            return
        self.tally.read += 1
        judged = verdict_on(named, verdict, octets.length, octets.digest)
        if judged.trouble is not None:
            self._found(named, judged)
        elif verdict.in_doubt:
            self.tally.rewritten += 1
            self._first_rewritten = self._first_rewritten or named.locator.key

    def _found(self, named: Named, verdict: Verdict) -> None:
        assert verdict.trouble is not None
        facts = (
            ("object", named.kind),
            ("digest", named.digest),
            ("size", named.locator.length),
            ("sound_version", verdict.sound),
        )
        key = named.locator.key
        self._tell(Finding(verdict.trouble, named.account, key, verdict.what, facts), named)

    def _explain(self, versions: Sequence[Version]) -> None:
        """An object that no manifest names."""
        newest = versions[0]
        if newest.is_delete_marker:
            return
        if parse_mail_key(newest.key) is None:
            self.tally.foreign += 1
            self._first_foreign = self._first_foreign or newest.key
        else:
            self.tally.unnamed += 1
            self._unnamed.add(newest)


class _Unnamed:
    """Objects that no manifest names, told batch by batch as they come in the order of keys."""

    def __init__(self, incomplete: set[str], now: float, tell: Callable[[Finding], None]) -> None:
        self._incomplete = incomplete
        self._now = now
        self._tell = tell
        self._prefix = ""
        self._account = ""
        self._count = 0
        self._octets = 0
        self._newest = 0.0

    def add(self, version: Version) -> None:
        """The next of them."""
        found = parse_mail_key(version.key)
        assert found is not None
        prefix = version.key.partition(f"/{found.batch}/")[0] + f"/{found.batch}/"
        if prefix != self._prefix:
            self.flush()
            self._prefix, self._account = prefix, found.account
        self._count += 1
        self._octets += version.size
        self._newest = max(self._newest, version.modified or 0.0)

    def flush(self) -> None:
        """Tells of the batch that has been complete."""
        if not self._count:
            return
        kind = Remark.UNNAMED
        if self._account in self._incomplete:
            kind = Remark.UNEXPLAINED
        age = max(0.0, self._now - self._newest)
        objects = "an object" if self._count == 1 else f"{self._count:,} objects"
        what = f"has {objects}, {self._octets:,} octets, that no manifest names; {_aged(age)}"
        facts = (
            ("objects", self._count),
            ("octets", self._octets),
            ("newest", time_text(self._newest)),
        )
        self._tell(Finding(kind, self._account, self._prefix, what, facts))
        self._prefix, self._count, self._octets, self._newest = "", 0, 0, 0.0


def _aged(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"the newest is {seconds / length:.0f} {unit} old"
    return "the newest has just been written"
