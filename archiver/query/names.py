"""The names that may stand before a colon, and what to say to those that others would use."""

from difflib import get_close_matches
from typing import Final

from archiver.query.terms import Field

TEXTS: Final = {str(field): field for field in Field if field is not Field.ANY}
"""Fields in which a text is looked for."""

AFTER, BEFORE, ON = "after", "before", "on"
LARGER, SMALLER = "larger", "smaller"
HAS = "has"

NAMES: Final = frozenset({*TEXTS, AFTER, BEFORE, ON, LARGER, SMALLER, HAS})

_ELSEWHERE: Final = {
    "date": "dates are after:, before: and on:",
    "newer": "write after:3d",
    "older": "write before:3d",
    "since": "write after:",
    "until": "write before:",
    "size": "sizes are larger: and smaller:",
    "in": "an archive has no folders; account: names a mailbox",
    "is": "an archive has no flags",
    "label": "an archive has no labels",
    "tag": "an archive has no tags",
    "rfc822msgid": "write id:",
    "mid": "write id:",
    "msgid": "write id:",
    "text": "write body:, or the word alone",
    "mime": "write type:",
    "mimetype": "write type:",
    "file": "write filename:",
    "contact": "write anyone:",
    "recipient": "write to:, cc: or anyone:",
}
_ALIKE: Final = 0.75
_SHORTEST: Final = 4


def meant(name: str) -> str | None:
    """What to write in place of a name that is no field, where somebody is likely to mean one."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if len(name) < _SHORTEST:
        return None
    close = get_close_matches(name, NAMES, n=1, cutoff=_ALIKE)
    return f"did you mean {close[0]}: ?" if close else None
