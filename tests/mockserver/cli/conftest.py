"""What the tests of the command share."""

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

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


SCENARIO = """
scenarios:
  - name: cut
    reply: "Hello there"
    timing: {ttft: 20ms}
    delivery: {faults: [{fault: reset, at: {after_event: 1}}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with one scenario, `cut`: a reset behind the second event."""
    path = tmp_path / "cut.yaml"
    path.write_text(SCENARIO)
    return str(path)
