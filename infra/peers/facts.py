"""What readers of mail are compared by: few fields, written alike whoever read them."""

import re
from dataclasses import dataclass

from archiver.model import Address

FIELDS = ("subject", "from", "to", "cc", "date", "attachments")

_SPACE = re.compile(r"\s+")

Value = str | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What one reader found in a message, by field; a field that it does not read is not there."""

    values: dict[str, Value]


def line(text: str | None) -> str:
    """A text with single spaces, as folding leaves more of them to some readers than to others."""
    return _SPACE.sub(" ", text or "").strip()


def mailboxes(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """Names and addresses, each mailbox as one text; where both are the same, it has no name."""
    return tuple(
        f"{'' if line(one.name) == one.address else line(one.name)} <{one.address}>".strip()
        for one in addresses
        if one.address or one.name
    )


def names(found: list[str]) -> tuple[str, ...]:
    """File names in an order of their own."""
    return tuple(sorted(line(name) for name in found if name))
