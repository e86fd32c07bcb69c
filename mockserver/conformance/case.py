"""What a case is: a scenario, the requirement it tests and the verdict expected; and how the cases are loaded.

Cases are data, in `cases/*.yaml`, checked when they are loaded: unknown keys and words are refused, ids are unique. That the
verdict a case declares is the one that the oracle computes from its scenario is held by a test, case by case.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from mockserver.delivery import Delivery
from mockserver.errors import Problem, ScenarioError
from mockserver.quirks.quirk import Right
from mockserver.reply import Reply
from mockserver.scenario import ErrorReply, RateLimit, Scenario, Turn, convert
from mockserver.timing import UNPACED, Timing

FOLDER = Path(__file__).parent / "cases"

CaseClass = Literal["framing", "http", "protocol", "dialect", "fault", "time", "limits", "lifecycle"]
Keyword = Literal["must", "should", "may"]
Seconds = Annotated[float, Meta(gt=0)]

ABILITIES = {
    "content": "it tells the text",
    "tools": "it can offer function tools and tells the calls",
    "parallel_tools": "it can tell more than one call of an answer",
    "custom_tools": "it can offer custom tools and tells their calls",
    "function_call": "it can offer functions in the deprecated way and tells the call",
    "tool_ids": "it tells the ids of tool calls",
    "tool_names": "it tells the names of tool calls",
    "parsed_arguments": "it reads the arguments of tool calls as JSON, and does not hand them on as they came",
    "n": "it can ask for several choices and tells them apart",
    "refusal": "it tells a refusal apart from the text",
    "reasoning": "it tells reasoning apart from the text",
    "finish_reason": "it tells the finish reason",
    "usage": "it can ask for the usage of a stream and tells it",
    "logprobs": "it can ask for log probabilities",
    "audio": "it can ask for sound",
    "timeout": "its wait for the next byte can be limited",
    "retries": "its retries can be set, and it makes them by itself",
    "leave_early": "it can stop reading after some chunks",
    "read_pause": "it can be made to read slowly",
}
"""The closed vocabulary of what a consumer may lack and a case may need, each word with what it says of a consumer.

A consumer names what it `lacks` in its first line: cases that need it are skipped, and fields of that name are not compared.
"""

Ability = Literal[
    "content", "tools", "parallel_tools", "custom_tools", "function_call", "tool_ids", "tool_names",
    "parsed_arguments", "n", "refusal", "reasoning", "finish_reason", "usage", "logprobs", "audio", "timeout", "retries", "leave_early",
    "read_pause",
]  # fmt: skip

BASE_REQUEST: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Say hello."}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
"""What a consumer is told to ask, unless the case says more."""


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """The scenario of a case, without its name and match: a case is chosen by its URL."""

    reply: str | Reply | None = None
    error: ErrorReply | None = None
    sequence: tuple[Turn, ...] = ()
    timing: Timing = UNPACED
    delivery: Delivery = Delivery()
    rate_limit: RateLimit | None = None
    seed: int | None = None


class Saw(Struct, frozen=True, forbid_unknown_fields=True):
    """What the server must have seen of the consumer."""

    requests: Annotated[int | None, Meta(description="How many requests it made.")] = None
    left_within_s: Annotated[float | None, Meta(description="How soon it must have left after it had its chunks.")] = (
        None
    )
    waited_s: Annotated[float | None, Meta(description="How long it must have waited before its next try.")] = None


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One case: what is sent, what is required of whoever reads it, and by whose rule."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Annotated[str, Meta(min_length=3)]
    requirement: Annotated[str, Meta(min_length=10, description="The requirement in one sentence.")]
    source: Annotated[str, Meta(min_length=5, description="Whose rule it is, with its section, or who was observed.")]
    scenario: Answer
    right: Annotated[
        Right, Meta(description="What a right consumer makes of it; of a sequence, of the turn that it is to reach.")
    ]
    keyword: Annotated[
        Keyword, Meta(description="How strongly it is required; who breaks a `may` is weak at most.")
    ] = "must"
    request: Annotated[dict[str, Any], Meta(description="What is asked beyond the base request; null takes away.")] = {}
    needs: Annotated[tuple[Ability, ...], Meta(description="What a consumer must have, else the case is skipped.")] = ()
    extra: Annotated[
        Literal["brotli"] | None, Meta(description="The extra of this package without which it cannot be played.")
    ] = None
    timeout_s: Annotated[
        Seconds | None, Meta(description="The longest wait for the next byte that the consumer is given.")
    ] = None
    time_limit_s: Annotated[
        Seconds | None, Meta(description="How long the case may take at least, where that is long by nature.")
    ] = None
    retries: Annotated[int, Meta(ge=0)] = 0
    leave_after_chunks: Annotated[int, Meta(ge=1)] | None = None
    read_pause_ms: Annotated[int, Meta(ge=0)] = 0
    saw: Saw = Saw()
    then_plain: Annotated[
        bool, Meta(description="Whether a plain request on the same client follows, which must succeed.")
    ] = False
    both_ways: Annotated[bool, Meta(description="Played again with Connection: close, under the id with -close.")] = (
        False
    )
    arguments_as_json: Annotated[bool, Meta(description="Whether tool arguments are compared as JSON.")] = True
    cls: CaseClass = msgspec.field(name="class", default="protocol")

    def __str__(self) -> str:
        return self.id

    def body(self) -> dict[str, Any]:
        """The request that the consumer is to make."""
        body = {**BASE_REQUEST, **self.request}
        return {key: value for key, value in body.items() if value is not None}

    def as_scenario(self) -> Scenario:
        """The case as a scenario, named like the case."""
        answer = self.scenario
        return Scenario(
            name=self.id,
            description=self.title,
            reply=answer.reply,
            error=answer.error,
            sequence=answer.sequence,
            timing=answer.timing,
            delivery=answer.delivery,
            rate_limit=answer.rate_limit,
            seed=answer.seed,
        )


class Untested(Struct, frozen=True, forbid_unknown_fields=True):
    """A requirement that no case tests, and why."""

    id: str
    requirement: str
    source: str
    reason: str


class CaseFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of cases, all of one class."""

    cls: CaseClass = msgspec.field(name="class")
    cases: tuple[dict[str, Any], ...] = ()
    untested: tuple[Untested, ...] = ()


@cache
def load_files(folder: Path = FOLDER) -> tuple[CaseFile, ...]:
    """All case files of a folder, in the order of their names; by default those that come with the suite."""
    return tuple(_read(path) for path in sorted(folder.glob("*.yaml")))


def _read(path: Path) -> CaseFile:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return convert(yaml.load(path.read_text(encoding="utf-8"), loader), CaseFile)
    except ScenarioError as error:
        raise ScenarioError([Problem(p.message, p.place, path.name) for p in error.problems]) from error


@cache
def load_cases(folder: Path = FOLDER) -> tuple[Case, ...]:
    """Every case, those played both ways twice. Raises `ScenarioError` for a case that is wrong, or an id that is not unique."""
    found: dict[str, Case] = {}
    for file in load_files(folder):
        for values in file.cases:
            for case in _variants(_convert(values, file.cls)):
                if case.id in found:
                    raise ScenarioError([Problem(f"two cases have the id {case.id!r}")])
                found[case.id] = case
    return tuple(found.values())


def load_untested(folder: Path = FOLDER) -> tuple[Untested, ...]:
    """The requirements that no case tests."""
    return tuple(row for file in load_files(folder) for row in file.untested)


def _convert(values: dict[str, Any], cls: CaseClass) -> Case:
    if _is_missing(values.get("extra")):  # its delivery would be refused; it is skipped wherever it is chosen
        answer = values.get("scenario") or {}
        values = {**values, "scenario": {key: value for key, value in answer.items() if key != "delivery"}}
    try:
        return convert({"class": cls, **values}, Case)
    except ScenarioError as error:
        where = f"case {values.get('id')!r}"
        raise ScenarioError([Problem(p.message, f"{where}: {p.place}") for p in error.problems]) from error


def _variants(case: Case) -> Iterator[Case]:
    yield case
    if case.both_ways:
        delivery = case.scenario.delivery
        http = msgspec.structs.replace(delivery.http, connection="close")
        answer = msgspec.structs.replace(case.scenario, delivery=msgspec.structs.replace(delivery, http=http))
        yield msgspec.structs.replace(
            case, id=f"{case.id}-close", title=f"{case.title} (Connection: close)", scenario=answer, both_ways=False
        )


def _is_missing(extra: Any) -> bool:
    return isinstance(extra, str) and find_spec(extra) is None


def explain_skip(case: Case, lacks: frozenset[str] = frozenset()) -> str | None:
    """Why a case is not played to a consumer that lacks some abilities, or not by this installation; None if it is.

    A case in which nothing is called is one of text.
    """
    calls = {"tools", "custom_tools", "function_call"} & set(case.needs)
    missing = sorted({*case.needs, *(() if calls else ("content",))} & lacks)
    if missing:
        return f"the consumer lacks {', '.join(missing)}"
    if _is_missing(case.extra):
        return f"needs the extra {case.extra}: pip install 'openai-mockserver[{case.extra}]'"
    return None


def choose_cases(
    cases: Sequence[Case], run: Sequence[str] = (), skip: Sequence[str] = (), classes: Sequence[str] = ()
) -> list[Case]:
    """The cases whose ids match one of the globs of `run` (none: all) and none of `skip`, of the classes given (none: all)."""
    return [
        case
        for case in cases
        if (not run or any(fnmatchcase(case.id, pattern) for pattern in run))
        and not any(fnmatchcase(case.id, pattern) for pattern in skip)
        and (not classes or case.cls in classes)
    ]
