"""Every target by its name, with the inputs to begin with and the words that they are made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.fuzz import pop3, seeds, values


@dataclass(frozen=True, slots=True)
class Target:
    """Something to be fuzzed.

    Args:
        run: takes octets; raises ``Finding``, or anything else that should not escape.
        seeds: gives inputs to begin with.
        words: what inputs are made of.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]


TARGETS = {
    "session": Target(pop3.session, seeds.seeds, seeds.DICTIONARY),
    "certificate": Target(values.certificate, values.certificates, values.DER),
    "endpoint": Target(values.endpoint, values.answers, values.HTTP),
    "settings": Target(values.settings, values.files, values.TOML),
    "urls": Target(values.urls, values.addresses, values.URL),
}
