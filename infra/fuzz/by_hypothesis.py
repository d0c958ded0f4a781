"""Fuzzing by Hypothesis: inputs of known words, and of seeds that were cut, moved and mixed."""

import sys
from pathlib import Path
from time import monotonic

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.fuzz.plan import HEAD
from infra.fuzz.targets import TARGETS, Target

_ROUND = 2_000
_MOST_WORDS = 40


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs for a target: anything, words in any order, and seeds with changes."""
    word = st.sampled_from(target.words) | st.binary(max_size=8)
    words = st.lists(word, max_size=_MOST_WORDS).map(b"".join)
    head = st.binary(min_size=HEAD, max_size=HEAD)
    seed = st.sampled_from(list(target.seeds()))
    changed = st.builds(_changed, seed, st.lists(st.tuples(_PLACE, _PLACE, word), max_size=6))
    return st.one_of(changed, st.builds(bytes.__add__, head, words), st.binary(max_size=200))


def fuzz(name: str, seconds: int, corpus: Path) -> int:
    """Fuzzes a target.

    Args:
        name: of the target.
        seconds: for how long.
        corpus: a directory that takes what was found.

    Returns:
        0, or 1 if something was found.
    """
    target = TARGETS[name]
    last = b""
    runs = 0

    @settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def run(octets: bytes) -> None:
        nonlocal last, runs
        last, runs = octets, runs + 1
        target.run(octets)

    until = monotonic() + seconds
    try:
        while monotonic() < until:
            run()
    except Exception:
        (corpus / "found").write_bytes(last)
        sys.stderr.write(f"found: {last!r}\n")
        raise
    sys.stderr.write(f"{runs} executions\n")
    return 0


_PLACE = st.integers(0, 1 << 12)


def _changed(seed: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """A seed with words in place of others."""
    for at, length, word in changes:
        place = at % (len(seed) + 1)
        seed = seed[:place] + word + seed[place + length % 32 :]
    return seed
