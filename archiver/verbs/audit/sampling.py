"""Which objects are read: all, a share at random, or each day another share.

Whether an object is in a sample follows from its digest and a number, so that a sample can be drawn
again, and needs no memory of what is in it.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from archiver.errors import UsageError

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_TURN = re.compile(r"1/(\d{1,6})")
_FORMS = "give a share such as 5%, or 1/30 for another thirtieth on each of 30 days"
_DRAWN_FROM = 1 << 64


@dataclass(frozen=True, slots=True)
class Share:
    """A share of all objects, drawn at random: the same for the same ``seed``."""

    share: Fraction
    seed: int

    def takes(self, digest: str) -> bool:
        """Whether the object of this digest is in the sample."""
        drawn = hashlib.sha256(f"{self.seed}/{digest}".encode()).digest()
        return Fraction(int.from_bytes(drawn[:8]), _DRAWN_FROM) < self.share

    def __str__(self) -> str:
        """As a person would say it."""
        return f"{float(self.share * 100):g}% drawn with seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One part out of ``parts``; on as many days in a row it is the turn of each of them once."""

    parts: int
    day: int

    def takes(self, digest: str) -> bool:
        """Whether it is the turn of the object of this digest."""
        return (int(digest, 16) + self.day) % self.parts == 0

    def __str__(self) -> str:
        """As a person would say it."""
        return f"1/{self.parts}, part {self.day % self.parts + 1} of {self.parts} today"


Sample = Share | Turn


def parse_sample(text: str, *, today: date, seed: int) -> Sample:
    """Reads ``5%`` or ``1/30``.

    Args:
        text: what a person wrote.
        today: the day whose turn it is, in UTC.
        seed: of a share that is drawn at random.

    Raises:
        UsageError: it is neither.
    """
    if (match := _PERCENT.fullmatch(text.strip())) and 0 < (share := Fraction(match[1]) / 100) <= 1:
        return Share(share, seed)
    if (match := _TURN.fullmatch(text.strip())) and int(match[1]):
        return Turn(int(match[1]), today.toordinal())
    raise UsageError(f"{text!r} is no sample", hint=_FORMS)
