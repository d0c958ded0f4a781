"""Fuzzing by atheris: libFuzzer, led by the branches that an input takes."""

import sys
from collections.abc import Iterable
from pathlib import Path

_LONGEST_INPUT = 16 * 1024
_LONGEST_RUN = 20
_MEGABYTES = 1024


def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Fuzzes a target, and ends the process.

    Args:
        name: of the target.
        seconds: for how long.
        corpus: a directory that takes inputs that led to something new, and what was found.
    """
    import atheris

    with atheris.instrument_imports(include=["archiver", "scramp", "asn1crypto"]):
        from infra.fuzz.targets import TARGETS
    target = TARGETS[name]
    for at, seed in enumerate(target.seeds()):
        (corpus / f"seed-{at:04}").write_bytes(seed)
    words = corpus.parent / f"{corpus.name}.dict"
    words.write_text(_dictionary(target.words))
    arguments = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_LONGEST_RUN}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-dict={words}",
        f"-artifact_prefix={corpus.parent}/{corpus.name}-found-",
        "-print_final_stats=1",
        str(corpus),
    ]

    def run(octets: bytes) -> None:
        target.run(octets)

    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def _dictionary(words: Iterable[bytes]) -> str:
    lines = ("".join(f"\\x{octet:02x}" for octet in word) for word in words)
    return "".join(f'"{line}"\n' for line in lines)


if __name__ == "__main__":
    _, _name, _seconds, _corpus = sys.argv
    fuzz(_name, int(_seconds), Path(_corpus))
