"""`mockserver show`: the plan of a scenario, byte by byte and millisecond by millisecond, without a server."""

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mockserver.plan import Plan
    from mockserver.steps import Step

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver show count-to-100                   one that comes with it
  mockserver show flaky chat.yaml --turn 3       what its 3rd request gets
  mockserver show chat.yaml --request body.json  the only one of a file
  mockserver show tools chat.yaml --raw | less   the body's bytes alone
"""

DEFAULT_REQUEST: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def show(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Its name, or a file that holds just one.")],
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE|FOLDER", help="Where to look for it.")] = None,
    request: Annotated[
        str | None, typer.Option(metavar="FILE", help="A request body; default: a short streamed one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of all that varies.")] = 0,
    turn: Annotated[int, typer.Option(min=1, help="Which of the scenario's requests, from 1.")] = 1,
    limit: Annotated[int, typer.Option(min=0, help="How many steps at most; 0: all.")] = 200,
    raw: Annotated[bool, typer.Option("--raw", help="Write the exact bytes of the body, before any coding.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a form for machines.")] = False,
) -> int:
    """Print the plan of a scenario: when each step is due, what it does, and its bytes, with all that does not print escaped."""
    plan, asked, name = _make_plan(scenario, files or [], request, seed, turn)
    if raw:
        _write_body(plan)
    elif as_json:
        print(json.dumps(_describe(plan, asked, name, seed, limit), ensure_ascii=False, indent=2))
    else:
        for line in render_plan(plan, limit):
            print(line)
    return 0


def _make_plan(scenario: str, files: list[str], request: str | None, seed: int, turn: int) -> "tuple[Plan, Any, str]":
    from mockserver.cli.finding import find_scenario
    from mockserver.errors import RequestError, UsageError
    from mockserver.plan import Terms, plan_turn
    from mockserver.request import parse_request

    found = find_scenario(scenario, files)
    try:
        body = Path(request).read_bytes() if request else json.dumps(DEFAULT_REQUEST).encode()
    except OSError as error:
        raise UsageError(f"cannot read the request {request}: {error.strerror}") from error
    try:
        asked = parse_request(body)
    except RequestError as error:
        raise UsageError(f"the request {request} would be refused: {error}") from error
    own_seed = found.seed if found.seed is not None else seed
    terms = Terms(seed=f"{own_seed}/{found.name}/{asked.fingerprint}", ordinal=turn - 1, wall_s=1_700_000_000.0)
    return plan_turn(found.turn(turn - 1), asked, terms), asked, found.name


def render_plan(plan: "Plan", limit: int = 200) -> Iterator[str]:
    """The plan in lines for a reader; bounded where it is long or endless."""
    yield f"{'due':>10}  {'step':<10} {'event':>5} {'bytes':>6}"
    steps = iter(plan)
    for step in islice(steps, limit or None):
        yield from _render_step(step)
    if next(steps, None) is not None:
        yield f"… there is more: --limit says how many steps are shown (now {limit}), 0 shows all"
    if plan.stream is not None:
        from mockserver.outcome import expect

        expected = expect(plan.stream)
        because = f", because of {', '.join(expected.because)}" if expected.because else ""
        yield f"A right consumer reports: {MEANINGS[expected.right]}{because}."


MEANINGS = {"same": "the reply, whole", "error": "an error", "either": "the reply or an error"}


def _render_step(step: "Step") -> Iterator[str]:
    data: bytes = getattr(step, "data", b"")
    event = getattr(step, "event", None)
    name = type(step).__name__.lower() + (" alone" if getattr(step, "alone", False) else "")
    front = f"{step.due_s * 1000:>7.1f} ms  {name:<10} {'' if event is None else event:>5} {len(data) or '':>6}"
    lines = readable(data).replace("\\n", "\\n\n").splitlines() or [_note(step)]
    yield f"{front}  {lines[0]}".rstrip()
    for line in lines[1:]:
        yield f"{'':>{len(front)}}  {line}"


def _note(step: Any) -> str:
    notes = {
        "close": ("the connection stays open", "the connection is closed"),
        "drain": ("at once", "after what was written has arrived"),
    }
    return "; ".join(words[bool(getattr(step, key))] for key, words in notes.items() if hasattr(step, key))


def readable(data: bytes, limit: int = 2_000) -> str:
    """Bytes as a text in which everything that does not print is escaped, bounded in length."""
    text = data[:limit].decode("utf-8", "backslashreplace")
    escaped = "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)
    return escaped + (f"… {len(data) - limit} bytes more" if len(data) > limit else "")


def _write_body(plan: "Plan") -> None:
    pieces: Iterable[bytes]
    if plan.stream is not None:
        pieces = (piece.data for piece in plan.stream.body())
    else:
        from mockserver.steps import Write

        pieces = (step.data for step in plan if isinstance(step, Write))
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _describe(plan: "Plan", asked: Any, name: str, seed: int, limit: int) -> dict[str, Any]:
    from mockserver.outcome import ANY, expect

    steps = iter(plan)
    shown = [_describe_step(step) for step in islice(steps, limit or None)]
    described: dict[str, Any] = {
        "scenario": name,
        "seed": seed,
        "request": asked.raw,
        "status": plan.status,
        "steps": shown,
    }
    described["complete"] = next(steps, None) is None
    if plan.stream is not None:
        expected = expect(plan.stream)
        outcome = {key: "any" if value is ANY else value for key, value in expected.outcome.items()}
        described["expected"] = {"right": expected.right, "because": expected.because, "outcome": outcome}
    return json.loads(json.dumps(described, default=str))  # type: ignore[no-any-return]


def _describe_step(step: "Step") -> dict[str, Any]:
    described: dict[str, Any] = {"step": type(step).__name__.lower(), "due_ms": round(step.due_s * 1000, 3)}
    for key in ("alone", "event", "close", "drain"):
        if hasattr(step, key):
            described[key] = getattr(step, key)
    data: bytes | None = getattr(step, "data", None)
    if data is not None:
        try:
            described["text"] = data.decode()
        except UnicodeDecodeError:
            described["base64"] = base64.b64encode(data).decode()
    return described
