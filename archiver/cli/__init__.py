"""The command line: every verb reads options, calls one function, prints, sets the exit code."""

from archiver.cli.app import main

__all__ = ["main"]
