"""How the command speaks to whoever runs it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def tell(message: str) -> None:
    """Print a message in one line on stderr."""
    line = " ".join(message.splitlines())
    print(f"mockserver: {line}", file=sys.stderr, flush=True)


@contextmanager
def show_progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on stderr that moves on at each call of what is yielded; where stderr is no terminal, nothing at all.

    Without a `total`, the streams played are counted.
    """
    if not sys.stderr.isatty():  # rich, at some versions, ends a bar that was never drawn with a line of its own
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    counted = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} streams"))
    measured = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    columns = counted if total is None else measured
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
