"""Figures of several rounds: the median of each, with the least and the greatest beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from infra.bench.measure import Cost

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all rounds."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a step cost over all rounds; memory in MB (10^6 octets)."""

    step: str
    rounds: int
    seconds: Spread
    messages_per_second: Spread
    megabytes_per_second: Spread
    cpu_seconds: Spread
    memory_sum: Spread
    memory_max: Spread


def summarise(costs: Mapping[str, Sequence[Cost]], messages: int, octets: int) -> list[Figures]:
    """The figures of each step that handled ``messages`` of ``octets`` in all, in every round."""
    return [
        Figures(
            step,
            len(taken),
            _spread([cost.seconds for cost in taken]),
            _spread([messages / cost.seconds for cost in taken]),
            _spread([octets / _MEGABYTE / cost.seconds for cost in taken]),
            _spread([cost.cpu_seconds for cost in taken]),
            _spread([cost.memory_sum / _MEGABYTE for cost in taken]),
            _spread([cost.memory_max / _MEGABYTE for cost in taken]),
        )
        for step, taken in costs.items()
    ]


def as_table(figures: Sequence[Figures]) -> str:
    """The figures for people, one step a line."""
    head = ("step", "seconds", "messages/s", "MB/s", "CPU s", "MB, sum", "MB, max")
    line = "{:<18}{:>22}{:>26}{:>22}{:>20}{:>20}{:>20}"
    rows = [
        (
            each.step,
            _say(each.seconds, 2),
            _say(each.messages_per_second, 0),
            _say(each.megabytes_per_second, 1),
            _say(each.cpu_seconds, 2),
            _say(each.memory_sum, 0),
            _say(each.memory_max, 0),
        )
        for each in figures
    ]
    return "\n".join(line.format(*row) for row in (head, *rows))


def as_json(figures: Sequence[Figures]) -> str:
    """The figures for machines, one object a line."""
    return "\n".join(json.dumps(asdict(each)) for each in figures)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def _say(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}-{spread.greatest:.{digits}f})"
