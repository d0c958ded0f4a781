"""What is to go where: read from the index once, and kept in temporary tables from then on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from archiver.index import Hit, Index
from archiver.query import Query
from archiver.restored import Restored
from archiver.verbs.restore.folders import Pattern

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """A folder of the run: its row in the record, and its name at the server."""

    row: int
    name: str


class Planner:
    """Finds out what goes where.

    Args:
        restored: the record of what was restored.
        target: whose folders they are.
        pattern: which folder a message belongs into.
        name_of: the name that the server has for a folder.
    """

    def __init__(
        self,
        restored: Restored,
        target: str,
        pattern: Pattern,
        name_of: Callable[[Sequence[str]], str],
    ) -> None:
        self._restored = restored
        self._target = target
        self._pattern = pattern
        self._name_of = name_of
        self._folders: dict[str, FolderPlan] = {}

    def plan(self, index: Index, query: Query) -> list[FolderPlan]:
        """Takes everything that the query asks for; gives the folders by name."""
        waiting: list[tuple[int, str, int | None, int]] = []
        for hit in index.each(query):
            waiting += self._wanted(hit)
            if len(waiting) >= _AT_ONCE:
                self._restored.want(waiting)
                waiting = []
        self._restored.want(waiting)
        return [self._folders[name] for name in sorted(self._folders)]

    def _wanted(self, hit: Hit) -> Iterator[tuple[int, str, int | None, int]]:
        for names in self._pattern.folders(hit.accounts, hit.date):
            yield self._folder(self._name_of(names)).row, hit.digest, hit.date, hit.size

    def _folder(self, name: str) -> FolderPlan:
        found = self._folders.get(name)
        if found is None:
            found = FolderPlan(self._restored.folder(self._target, name), name)
            self._folders[name] = found
        return found
