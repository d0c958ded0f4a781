from archiver.imap.append import Appended, Letter, Outcome, Rejected
from archiver.imap.session import FolderRefused, ImapSession, Seen

__all__ = [
    "Appended",
    "FolderRefused",
    "ImapSession",
    "Letter",
    "Outcome",
    "Rejected",
    "Seen",
]
