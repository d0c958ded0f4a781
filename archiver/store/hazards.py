"""What a store might do by itself with mail that is in it, asked before any is deleted elsewhere.

A bucket's lifecycle rules take objects away, or to where they cannot be read at once, without
anybody asking. Rules that cannot be read may be of that kind, so that is a hazard as well. A
directory has no such rules.
"""

from dataclasses import dataclass

from archiver.config import StoreSettings
from archiver.store.opening import BucketPlace, canonical_url, place_of
from archiver.store.rules import LifecycleRule


@dataclass(frozen=True, slots=True)
class Hazard:
    """A reason not to delete what the store holds: one line that says it, one what to do."""

    line: str
    hint: str


def hazards(settings: StoreSettings) -> tuple[Hazard, ...]:
    """Why mail in this store may not stay there, or may not stay readable; one request at most.

    Raises:
        StoreError: the store cannot be reached, or there is none.
        UsageError: the settings do not name a store, or cannot be used.
    """
    if not isinstance(place_of(settings.url), BucketPlace):
        return ()
    from archiver.store.s3_examination import BucketExamination, NotTold

    with BucketExamination(settings) as bucket:
        try:
            return tuple(hazard_of(rule) for rule in bucket.lifecycle())
        except NotTold as error:
            return (
                Hazard(
                    f"whether rules of {canonical_url(settings.url)} delete mail is not known:"
                    f" {error.message}",
                    error.hint or "see the server's documentation for what deletes objects there",
                ),
            )


def hazard_of(rule: LifecycleRule) -> Hazard:
    """What a rule over an archive does to it."""
    name = repr(rule.name or rule.prefix)
    if rule.expires:
        return Hazard(
            f"the rule {name} deletes mail {rule.expires}",
            "take the rule away, or keep it off the archive's prefix",
        )
    return Hazard(
        f"the rule {name} moves mail to {rule.cold}",
        "what lies there must be restored before archiver can read it",
    )
