"""The command `mockserver`: one file a subcommand.

Whatever goes wrong reaches the terminal as one line on stderr, `mockserver: …`, with a traceback only where `--debug` or
MOCKSERVER_DEBUG=1 asks for it. Exit codes: 0, all right; 1, what was to be checked has mistakes; 2, it could not be carried
out as it was asked; 130, interrupted.

typer takes longer to import than a plain command line takes to read. So `serve`, whose first answer somebody waits for, is
read by `options.py` where it is plain; whatever is not (a mistake, --help) and every other subcommand is typer's.
"""

import gc
import os
import sys
from collections.abc import Sequence

from mockserver.cli.terminal import tell
from mockserver.errors import MockServerError

DEBUG_VARIABLE = "MOCKSERVER_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `mockserver` with `arguments` (default: the process's own) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    debug = "--debug" in given[:end] or os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
    given = [argument for argument in given[:end] if argument != "--debug"] + given[end:]
    try:
        return _run(given or ["--help"], debug)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads our output has left: nothing to tell them. The interpreter must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MockServerError as error:
        if debug:
            raise
        tell(str(error))
        return 2
    except Exception as error:
        if debug:
            raise
        tell(f"a bug in mockserver, {type(error).__name__}: {error} (--debug shows where)")
        return 1


def _run(arguments: list[str], debug: bool) -> int:
    if arguments[0] == "serve":
        from mockserver.cli.options import leave_on_signals, read_plainly

        options = read_plainly(arguments[1:])
        if options is not None:
            leave_on_signals()
            gc.disable()  # nothing that start-up makes is garbage; the server turns it on again
            from mockserver.cli.serving import run_server

            return run_server(options, debug)
    from mockserver.cli.app import run_typer

    return run_typer(arguments, debug)
