"""What an examination finds: marks, words, and values by name.

A finding says what was seen and, where that is not well, what to do; its topic is the step of the
way that it belongs to. Problems carry the exit code that a run would end with for the same reason.
What was seen is also kept as facts with fixed names, for programs that read ``--json``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from archiver.errors import ArchiverError, worst


class Mark(StrEnum):
    """How a finding is to be taken: all is well, worth knowing, or in the way of a run."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``seen`` is one sentence, ``advice`` what to do or nothing."""

    topic: str
    mark: Mark
    seen: str
    advice: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found about one thing.

    Attributes:
        kind: ``account``, ``store`` or ``here``.
        name: the account's id, the store's URL or the state directory.
        about: where it is, for people.
        facts: what was seen by name, in plain values; None for what could not be seen.
        findings: in the order in which a person debugs.
    """

    kind: str
    name: str
    about: str
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 if all is well, else that of the most pressing problem."""
        return worst([finding.exit_code for finding in self.findings])


class Chart:
    """Takes down what is found about one thing, in order.

    Args:
        kind, name, about: see ``Examination``.
        facts: the names of all facts about such a thing.
    """

    def __init__(self, kind: str, name: str, about: str, facts: tuple[str, ...]) -> None:
        self._kind, self._name, self._about = kind, name, about
        self._facts: dict[str, Any] = dict.fromkeys(facts)
        self._findings: list[Finding] = []

    def ok(self, topic: str, seen: str) -> None:
        """All is well."""
        self._findings.append(Finding(topic, Mark.OK, seen))

    def note(self, topic: str, seen: str, advice: str = "") -> None:
        """Worth knowing, and in nobody's way."""
        self._findings.append(Finding(topic, Mark.NOTE, seen, advice))

    def problem(self, topic: str, error: ArchiverError) -> None:
        """A run would fail, or lose what it is there for."""
        self._findings.append(
            Finding(topic, Mark.PROBLEM, error.message, error.hint, error.exit_code)
        )

    def know(self, **facts: Any) -> None:
        """Keeps values by their names, which must be those of the thing."""
        unknown = facts.keys() - self._facts.keys()
        assert not unknown, f"no fact of this thing is called {unknown}"
        self._facts |= facts

    @contextmanager
    def step(self, topic: str) -> Iterator[None]:
        """A step whose failure is a finding; the next step can still be made."""
        try:
            yield
        except ArchiverError as error:
            self.problem(topic, error)

    def examination(self) -> Examination:
        """Everything that was taken down."""
        return Examination(self._kind, self._name, self._about, self._facts, tuple(self._findings))
