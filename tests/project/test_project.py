"""What holds for the repository as a whole."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import archiver
from archiver.cli.app import app

ROOT = Path(archiver.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRIES = {
    ".ci",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "archiver",
    "docs",
    "infra",
    "pyproject.toml",
    "scripts",
    "tests",
}
LONGEST = 400
# Written in two halves, so that this file does not hold what it looks for.
UNWANTED = ("TO" + "DO", "FIX" + "ME", "/ho" + "me/", "/wo" + "rk/", "/ro" + "ot/")


def tracked() -> list[Path]:
    """Every file of the repository that is there, or would be with the next commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone of the repository")
    return [path for name in done.stdout.splitlines() if (path := ROOT / name).is_file()]


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command by its name."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    for name, command in group.commands.items():
        assert isinstance(command, typer.core.TyperCommand)
        yield name, command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_in_the_readme(name: str) -> None:
    """Every command is in the README, and says of itself what it does."""
    assert re.search(rf"`(archiver )?{name}\b|archiver {name}\b", README), name
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_in_the_readme(name: str) -> None:
    """Every option is in the README, by one of its names, and has a help text."""
    for parameter in COMMANDS[name].params:
        names = [name for name in parameter.opts if name.startswith("--") and name != "--help"]
        if names:
            assert any(name in README for name in names), names
            assert getattr(parameter, "help", None), names


def test_readme_names_no_other_command() -> None:
    """What the README shows in its examples are commands that exist."""
    shown = set(re.findall(r"^\$? *archiver ([a-z]+)", README, re.MULTILINE))
    assert shown <= COMMANDS.keys()


def test_exit_codes_are_in_the_readme() -> None:
    """Every exit code that the command may end with is in the README's table."""
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130):
        assert re.search(rf"^\| *`?{code}`? *\|", README, re.MULTILINE), code


def test_layers_name_every_module() -> None:
    """Every module and package directly below ``archiver`` has its place in the layers."""
    (contract,) = [
        one for one in SETTINGS["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    ]
    placed = {name.strip() for row in contract["layers"] for name in row.split("|")}
    package = ROOT / "archiver"
    there = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    there |= {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert placed == there


def test_entries_of_the_repository() -> None:
    """Nothing lies at the top of the repository that has no place there."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= ENTRIES


def test_nothing_of_one_machine() -> None:
    """No file holds a path of the machine where it was written, or a note to do something."""
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found = [word for word in UNWANTED if re.search(rf"(?<!\w){re.escape(word)}", text)]
        # Readers of settings are tested with a home directory of nobody's.
        assert not [word for word in found if f"{word}me" not in text], (path, found)


def test_files_are_short() -> None:
    """A file of code has one idea, which fits into 400 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked()
        if path.suffix == ".py" and (count := path.read_text().count("\n")) > LONGEST
    }
    assert not long


def test_every_test_says_what_it_shows() -> None:
    """Every test has a docstring that states one behaviour."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            if is_test and isinstance(node, ast.FunctionDef):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_names_of_test_files_are_unique() -> None:
    """No two files of tests share a name, since pytest imports them by it."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names))


def test_every_module_says_what_it_is_for() -> None:
    """Every module that holds code opens with a docstring."""
    for path in (ROOT / "archiver").rglob("*.py"):
        tree = ast.parse(path.read_text())
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
        assert ast.get_docstring(tree) or not defines, path
