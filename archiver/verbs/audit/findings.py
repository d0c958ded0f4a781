"""What an audit finds: each finding says where, what is there, what that means, and what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Trouble(StrEnum):
    """What is wrong with a store. Its value is part of the interface (``--json``)."""

    FORMAT_MISSING = "format-missing"
    FORMAT_DAMAGED = "format-damaged"
    MANIFEST_MISSING = "manifest-missing"
    MANIFEST_DAMAGED = "manifest-damaged"
    MANIFEST_MISPLACED = "manifest-misplaced"
    MANIFEST_REPLACED = "manifest-replaced"
    CHAIN_BROKEN = "chain-broken"
    HEAD_MISSING = "head-missing"
    UNSIGNED = "unsigned"
    SIGNATURE_BAD = "signature-bad"
    SIGNER_UNKNOWN = "signer-unknown"
    CHECKPOINT_MISSING = "checkpoint-missing"
    CHECKPOINT_DAMAGED = "checkpoint-damaged"
    MISSING = "missing"
    HIDDEN = "hidden"
    SIZE = "size"
    OCTETS = "octets"
    REPLACED = "replaced"
    UNREADABLE = "unreadable"


class Remark(StrEnum):
    """What is worth knowing and no damage. Its value is part of the interface (``--json``)."""

    UNNAMED = "unnamed"
    UNEXPLAINED = "unexplained"
    FOREIGN = "foreign"
    REWRITTEN = "rewritten"
    RESTATED = "restated"
    CHECKPOINT_UNNAMED = "checkpoint-unnamed"
    VERSIONS_UNKNOWN = "versions-unknown"
    LEDGER_UNUSABLE = "ledger-unusable"


_REPAIR = "archiver audit --repair puts it again where the octets can still be had"
_NOT_READ = "what it named is not known from the store alone"
_COMPARE = "compare with a copy of the bucket, or the ledger that wrote it, before trusting either"
_SAYS: dict[Trouble | Remark, tuple[str, str]] = {
    Trouble.FORMAT_MISSING: (
        "nothing says that this is an archive",
        "check store and prefix; the next archiver run writes it again",
    ),
    Trouble.FORMAT_DAMAGED: (
        "other programs than this one may not know what lies here",
        "put back the file that ARCHITECTURE.md describes",
    ),
    Trouble.MANIFEST_MISSING: (_NOT_READ, "archiver audit --repair states anew what is known"),
    Trouble.MANIFEST_DAMAGED: (_NOT_READ, "archiver audit --repair states anew what is known"),
    Trouble.MANIFEST_MISPLACED: ("somebody replayed or swapped manifests", _COMPARE),
    Trouble.MANIFEST_REPLACED: ("what it tells may not be what happened", _COMPARE),
    Trouble.CHAIN_BROKEN: ("one of the two is not the one that was written there", _COMPARE),
    Trouble.HEAD_MISSING: (
        "the end of a chain was taken away, or this is another archive",
        _COMPARE,
    ),
    Trouble.UNSIGNED: (
        "nothing shows that it was written by who has the key",
        "if it is yours, sign what follows: archiver run --signing-key",
    ),
    Trouble.SIGNATURE_BAD: ("it was changed after it was signed", _COMPARE),
    Trouble.SIGNER_UNKNOWN: (
        "it was signed by somebody whom you do not trust",
        "if that key is yours, name it with --public-key as well",
    ),
    Trouble.CHECKPOINT_MISSING: (
        "a rebuild has to read the manifests before it",
        "a later run writes another one, and --repair does now",
    ),
    Trouble.CHECKPOINT_DAMAGED: (
        "a rebuild must not begin there",
        "a later run writes another one, and --repair does now",
    ),
    Trouble.MISSING: ("it cannot be read", _REPAIR),
    Trouble.HIDDEN: (
        "it was deleted, and can still be read as a version",
        f"remove the delete marker; or {_REPAIR}",
    ),
    Trouble.SIZE: ("octets are missing, or others were added", _REPAIR),
    Trouble.OCTETS: ("its octets are not those that were archived", _REPAIR),
    Trouble.REPLACED: (
        "somebody wrote over what was archived",
        f"remove the later versions; or {_REPAIR}",
    ),
    Trouble.UNREADABLE: ("it may be lost", f"try again later; {_REPAIR}"),
    Remark.UNNAMED: (
        "an upload is under way, or was cut off and done again elsewhere",
        "nothing needs doing: no message depends on it",
    ),
    Remark.UNEXPLAINED: (
        "a manifest that is missing or damaged may have named them",
        "see what the findings about the chain say",
    ),
    Remark.FOREIGN: ("no archive has such a name", "see who else writes there"),
    Remark.REWRITTEN: (
        "it was written again, or copied here, with the same octets",
        "nothing needs doing",
    ),
    Remark.RESTATED: (
        "a later checkpoint says again what was live there",
        "nothing needs doing: a rebuild begins at the checkpoint",
    ),
    Remark.CHECKPOINT_UNNAMED: (
        "it was written and its run was cut off, or is under way",
        "nothing needs doing: nobody begins there",
    ),
    Remark.LEDGER_UNUSABLE: (
        "the store was not held against what this machine knows",
        "archiver doctor looks at it",
    ),
    Remark.VERSIONS_UNKNOWN: (
        "what lies below the newest versions was not looked at",
        "permit s3:ListBucketVersions",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an audit.

    Attributes:
        kind: what it is.
        account: whose it is; empty for the store as a whole.
        key: of the object.
        what: what is there, as the end of a sentence that begins with the key.
        facts: the same in values, for programs.
    """

    kind: Trouble | Remark
    account: str
    key: str
    what: str
    facts: tuple[tuple[str, Any], ...] = ()

    @property
    def is_damage(self) -> bool:
        """Whether the store does not hold what was archived."""
        return isinstance(self.kind, Trouble)

    @property
    def means(self) -> str:
        """What follows from it."""
        return _SAYS[self.kind][0]

    @property
    def todo(self) -> str:
        """What to do."""
        return _SAYS[self.kind][1]


def counted_finding(kind: Remark, first: str, count: int) -> Finding:
    """A remark about many objects, of which only the first is named."""
    words = {Remark.FOREIGN: "has a foreign name", Remark.REWRITTEN: "has another ETag or version"}
    more = "" if count == 1 else f", and so have {count - 1:,} more"
    return Finding(kind, "", first, f"{words[kind]}{more}", (("objects", count),))


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as ``audit --json`` prints it: these fields are part of the interface."""
    return {
        "kind": finding.kind,
        "damage": finding.is_damage,
        "account": finding.account or None,
        "key": finding.key,
        "what": finding.what,
        "means": finding.means,
        "todo": finding.todo,
        **dict(finding.facts),
    }
