"""What the tests of the command share."""

import gc
import signal
from collections.abc import Iterator

import pytest

from mockserver.loop import SIGNALS


@pytest.fixture
def own_process() -> Iterator[None]:
    """Puts back what `mockserver serve` changes in its process: signal handlers and the garbage collector."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.enable()
