"""Fuzzes for so many seconds, by atheris where it is installed (dependency group ``fuzz``).

Without atheris Hypothesis does it, which knows less of where an input leads. What is found ends it
with an exit code that is not 0; it is printed, and kept beside the corpus where one was named.
"""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

NAMES = ("session", "certificate", "endpoint", "settings", "urls")


def main() -> int:
    """Runs what the command line asks for; returns its exit code."""
    options = _options()
    if options.corpus is not None:
        return _fuzz(options, options.corpus)
    with TemporaryDirectory(prefix="fuzz-") as directory:
        return _fuzz(options, Path(directory, "corpus"))


def _fuzz(options: Namespace, corpus: Path) -> int:
    corpus.mkdir(parents=True, exist_ok=True)
    if options.hypothesis or find_spec("atheris") is None:
        from infra.fuzz import by_hypothesis

        return by_hypothesis.fuzz(options.target, options.seconds, corpus)
    # libFuzzer ends the process that it runs in.
    command = ["infra.fuzz.by_atheris", options.target, str(options.seconds), str(corpus)]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


def _options() -> Namespace:
    parser = ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("--target", choices=NAMES, default="session")
    parser.add_argument("--corpus", type=Path, help="keeps what leads to something new")
    parser.add_argument("--hypothesis", action="store_true", help="even where atheris is there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
