"""The model of a scenario: match + reply + delivery. How scenario files are read is in `loading.py`.

Every class here is a part of the file format: its fields are the file's keys, their descriptions go into the JSON Schema
that `mockserver schema` prints.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import msgspec
from msgspec import Meta, Struct

from mockserver.delivery import Delivery, Ordinal, check_meaning
from mockserver.errors import Problem, ScenarioError
from mockserver.http import check_headers
from mockserver.reply import Reply
from mockserver.shorthand import JsonSchema, decode_shorthand, shorthand, shorthand_schema
from mockserver.timing import UNPACED, Timing

_T = TypeVar("_T")


@shorthand
class TextMatch:
    """A condition on a text. A file writes the whole text, or `{contains: …}`, `{regex: …}`, `{exact: …}`."""

    kind: Literal["exact", "contains", "regex"]
    text: str

    schema: ClassVar[JsonSchema] = {
        "description": "A condition on a text: the whole text, or one of contains, regex (Python's, found anywhere), exact.",
        "anyOf": [
            {"type": "string"},
            *(
                {
                    "type": "object",
                    "properties": {k: {"type": "string"}},
                    "required": [k],
                    "additionalProperties": False,
                }
                for k in ("exact", "contains", "regex")
            ),
        ],
        "examples": ["What's 1+1?", {"contains": "weather"}, {"regex": "^Count to [0-9]+"}],
    }

    @classmethod
    def decode(cls, value: object) -> Self:
        if isinstance(value, str):
            return cls("exact", value)
        if isinstance(value, dict) and len(value) == 1:
            [(kind, text)] = value.items()
            if kind in ("exact", "contains", "regex") and isinstance(text, str):
                condition = cls(kind, text)
                _ = condition.pattern
                return condition
        raise ValueError(f"expected a text, or one of {{exact: …}}, {{contains: …}}, {{regex: …}}, got {value!r}")

    def encode(self) -> object:
        return self.text if self.kind == "exact" else {self.kind: self.text}

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        try:
            return re.compile(self.text) if self.kind == "regex" else None
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {self.text!r}: {error}") from error

    def holds(self, text: str) -> bool:
        """Whether `text` fulfils the condition."""
        if self.pattern is not None:
            return self.pattern.search(text) is not None
        return text == self.text if self.kind == "exact" else self.text in text

    def __str__(self) -> str:
        return f"{'equal' if self.kind == 'exact' else 'contain' if self.kind == 'contains' else 'match'} {self.text!r}"


class Match(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which requests a scenario answers: all conditions given must hold."""

    model: Annotated[str | None, Meta(description="A glob on the model's name, such as gpt-*.")] = None
    last_user: Annotated[TextMatch | None, Meta(description="A condition on the last user message.")] = None
    any_message: Annotated[TextMatch | None, Meta(description="A condition that one of the messages fulfils.")] = None
    headers: Annotated[dict[str, TextMatch], Meta(description="Conditions on request headers.")] = {}
    stream: Annotated[bool | None, Meta(description="Whether the request asks for a stream.")] = None
    has_tools: Annotated[bool | None, Meta(description="Whether the request offers tools.")] = None
    nth: Annotated[
        Ordinal | tuple[Ordinal, ...] | None,
        Meta(description="Which of the requests that fulfil the rest, counted from 1."),
    ] = None


class ErrorReply(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plain HTTP error in place of an answer, with OpenAI's error object or a body of your own."""

    status: Annotated[int, Meta(ge=100, le=999, description="The HTTP status.")] = 500
    message: Annotated[str | None, Meta(description="What the error object says.")] = None
    type: Annotated[str | None, Meta(description="The error object's type, such as invalid_request_error.")] = None
    param: Annotated[str | None, Meta(description="The parameter that the error object names.")] = None
    code: Annotated[str | None, Meta(description="The error object's code, such as rate_limit_exceeded.")] = None
    headers: Annotated[dict[str, str], Meta(description="Headers such as Retry-After.")] = {}
    body: Annotated[str | dict[str, Any] | None, Meta(description="A body in place of OpenAI's error object.")] = None

    def __post_init__(self) -> None:
        check_headers(self.headers)


class Turn(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One answer in a sequence: a reply or an error, and how it is sent."""

    reply: Annotated[
        str | Reply | None, Meta(description="What is meant: a text, or more. Default: made from the request.")
    ] = None
    error: ErrorReply | None = None
    timing: Annotated[
        Timing, Meta(description="Its own times, as a whole in place of the scenario's. Default: the scenario's.")
    ] = UNPACED
    delivery: Annotated[
        Delivery, Meta(description="Its own delivery, as a whole in place of the scenario's. Default: the scenario's.")
    ] = Delivery()
    times: Annotated[int, Meta(ge=1, description="How often in turn. The last of a sequence repeats.")] = 1

    def __post_init__(self) -> None:
        if self.reply is not None and self.error is not None:
            raise ValueError("a turn has a reply or an error, not both")
        if self.reply is None and self.error is None:
            check_meaning(self.delivery)

    @property
    def meaning(self) -> Reply | None:
        """The reply in its full form, or None where it is to be made from the request."""
        return Reply(content=self.reply) if isinstance(self.reply, str) else self.reply


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits as the real API has them: what is over them gets a 429 with a true Retry-After."""

    requests_per_minute: Annotated[Ordinal | None, Meta(description="How many requests a minute.")] = None
    tokens_per_minute: Annotated[
        Ordinal | None,
        Meta(description="How many tokens a minute: of the prompt and the largest completion asked for."),
    ] = None


class OnConnect(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happens to the next connections to the server, before any request is read."""

    fault: Annotated[Literal["close", "reset", "stall"], Meta(description="How they end, or do not begin.")] = "close"
    connections: Annotated[int, Meta(ge=1, description="How many connections, from when the scenario is loaded.")] = 1


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Match + reply + delivery: one entry of a scenario file."""

    name: Annotated[
        str,
        Meta(  # the look-ahead: to Python's $ a line end may follow
            min_length=1, pattern=r"^[^/?#\s]+$(?!\n)", description="Unique; part of a path, so without / or blank."
        ),
    ]
    description: Annotated[str, Meta(description="What the scenario is for; told to people, never sent.")] = ""
    match: Match = Match()
    reply: Annotated[
        str | Reply | None, Meta(description="What is meant: a text, or more. Default: made from the request.")
    ] = None
    error: ErrorReply | None = None
    sequence: Annotated[tuple[Turn, ...], Meta(description="Answers in turn; the last one repeats.")] = ()
    timing: Annotated[
        Timing, Meta(description="When the bytes leave; in a sequence for the turns that say nothing of their own.")
    ] = UNPACED
    delivery: Annotated[
        Delivery, Meta(description="How it is sent; in a sequence for the turns that say nothing of their own.")
    ] = Delivery()
    rate_limit: Annotated[RateLimit | None, Meta(description="Requests and tokens a minute.")] = None
    on_connect: Annotated[OnConnect | None, Meta(description="What happens to the next connections.")] = None
    seed: Annotated[int | None, Meta(description="Seed of all that varies. Default: the server's --seed.")] = None

    def __post_init__(self) -> None:
        given = [key for key in ("reply", "error", "sequence") if getattr(self, key) not in (None, ())]
        if len(given) > 1:
            raise ValueError(f"a scenario has one of reply, error, sequence; got {' and '.join(given)}")
        for turn in self.sequence or (self,):
            if turn.reply is None and turn.error is None:
                check_meaning(self.delivery)

    @classmethod
    def of(cls, values: "Mapping[str, Any] | Scenario") -> "Scenario":
        """A scenario written in code as it would stand in a file. Raises `ScenarioError`."""
        return values if isinstance(values, Scenario) else convert(dict(values), cls)

    def turn(self, count: int) -> Turn:
        """The answer to request number `count` (from 0) of this scenario."""
        for turn in self.sequence:
            if count < turn.times:
                break
            count -= turn.times
        else:
            if not self.sequence:
                return Turn(self.reply, self.error, self.timing, self.delivery)
            turn = self.sequence[-1]
        timing = turn.timing if turn.timing != UNPACED else self.timing
        delivery = turn.delivery if turn.delivery != Delivery() else self.delivery
        return msgspec.structs.replace(turn, timing=timing, delivery=delivery)


class ScenarioFile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A scenario file: one or many scenarios, and the models there are."""

    scenarios: tuple[Scenario, ...]
    models: Annotated[tuple[str, ...], Meta(description="The models there are; requests for others get a 404.")] = ()


def convert(values: Any, kind: type[_T]) -> _T:
    """`values` as a `kind` of this module. Raises `ScenarioError` with the place of the first mistake."""
    try:
        return msgspec.convert(values, kind, dec_hook=decode_shorthand)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        raise ScenarioError([Problem(message, place.rstrip("`").removeprefix("$").removeprefix("."))]) from None


def scenario_file_schema() -> JsonSchema:
    """The JSON Schema (draft 2020-12) of a scenario file."""
    schema: JsonSchema = msgspec.json.schema(ScenarioFile, schema_hook=shorthand_schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenarios of openai-mockserver",
        **schema,
    }
