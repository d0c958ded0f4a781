"""Where readers are known to disagree with ours, and who is wrong by which rule.

A disagreement that is not written down here is news, and so is one that is written down and does
not occur any more. Names of mails and peers are patterns of ``fnmatch``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Known:
    """A disagreement that was looked into.

    Args:
        peer: the reader that says something else than ours.
        field: about which field, or ``*`` where it gave the message up.
        mails: in which mails.
        why: what is right, by which rule.
    """

    peer: str
    field: str
    mails: tuple[str, ...]
    why: str

    def covers(self, peer: str, field: str, mail: str) -> bool:
        """Whether it is about this disagreement."""
        same = fnmatchcase(peer, self.peer) and field == self.field
        return same and any(fnmatchcase(mail, pattern) for pattern in self.mails)


PEER_WRONG = (
    Known(
        "python",
        "from",
        tuple(f"python/msg_{number}.txt" for number in ("01", "03", "04", "06", "14"))
        + tuple(f"python/msg_{number}.txt" for number in ("20", "27", "29", "44")),
        "a comment behind a bare address is the name of its owner (RFC 5322 section 3.4, note);"
        " Python drops it",
    ),
    Known(
        "python",
        "to",
        ("python/msg_27.txt",),
        "a comment behind a bare address is the name of its owner; Python drops it",
    ),
    Known(
        "python",
        "from",
        ("mail-parser/mails/mail_test_15", "mail-parser/mails/mail_test_19"),
        "where an address in angle brackets is there, mail comes from it, and what stands before"
        " it is a name, though not quoted; Python takes the name for the address",
    ),
    Known(
        "python",
        "cc",
        ("mail-parser/mails/mail_test_19",),
        "the address in angle brackets is the one that gets the mail; Python takes the name",
    ),
    Known(
        "notmuch",
        "from",
        ("mail-parser/mails/mail_test_1[579]",),
        "one mailbox whose name looks like an address; GMime makes two of it",
    ),
    Known(
        "notmuch",
        "from",
        ("mail-parser/mails/mail_test_18",),
        "a comma inside an encoded word is part of the name (RFC 2047 section 6.1); notmuch"
        " prints it without quotes",
    ),
    Known(
        "notmuch",
        "cc",
        ("mail-parser/mails/mail_test_18",),
        "quotes inside an encoded word are part of the name (RFC 2047 section 6.1); notmuch"
        " prints them without a backslash",
    ),
    Known(
        "python",
        "from",
        ("python/msg_43.txt",),
        "<> is an empty address; Python takes its brackets for the address",
    ),
    Known(
        "mail-parser",
        "from",
        ("python/msg_43.txt", "python/msg_05.txt"),
        "a sender without a domain, or with an empty address, was written all the same, and people"
        " look for it; mail-parser drops it",
    ),
    Known(
        "mail-parser",
        "to",
        ("python/msg_05.txt", "python/msg_15.txt"),
        "an address without a domain was written all the same; mail-parser drops it",
    ),
    Known(
        "mail-parser",
        "to",
        ("python/msg_25.txt",),
        "To stands there twice: both hold addresses; mail-parser reads the first",
    ),
    Known(
        "mail-parser",
        "cc",
        ("python/msg_20.txt", "notmuch/broken/broken-cc"),
        "Cc stands there more than once: all hold addresses; mail-parser reads the first",
    ),
    Known(
        "mail-parser",
        "from",
        ("notmuch/default/cur/52:2,",),
        "an encoded word in quotes is not one (RFC 2047 section 5), but many programs write it,"
        " and people look for the name; mail-parser leaves it encoded",
    ),
    Known(
        "python",
        "to",
        ("mail-parser/mails/mail_test_12",),
        "an address in UTF-8 is text (RFC 6532 section 3.2); Python escapes its octets",
    ),
    Known(
        "*",
        "subject",
        ("mail-parser/mails/mail_test_9",),
        "labelled gb2312, with one character of gbk, which contains it (WHATWG Encoding reads the"
        " label so); Python and mail-parser lose characters, GMime the second encoded word",
    ),
    Known(
        "python",
        "*",
        ("notmuch/lkml/cur/1382298770.002930:2,",),
        "an empty group with a comment behind it (RFC 5322 section 3.4); Python raises"
        " AttributeError",
    ),
    Known(
        "python",
        "attachments",
        ("mail-parser/mails/mail_malformed_1", "python/msg_15.txt"),
        "two multiparts in one another share a boundary, against RFC 2046 section 5.1.2: what"
        " comes behind the inner one is there to be found; Python ends both at its end",
    ),
    Known(
        "mail-parser",
        "cc",
        ("notmuch/lkml/cur/1382298793.002253:2,",),
        "the field ends in the middle of an address, <linu>, which was written all the same;"
        " mail-parser drops it",
    ),
    Known(
        "mail-parser",
        "date",
        ("notmuch/crypto/encrypted-signed.eml",),
        "06:09:22 PM EDT is a time, though not as RFC 5322 section 3.3 writes it; mail-parser"
        " gives it up",
    ),
    Known(
        "python",
        "date",
        ("notmuch/crypto/encrypted-signed.eml",),
        "06:09:22 PM EDT is 22:09:22 UTC; Python passes over PM and zone",
    ),
    Known(
        "notmuch",
        "date",
        ("notmuch/crypto/encrypted-signed.eml", "notmuch/protected-headers/encrypted-signed.eml"),
        "06:09:22 PM EDT is 22:09:22 UTC; GMime passes over PM. notmuch keeps one date for two"
        " mails with one Message-ID",
    ),
)

OTHERWISE_MEANT = (
    Known(
        "mail-parser",
        "attachments",
        ("mail-parser/mails/mail_test_10", "mail-parser/mails/mail_test_6", "python/msg_39.txt"),
        "a part without a file name has none here; mail-parser gives its Content-ID for one",
    ),
    Known(
        "*",
        "attachments",
        ("python/msg_04.txt", "python/msg_44.txt", "notmuch/html/attribute-text"),
        "the text that a message shows is no attachment of it, though inline with a file name",
    ),
    Known(
        "*",
        "attachments",
        ("python/msg_36.txt",),
        "message/external-body names a file that lies elsewhere (RFC 2046 section 5.2.3); we and"
        " Python list that name, GMime and mail-parser do not",
    ),
)
"""Neither is wrong: what the field is asked for differs."""

KNOWN = (*PEER_WRONG, *OTHERWISE_MEANT)


def explained(peer: str, field: str, mail: str, known: Iterable[Known] = KNOWN) -> Known | None:
    """What is written down about a disagreement, None for news."""
    return next((one for one in known if one.covers(peer, field, mail)), None)
