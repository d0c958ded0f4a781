"""Options in groups, as typer sees them."""

from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from archiver.cli.takes import Group, takes

FRUIT: Group = {
    "apple": Annotated[str | None, typer.Option(help="A name.")],
    "ripe": Annotated[bool | None, typer.Option("--ripe", help="Now.")],
}


def test_a_group_joins_a_command() -> None:
    """A command has its own options and the group's, which are None unless given."""
    app = typer.Typer()
    heard: list[tuple[str, dict[str, Any]]] = []

    @app.command()
    @takes(FRUIT)
    def command(name: Annotated[str, typer.Argument()], loud: bool = False, **given: Any) -> None:
        heard.append((f"{name} {loud}", given))

    run = CliRunner().invoke
    assert run(app, ["me", "--loud", "--apple", "red", "--ripe"]).exit_code == 0
    assert run(app, ["you"]).exit_code == 0
    assert heard == [
        ("me True", {"apple": "red", "ripe": True}),
        ("you False", {"apple": None, "ripe": None}),
    ]
    assert "A name." in run(app, ["--help"]).output
