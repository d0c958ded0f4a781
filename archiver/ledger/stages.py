"""The stages of a message as one table: from each stage, where it may go.

What happens at a crash is decided by the order of writes around each move (ARCHITECTURE.md), and
a move that is missing here is an error in the program, never a surprise in the data.
"""

from archiver.model import Stage

MOVES: dict[Stage, frozenset[Stage]] = {
    # Listed, not yet fetched.
    Stage.LISTED: frozenset({Stage.SPOOLED, Stage.LINKED, Stage.VANISHED}),
    # Durable on the local disk. That it leaves the server now does not matter to it; only when its
    # segment was taken from under us it has to be fetched again.
    Stage.SPOOLED: frozenset({Stage.ARCHIVED, Stage.LISTED}),
    # Proven in the store and named by a manifest.
    Stage.ARCHIVED: frozenset({Stage.DELETE_SENT, Stage.VANISHED}),
    # The same octets were archived under another UIDL; listed again when those were lost.
    Stage.LINKED: frozenset({Stage.DELETE_SENT, Stage.VANISHED, Stage.LISTED}),
    # Left the server without our DELE; a mailbox restored from a backup brings it back.
    Stage.VANISHED: frozenset({Stage.LISTED, Stage.ARCHIVED, Stage.LINKED, Stage.SPOOLED}),
    # We sent DELE and QUIT; only a later listing tells whether it worked.
    Stage.DELETE_SENT: frozenset({Stage.ARCHIVED, Stage.LINKED, Stage.GONE}),
    # No longer offered by the server after our DELE; a restored backup brings it back.
    Stage.GONE: frozenset({Stage.LISTED, Stage.ARCHIVED, Stage.LINKED}),
}

FETCHED = (Stage.SPOOLED, Stage.ARCHIVED, Stage.LINKED, Stage.DELETE_SENT)
"""The stages of a message whose octets we have and whose place on the server is known."""


def sources(target: Stage) -> tuple[Stage, ...]:
    """The stages from which a message may move to ``target``."""
    return tuple(stage for stage in Stage if target in MOVES[stage])


def sql_list(stages: tuple[Stage, ...]) -> str:
    """Stages as the inside of an SQL ``IN (...)``; they are our own words, never input."""
    return ", ".join(f"'{stage}'" for stage in stages)
