"""Which folders a message belongs into: a pattern such as ``Archive/{account}/{year}``."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from archiver.errors import UsageError

UNDATED: Final = "undated"
"""What stands for year and month of a message without a date."""

_FIELD = re.compile(r"\{([^{}]*)\}")


def _year(_account: str, date: int | None) -> str:
    return UNDATED if date is None else f"{datetime.fromtimestamp(date, UTC):%Y}"


def _month(_account: str, date: int | None) -> str:
    return UNDATED if date is None else f"{datetime.fromtimestamp(date, UTC):%m}"


_FIELDS: Final[Mapping[str, Callable[[str, int | None], str]]] = {
    "account": lambda account, _date: account,
    "year": _year,
    "month": _month,
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where messages go.

    Args:
        names: the folder's name and those of the ones above it, with ``{account}``, ``{year}``
            and ``{month}`` in them.

    Raises:
        UsageError: something else stands between braces.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuses what nobody could fill in."""
        for name in self.names:
            unknown = [field for field in _FIELD.findall(name) if field not in _FIELDS]
            if unknown:
                known = ", ".join(f"{{{field}}}" for field in _FIELDS)
                raise UsageError(
                    f"the folder's pattern has no {{{unknown[0]}}}", hint=f"it may hold {known}"
                )
            if re.search(r"[{}]", _FIELD.sub("", name)):
                raise UsageError(
                    f"the folder's pattern {name!r} has a brace without its other half"
                )

    def folders(self, accounts: Sequence[str], date: int | None) -> Iterator[tuple[str, ...]]:
        """The folders of a message: one, or one for each account that holds it.

        Args:
            accounts: who holds it.
            date: its own date, seconds since the epoch; None without one.
        """
        filled = (
            tuple(self._filled(name, account, date) for name in self.names)
            for account in accounts or ("",)
        )
        yield from dict.fromkeys(filled)

    @staticmethod
    def _filled(name: str, account: str, date: int | None) -> str:
        return _FIELD.sub(lambda field: _FIELDS[field[1]](account, date), name)
