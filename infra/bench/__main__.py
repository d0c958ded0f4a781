"""Measures the archiver's stages and whole runs against a real Dovecot and a real Ceph."""

import poplib
import sys
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.bench import plan, report
from infra.bench.delay import Distance
from infra.bench.mailbox import SIZES, make_messages, read_corpus
from infra.bench.measure import CommandFailed, Cost, measure
from infra.ceph import Ceph
from infra.dovecot import Dovecot
from infra.process import ServerFailed, ServerMissing


def main() -> int:
    """Runs the bench that the command line asks for; returns its exit code."""
    options = _options()
    say = sys.stderr.write
    try:
        with TemporaryDirectory(prefix="bench-") as directory:
            figures = _bench(options, Path(directory))
    except (CommandFailed, ServerFailed, ServerMissing) as failure:
        say(f"{failure}\n")
        return 1
    show = report.as_json if options.json else report.as_table
    sys.stdout.write(show(figures) + "\n")
    return 0


def _options() -> Namespace:
    parser = ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--messages", type=int, help="how many (2000, or all of the corpus)")
    parser.add_argument("--size", choices=SIZES, default="small", help="of made messages")
    parser.add_argument("--seed", type=int, default=1, help="of made messages")
    parser.add_argument("--corpus", type=Path, help="a directory of .eml files to use instead")
    parser.add_argument("--delay", type=float, default=0, help="round trip to the mailbox, in ms")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", help="only these, with commas between them")
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser.parse_args()


def _messages(options: Namespace) -> Iterator[bytes]:
    if options.corpus:
        return read_corpus(options.corpus, options.messages)
    return make_messages(options.messages or 2000, options.size, options.seed)


def _bench(options: Namespace, directory: Path) -> list[report.Figures]:
    for name in ("dovecot", "ceph"):
        (directory / name).mkdir()
    with Dovecot(directory / "dovecot") as dovecot, Ceph(directory / "ceph") as ceph:
        ceph.make_bucket(plan.BUCKET)
        dovecot.add_user(plan.USER, plan.PASSWORD)
        sizes: list[int] = []
        dovecot.add(plan.USER, _counted(_messages(options), sizes))
        _warm(dovecot)
        sys.stderr.write(f"{len(sizes)} messages, {sum(sizes) / 1e6:.1f} MB\n")
        with Distance(dovecot.port, options.delay / 1000) as distance:
            port = distance.port if options.delay else dovecot.port
            costs = _rounds(options, directory, port, ceph, len(sizes))
    return report.summarise(costs, len(sizes), sum(sizes))


def _warm(dovecot: Dovecot) -> None:
    # Dovecot indexes new mail when it is first listed, which no step should pay for.
    session = poplib.POP3("127.0.0.1", dovecot.port)
    session.user(plan.USER)
    session.pass_(plan.PASSWORD)
    session.list()
    session.quit()


def _counted(messages: Iterator[bytes], sizes: list[int]) -> Iterator[bytes]:
    for message in messages:
        sizes.append(len(message))
        yield message


def _rounds(
    options: Namespace, directory: Path, port: int, ceph: Ceph, count: int
) -> dict[str, list[Cost]]:
    wanted = options.steps.split(",") if options.steps else None
    costs: dict[str, list[Cost]] = defaultdict(list)
    for number in range(options.rounds):
        with TemporaryDirectory(dir=directory) as files:
            for step in plan.steps(Path(files), number, port):
                if wanted and step.name not in wanted:
                    continue
                cost = measure(step.command, plan.environment(ceph))
                if step.whole:
                    plan.check_whole(cost.output, count)
                costs[step.name].append(cost)
                sys.stderr.write(f"round {number + 1}: {step.name} {cost.seconds:.2f} s\n")
    return costs


if __name__ == "__main__":
    sys.exit(main())
