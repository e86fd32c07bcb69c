"""Where in a stream the trouble is: the bytes around the first departure from OpenAI's own stream of the same reply."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.plan import Plan
from mockserver.steps import Head, Step, Write

_BOUND = 1 << 20
_BEFORE, _AFTER = 60, 140


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a body: the bytes before it, the bytes from it on, and what it is."""

    before: bytes
    after: bytes
    note: str

    def __str__(self) -> str:
        return f"{_readable(self.before)} ▶{_readable(self.after)}  ({self.note})"


def find_mark(plan: Plan) -> Mark | None:
    """The place where a stream departs from the plain one, or where it ends if its body does not; None if it is not streamed."""
    stream = plan.stream
    if stream is None:
        return None
    sent = _take(piece.data for piece in stream.body())
    plain = _take(piece.data for piece in replace(stream, delivery=Delivery(), faults=()).body())
    at = next((k for k, (a, b) in enumerate(zip(sent, plain, strict=False)) if a != b), min(len(sent), len(plain)))
    if at < len(sent) or len(sent) != len(plain):
        return _mark(sent, at, f"byte {at} of the body, where it departs from OpenAI's stream")
    steps = list(islice(plan, 10_000))
    wire = b"".join(step.data for step in steps if isinstance(step, Head | Write))
    return _mark(wire, len(wire), _describe_end(steps))


def _take(pieces: Iterable[bytes]) -> bytes:
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= _BOUND:
            break
    return b"".join(taken)[:_BOUND]


def _mark(data: bytes, at: int, note: str) -> Mark:
    return Mark(data[max(at - _BEFORE, 0) : at], data[at : at + _AFTER], note)


def _describe_end(steps: list[Step]) -> str:
    writes = [step for step in steps if isinstance(step, Write)]
    alone = sum(step.alone for step in writes)
    ending = type(steps[-1]).__name__.lower() if steps else "nothing"
    cut = f", in {alone} writes" if alone else ""
    return f"the bytes are OpenAI's{cut}; the last step: {ending}"


def _readable(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return "".join(_escape(text))


def _escape(text: str) -> Iterator[str]:
    for c in text:
        yield c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode()
