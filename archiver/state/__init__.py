"""The state directory: where its files are, who may use them, and the spool."""

from archiver.state.lock import AccountLock
from archiver.state.paths import StatePaths
from archiver.state.spool import Segment, Spool

__all__ = ["AccountLock", "Segment", "Spool", "StatePaths"]
