"""From what a person typed to a query."""

import re

from archiver.query.terms import All, Field, Query, Text

_TYPED = re.compile(r'"([^"]*)"?|([^\s"]+)')


def parse(typed: str, *, now: float) -> Query:
    """Reads a query.

    Args:
        typed: words and "phrases"; nothing asks for everything.
        now: the time that ``3d`` is counted from, in seconds since the epoch.

    Raises:
        UsageError: there is a mistake in it.
    """
    return All(tuple(Text(Field.ANY, one[1] or one[2] or "") for one in _TYPED.finditer(typed)))
