"""What `mockserver serve` does: listen, say where, serve until a signal comes."""

import asyncio
import contextlib
import copy
import gc
import logging
import shlex
import signal
import sys
from collections.abc import Iterator
from types import TracebackType

from mockserver._version import __version__
from mockserver.access import describe_exchange, make_noted_app
from mockserver.address import DEFAULT_KEY, LOCAL_HOSTS, is_local, server_url
from mockserver.api import make_app
from mockserver.cli.options import LogLevel, ServeOptions
from mockserver.cli.terminal import tell
from mockserver.journal import Exchange, Journal
from mockserver.loop import LoopServer, listen, new_event_loop
from mockserver.server import build_service

log = logging.getLogger("mockserver")
access_log = logging.getLogger("mockserver.access")


GC_THRESHOLDS = (1_000, 5, 1_000)
"""How Python looks for garbage in cycles, of which an answer leaves none: often at few objects and hardly ever at all of them.

A look at 20,000 takes some milliseconds, in which every stream stands still.
"""


def run_server(options: ServeOptions, debug: bool = False) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code, 0. In the main thread only.

    Raises `UsageError` where it cannot listen, or where a scenario or an option is wrong.
    """
    service = build_service(
        options.files,
        api_key=options.api_key,
        models=options.models,
        strict=options.strict,
        seed=options.seed,
        time_scale=options.time_scale,
        tokenizer=options.tokenizer,
        max_lateness=options.max_lateness,
    )
    with _log_to_stderr(options.log_level, debug):
        # Nobody can read the journal of this process: what it keeps would be lost memory.
        if access_log.isEnabledFor(logging.INFO):
            app = make_noted_app(service, _note, keep=1)
        else:
            service.journal = Journal(keep=1)
            app = make_app(service)
        listener = listen(options.host, options.port)
        address, port = listener.getsockname()[:2]
        if not is_local(address):
            tell(f"warning: listening on {address}, so other machines reach this server, and anybody on them")

        def announce() -> None:
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            gc.enable()
            print(announcement(server_url(options.host, port), options.api_key), flush=True)

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(LoopServer(app, listener, announce, service.meet)))
    return 0


async def _serve(server: LoopServer) -> None:
    with server.handle_signals(afterwards=signal.SIG_IGN):
        await server.run_until_stopped()


def announcement(url: str, api_key: str | None) -> str:
    """What is printed once the server is up: its base URL and the lines to paste, all of it a shell can read."""
    return "\n".join(
        [
            f"# mockserver {__version__} serves {url}/v1 until Ctrl-C. Paste this where your program runs:",
            f"export OPENAI_BASE_URL={url}/v1",
            f"export OPENAI_API_KEY={shlex.quote(api_key or DEFAULT_KEY)}",
            f'export NO_PROXY="{",".join(LOCAL_HOSTS)}${{NO_PROXY:+,$NO_PROXY}}"',
        ]
    )


def _note(exchange: Exchange) -> None:
    access_log.info("%s", describe_exchange(exchange))


@contextlib.contextmanager
def _log_to_stderr(level: LogLevel, debug: bool) -> Iterator[None]:
    """While this lasts, the log goes to stderr, one line an entry.

    At `info` there is one line for each request, which says all that the server's own notes on it would say again.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME) if debug else _OneLine(_FORMAT, _TIME))
    root = logging.getLogger()
    root.addHandler(handler)
    log.setLevel("WARNING" if level is LogLevel.INFO else level.upper())
    access_log.setLevel("INFO" if level is LogLevel.DEBUG else level.upper())
    try:
        yield
    finally:
        root.removeHandler(handler)
        log.setLevel(logging.NOTSET)
        access_log.setLevel(logging.NOTSET)


_FORMAT = "%(asctime)s %(message)s"
_TIME = "%H:%M:%S"


class _OneLine(logging.Formatter):
    """Leaves the traceback to `--debug`."""

    def formatException(  # noqa: N802 - logging's own name
        self, error: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return f"{type(error[1]).__name__}: {error[1]} (--debug shows where)"

    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        record.exc_text = None  # what another handler has made of the error already
        return " ".join(super().format(record).split())
