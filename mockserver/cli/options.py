"""What `mockserver serve` may be told, and the quick way to read it: without typer, where the command line is plain.

typer (`serve.py`) stays the authority. What is read here is read as typer reads it, which a test holds; whatever is not
plain (--help, an abbreviation, a mistake) is left to typer, which explains it.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from types import FrameType
from typing import Any

from msgspec import Struct

DEFAULT_PORT = 8000


class LogLevel(StrEnum):
    """What is told on stderr. At `info`, one line for each request; at `debug`, the server's own notes as well."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ServeOptions(Struct, frozen=True):
    """What `mockserver serve` was told. `port` 0: a free one; `models` empty: all there could be."""

    files: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = None
    models: tuple[str, ...] = ()
    strict: bool = False
    seed: int = 0
    time_scale: float = 1.0
    tokenizer: str = "approximate"
    max_lateness: str = "50ms"
    log_level: LogLevel = LogLevel.INFO


def _read_whole(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError(value)
    return int(value)


def _read_port(value: str) -> int:
    port = _read_whole(value)
    if port > 65535:
        raise ValueError(value)
    return port


def _read_decimal(value: str) -> float:
    _read_whole(value.replace(".", "0", 1))
    return float(value)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--host": ("host", str),
    "--port": ("port", _read_port),
    "--api-key": ("api_key", str),
    "--model": ("models", str),
    "--seed": ("seed", _read_whole),
    "--time-scale": ("time_scale", _read_decimal),
    "--tokenizer": ("tokenizer", str),
    "--max-lateness": ("max_lateness", str),
    "--log-level": ("log_level", LogLevel),
}


def read_plainly(arguments: Sequence[str]) -> ServeOptions | None:
    """The options that the arguments after `serve` say, or None where they are not plain, or wrong."""
    said: dict[str, Any] = {"files": (), "models": ()}
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            said["files"] += (argument,)
            continue
        if argument == "--strict":
            said["strict"] = True
            continue
        flag, equals, value = argument.partition("=")
        if flag not in _READERS:
            return None
        if not equals:
            value = next(rest, "-")
            if value.startswith("-"):  # missing, or a number below zero: typer knows
                return None
        name, read = _READERS[flag]
        try:
            said[name] = (*said["models"], value) if name == "models" else read(value)
        except ValueError:
            return None
    return ServeOptions(**said)


def leave_on_signals() -> None:
    """Until the server's loop handles them itself, SIGINT and SIGTERM end the process at once with exit code 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
