"""What a run is asked to do, and what each of that takes."""

from enum import StrEnum

from archiver.archiving import Steps


class Verb(StrEnum):
    """What a run is asked to do; ``RUN`` is all of it, ``IMPORT`` brings files instead of mail."""

    RUN = "run"
    FETCH = "fetch"
    IMPORT = "import"
    UPLOAD = "upload"
    VERIFY = "verify"
    INDEX = "index"
    PRUNE = "prune"


STEPS = {
    Verb.RUN: Steps(),
    Verb.IMPORT: Steps(),
    Verb.UPLOAD: Steps(verify=False, index=False),
    Verb.VERIFY: Steps(upload=False, index=False),
}
"""The steps that landed batches are taken; other verbs leave them in the spool."""

COUNTED = frozenset({Verb.RUN, Verb.FETCH, Verb.IMPORT})
"""What accounts for every message that it met."""

CHRONICLED = frozenset({Verb.RUN, Verb.IMPORT, Verb.VERIFY, Verb.PRUNE})
"""What ends with manifests of all that happened."""

INDEXED = frozenset({Verb.RUN, Verb.IMPORT, Verb.INDEX})
"""What fills the index."""
