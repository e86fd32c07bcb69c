"""`mockserver show`: the plan of a scenario, byte by byte and millisecond by millisecond, without a server."""

import base64
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from mockserver.cli.plans import plan_answer, tell_right
from mockserver.cli.terminal import tell

if TYPE_CHECKING:
    from mockserver.plan import Plan
    from mockserver.request import ChatRequest
    from mockserver.steps import Step

LIMIT = 200
"""How many steps are shown unless told."""

READABLE_BYTES = 2_000
"""How much of a step's bytes is shown."""

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver show count-to-100                   one that comes with it
  mockserver show flaky chat.yaml --turn 3       what its 3rd request gets
  mockserver show chat.yaml --request body.json  the only one of a file
  mockserver show tools chat.yaml --raw | less   the body's bytes alone
"""


def show(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Its name, or a file that holds just one.")],
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE|FOLDER", help="Where to look for it.")] = None,
    request: Annotated[
        str | None, typer.Option(metavar="FILE", help="A request body; default: a short streamed one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of all that varies.")] = 0,
    turn: Annotated[int, typer.Option(min=1, help="Which of the scenario's requests, from 1.")] = 1,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many steps at most; 0: all. Default: 200; with --raw all, if the stream has an end."
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Write the exact bytes of the body, as they come out of HTTP's chunks; coded where it is."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a form for machines.")] = False,
) -> int:
    """Print the plan of a scenario: when each step is due, what it does, and its bytes, with all that does not print escaped.

    The request offers every content coding: gzip, deflate and br.
    """
    shown = _make_plan(scenario, files or [], request, seed, turn, as_cut=not raw)
    if raw:
        _write_body(shown, limit)
    elif as_json:
        print(json.dumps(_describe(shown, LIMIT if limit is None else limit), ensure_ascii=False, indent=2))
    else:
        for line in render_plan(shown.plan, LIMIT if limit is None else limit):
            print(line)
    return 0


@dataclass(frozen=True, slots=True)
class _Shown:
    """A plan, and what it was made of. `is_endless`: it may go on until the client leaves."""

    plan: "Plan"
    request: "ChatRequest"
    scenario: str
    seed: int
    is_endless: bool


def _make_plan(name: str, files: list[str], request: str | None, seed: int, turn: int, as_cut: bool) -> _Shown:
    """The plan, and with `as_cut` its bytes in the writes that the scenario tells."""
    from mockserver.cli.finding import find_scenario
    from mockserver.dialects import resolve_dialect
    from mockserver.errors import RequestError, UsageError
    from mockserver.request import DEFAULT_BODY, parse_request
    from mockserver.writes import Writes

    scenario = find_scenario(name, files)
    try:
        body = Path(request).read_bytes() if request else DEFAULT_BODY
    except OSError as error:
        raise UsageError(f"cannot read the request {request}: {error.strerror}") from error
    try:
        asked = parse_request(body)
    except RequestError as error:
        raise UsageError(f"the request {request} would be refused: {error}") from error
    answer = scenario.turn(turn - 1)
    delivery = resolve_dialect(answer.delivery)
    if not as_cut:
        answer = replace(answer, delivery=replace(delivery, writes=Writes()))
    is_endless = any(fault.is_endless for fault in delivery.faults)
    own_seed = scenario.seed if scenario.seed is not None else seed
    plan = plan_answer(scenario, answer, asked, own_seed, turn - 1)
    return _Shown(plan, asked, scenario.name, own_seed, is_endless)


def _visible(plan: "Plan") -> "Iterator[Step]":
    """The steps that do something."""
    from mockserver.steps import Write

    return (step for step in plan if step.__class__ is not Write or step.data)


def render_plan(plan: "Plan", limit: int = LIMIT) -> Iterator[str]:
    """The plan in lines for a reader; bounded where it is long or endless."""
    yield f"{'due':>10}  {'step':<10} {'event':>5} {'bytes':>6}"
    steps = _visible(plan)
    for step in islice(steps, limit or None):
        yield from _render_step(step)
    if next(steps, None) is not None:
        yield f"… there is more: --limit says how many steps are shown (now {limit}), 0 shows all"
    yield from tell_right(plan)


def _render_step(step: "Step") -> Iterator[str]:
    data: bytes = getattr(step, "data", b"")
    event = getattr(step, "event", None)
    name = type(step).__name__.lower() + (" alone" if getattr(step, "alone", False) else "")
    front = f"{step.due_s * 1000:>7.1f} ms  {name:<10} {'' if event is None else event:>5} {len(data) or '':>6}"
    lines = [readable(line) for line in _LINE.findall(data[:READABLE_BYTES])] or [_note(step)]
    if len(data) > READABLE_BYTES:
        lines[-1] += f"… {len(data) - READABLE_BYTES} bytes more"
    yield f"{front}  {lines[0]}".rstrip()
    for line in lines[1:]:
        yield f"{'':>{len(front)}}  {line}"


def _note(step: Any) -> str:
    notes = {
        "close": ("the connection stays open", "the connection is closed"),
        "cut": ("", "more should have come"),
        "drain": ("at once", "after what was written has arrived"),
    }
    told = (words[bool(getattr(step, key))] for key, words in notes.items() if hasattr(step, key))
    return "; ".join(filter(None, told))


def readable(data: bytes) -> str:
    r"""Bytes as a text in which everything that does not print is escaped, so that no two look the same.

    `\xff` is a byte, one that is not UTF-8 or a control character; `\u2028` is a character; `\\` is a backslash.
    """
    return "".join(map(_escape, data.decode("utf-8", "surrogateescape")))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # by "surrogateescape" a byte
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() and character != "\\":
        return character
    return f"\\u{code:04x}" if 0x80 <= code <= 0xFF else character.encode("unicode_escape").decode()


def _write_body(shown: _Shown, limit: int | None) -> None:
    """Write the body to stdout; of one without an end as many steps as `limit` says, or as are shown by default."""
    steps = _visible(shown.plan)
    bound = (LIMIT if shown.is_endless else 0) if limit is None else limit
    for data in _read_body(islice(steps, bound or None)):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    if bound and next(steps, None) is not None:
        tell(f"there is more: the body of the first {bound} steps was written; --limit says how many, 0 all")


def _read_body(steps: "Iterable[Step]") -> Iterator[bytes]:
    """The body's bytes of a plan whose head is a step of its own."""
    from mockserver.steps import Head, Write

    after_interims = dropwhile(lambda step: not isinstance(step, Head), steps)
    head = next(after_interims, None)
    pieces = (step.data for step in after_interims if isinstance(step, Write))
    is_chunked = isinstance(head, Head) and b"\r\ntransfer-encoding: chunked\r\n" in head.data.lower()
    return _unchunk(pieces) if is_chunked else pieces


def _unchunk(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What HTTP's chunks hold, up to the last one or to where they break off or are no chunks (RFC 9112 7.1)."""
    held, left = b"", 0  # `left` of the chunk's data and of its line end are yet to come
    for piece in pieces:
        held += piece
        while held:
            if left:
                yield held[: max(left - 2, 0)]
                held, left = held[left:], left - min(left, len(held))
                continue
            line, end, rest = held.partition(b"\r\n")
            if not end:
                break
            size = line.partition(b";")[0]
            if not re.fullmatch(b"[0-9a-fA-F]+", size) or int(size, 16) == 0:
                return
            held, left = rest, int(size, 16) + 2


def _describe(shown: _Shown, limit: int) -> dict[str, Any]:
    from mockserver.outcome import ANY, expect

    plan = shown.plan
    steps = _visible(plan)
    described: dict[str, Any] = {
        "scenario": shown.scenario,
        "seed": shown.seed,
        "request": shown.request.raw,
        "status": plan.status,
        "steps": [_describe_step(step) for step in islice(steps, limit or None)],
    }
    described["complete"] = next(steps, None) is None
    if plan.stream is not None:
        expected = expect(plan.stream)
        outcome = {key: "any" if value is ANY else value for key, value in expected.outcome.items()}
        described["expected"] = {"right": expected.right, "because": expected.because, "outcome": outcome}
    return json.loads(json.dumps(described, default=str))  # type: ignore[no-any-return]


def _describe_step(step: "Step") -> dict[str, Any]:
    described: dict[str, Any] = {"step": type(step).__name__.lower(), "due_ms": round(step.due_s * 1000, 3)}
    for key in ("alone", "event", "close", "cut", "drain"):
        if hasattr(step, key):
            described[key] = getattr(step, key)
    data: bytes | None = getattr(step, "data", None)
    if data is not None:
        try:
            described["text"] = data.decode()
        except UnicodeDecodeError:
            described["base64"] = base64.b64encode(data).decode()
    return described
