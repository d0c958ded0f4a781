"""Fuzzing of what others send us: the whole POP3 client, and what stands near the wire.

``scripts/fuzz`` runs it. A target is a function that takes a fuzzer's octets and raises ``Finding``
where something happened that may not; all that a target does follows from those octets.
"""


class Finding(AssertionError):
    """Something that no input may lead to."""
