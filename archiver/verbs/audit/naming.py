"""What a record of a manifest names among the objects."""

from archiver.errors import IntegrityError
from archiver.format import parse_mail_key
from archiver.format.records import Archived, Moved, Record
from archiver.ledger.naming import Names
from archiver.model import Kind, Locator


def take_names(said: Record | None, account: str, names: Names) -> None:
    """Adds the objects that a record of an account's manifest names.

    Raises:
        IntegrityError: one of them is another account's.
    """
    match said:
        case Archived(digest=digest, raw=raw, parts=parts):
            _add(Kind.RAW, digest, raw, account, names)
            for part in parts:
                _add(Kind.PART, part.digest, part.locator, account, names)
        case Moved(what=kind, digest=digest, locator=locator, old=old):
            _add(kind, digest, locator, account, names)
            if old is not None:
                names.move(kind, digest, old)


def _add(kind: Kind, digest: str, locator: Locator, account: str, names: Names) -> None:
    found = parse_mail_key(locator.key)
    if found is None or found.account != account:
        raise IntegrityError(f"a manifest of {account} names {locator.key[:200]}")
    names.add(kind, digest, locator)
