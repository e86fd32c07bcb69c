"""Expected + what the consumer reported -> the verdict on a case.

- `same`: the outcome must equal the oracle's, and no error be reported.
- `error`: an error must be reported, and what text was kept must be a prefix of the reply's.
- `either`: both are right, but never invented or doubled data.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mockserver.outcome import ANY, FIELDS, Expected, Outcome, compare

VerdictName = Literal["pass", "weak", "fail", "crash", "hang", "skip", "harness error"]

BAD: tuple[VerdictName, ...] = ("fail", "crash", "hang", "harness error")
"""The verdicts that fail a run; with `--strict`, `weak` as well."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a consumer's answer to a case, and why, in words."""

    name: VerdictName
    reasons: tuple[str, ...] = ()


def judge(
    expected: Expected, got: Mapping[str, Any], arguments_as_json: bool = True, lacks: frozenset[str] = frozenset()
) -> Verdict:
    """The verdict on what a consumer reported of a stream."""
    if arguments_as_json:
        expected, got = _with_parsed_arguments(expected, got)
    wanted = _without(expected.outcome, lacks)
    reported_error = got.get("error")
    if reported_error and not isinstance(reported_error, Mapping):
        return Verdict("fail", (f"`error` is to be an object with type and message, got {reported_error!r}",))
    if reported_error:
        if expected.right == "same":
            return Verdict("fail", (f"expected the reply, got an error: {_told(reported_error)}",))
        invented = tuple(_not_prefix(wanted, got))
        return Verdict("fail", invented) if invented else Verdict("pass")
    wrong = tuple(compare({**wanted, "error": None}, got))
    if expected.right != "error":
        if not wrong:
            return Verdict("pass")
        if expected.right == "either" and _lacks_finish(got) and not tuple(_not_prefix(wanted, got)):
            return Verdict("weak", ("no error, but no finish reason either", *wrong))
        return Verdict("fail", wrong)
    why = f"because of {', '.join(expected.because)}" if expected.because else "since the stream is broken"
    if _lacks_finish(got):
        invented = tuple(_not_prefix(wanted, got))
        return (
            Verdict("fail", invented)
            if invented
            else Verdict("weak", (f"expected an error {why}, got none, but no finish reason either",))
        )
    return Verdict("fail", (f"expected an error {why}, got a finished reply: finish_reason {_finishes(got)}",))


def _told(error: Mapping[str, Any]) -> str:
    return f"{error.get('type')}: {str(error.get('message'))[:200]}"


def _choices(outcome: Outcome) -> list[Mapping[str, Any]]:
    several = outcome.get("choices")
    return list(several) if isinstance(several, list) else [outcome]


def _finishes(got: Outcome) -> str:
    return ", ".join(repr(choice.get("finish_reason")) for choice in _choices(got))


def _lacks_finish(got: Outcome) -> bool:
    return any(not choice.get("finish_reason") for choice in _choices(got))


def _without(outcome: Outcome, lacks: frozenset[str]) -> dict[str, Any]:
    """The outcome with `ANY` for what the consumer cannot expose."""
    hidden: dict[str, Any] = {field: ANY for field in (*FIELDS, "usage") if field in lacks}
    if "choices" in outcome:
        own = {key: value for key, value in hidden.items() if key != "usage"}
        choices = [{**choice, **own} for choice in outcome["choices"]]
        return {**outcome, "choices": choices, **({"usage": ANY} if "usage" in hidden else {})}
    return {**outcome, **hidden}


def _not_prefix(wanted: Outcome, got: Outcome) -> Iterator[str]:
    """What a consumer kept of a broken stream that the reply never said."""
    expected = _choices(wanted)
    for k, choice in enumerate(_choices(got)):
        if k >= len(expected):
            yield f"choice {k} was never sent"
            continue
        for field in ("content", "refusal", "reasoning"):
            said, kept = expected[k].get(field), choice.get(field)
            if said is not ANY and kept and not str(said or "").startswith(str(kept)):
                yield f"{field}: what was kept is no prefix of the reply: expected the beginning of {said!r}, got {kept!r}"
        calls = choice.get("tool_calls") or []
        told = expected[k].get("tool_calls")
        if told is not ANY and len(calls) > len(told or []):
            yield f"tool_calls: {len(calls)} calls were kept, the reply has {len(told or [])}"


def _with_parsed_arguments(expected: Expected, got: Outcome) -> tuple[Expected, Outcome]:
    parsed = _parse_calls(expected.outcome)
    return Expected(expected.right, parsed, expected.because), _parse_calls(got)


def _parse_calls(outcome: Outcome) -> dict[str, Any]:
    """The outcome with every tool call's arguments as the JSON value that they are, where they are one."""
    if isinstance(outcome.get("choices"), list):
        return {**outcome, "choices": [_parse_calls(choice) for choice in outcome["choices"]]}
    calls = outcome.get("tool_calls")
    if not isinstance(calls, list):
        return dict(outcome)
    return {**outcome, "tool_calls": [_parse_call(call) for call in calls]}


def _parse_call(call: Any) -> Any:
    if not isinstance(call, Mapping) or not isinstance(call.get("arguments"), str):
        return call
    try:
        # A tool without parameters is called with "" by some and {} by others: both say the same.
        return {**call, "arguments": {"JSON": json.loads(call["arguments"] or "{}")}}
    except ValueError:
        return call
