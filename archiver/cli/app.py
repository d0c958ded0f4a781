"""The command ``archiver``: its verbs, and the one place where errors become exit codes."""

import signal
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from archiver.cli import (
    audit,
    demo,
    doctor,
    export,
    import_,
    init,
    login,
    parse,
    peek,
    pop,
    prune,
    rebuild,
    release,
    restore,
    search,
    show,
    stages,
    stats,
    status,
)
from archiver.cli.output import complain
from archiver.errors import ArchiverError, Interrupted

_EXIT_STATUS = """
Exit status: 0 done; 2 usage or configuration; 3 done in part; 4 login refused; 5 server
unreachable, busy or lost; 6 store unavailable; 7 the store does not hold what was archived,
or the ledger is damaged; 8 already running; 9 nothing matched; 130 interrupted; 1 a bug.
"""

app = typer.Typer(
    name="archiver",
    help="Archives POP3 mailboxes into S3-compatible storage or a directory: verified, searchable,"
    " nothing ever lost.",
    epilog=_EXIT_STATUS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stages.register(app)
app.command("prune")(prune.command)
app.command("status")(status.command)
app.command("release")(release.command)
app.command("rebuild")(rebuild.command)
app.command("search", epilog=search.EXAMPLES, context_settings=search.CONTEXT)(search.command)
app.command("stats", context_settings=search.CONTEXT)(stats.command)
app.command("show")(show.command)
app.command("restore")(restore.command)
app.command("export")(export.command)
app.command("import")(import_.command)
app.command("parse")(parse.command)
app.command("audit")(audit.command)
app.command("init")(init.command)
app.command("doctor")(doctor.command)
app.command("login")(login.command)
app.command("peek")(peek.command)
app.command("pop")(pop.command)
app.command("demo")(demo.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"archiver {version('pop3-archiver')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Holds the options that stand before a verb."""


def main() -> None:
    """Runs the command line and ends the process with the exit code of the table."""
    # Before this and after it Ctrl-C ends the process without a word, see ``__main__``.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except ArchiverError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(Interrupted.exit_code)
    except BrokenPipeError:
        # Whoever read our output has seen enough of it, as head does.
        sys.stderr.close()
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the last handler: what arrives here is a bug
        traceback.print_exc()
        complain(
            ArchiverError("this is a bug in archiver", hint="please report it with the lines above")
        )
        sys.exit(1)
    finally:
        signal.signal(signal.SIGINT, before)
