"""``python -m archiver`` is the command ``archiver``."""

import signal


def main() -> None:
    """Runs the command line; until that has begun, Ctrl-C ends the process without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from archiver.cli import main as run

    run()


if __name__ == "__main__":
    main()
