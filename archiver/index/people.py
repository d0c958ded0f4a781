"""The mailboxes of a message: in which header they stood, as numbers, to save room."""

from enum import IntEnum


class Role(IntEnum):
    """The header that a mailbox stood in."""

    FROM = 0
    TO = 1
    CC = 2
    BCC = 3
    REPLY_TO = 4
