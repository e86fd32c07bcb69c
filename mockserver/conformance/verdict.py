"""Expected + what the consumer reported -> the verdict on a case.

- `same`: the outcome must equal the oracle's, and no error be reported.
- `error`: an error must be reported, and what was kept must be a beginning of the reply.
- `either`: both are right, but never invented or doubled data. Where no consumer could know (an event that came twice), what
  the events say as they came is right as well.

`weak` stands between pass and fail: a stream that broke off was not reported, but not passed off as complete either, for it
has no finish reason. It is no excuse for a consumer that was told of the error, nor for one that never tells a finish reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mockserver.conformance.arguments import is_beginning, make_canonical
from mockserver.outcome import ANY, FIELDS, Expected, Outcome, compare

VerdictName = Literal["pass", "weak", "fail", "crash", "hang", "skip", "harness error"]

BAD: tuple[VerdictName, ...] = ("fail", "crash", "hang", "harness error")
"""The verdicts that fail a run; with `--strict`, `weak` as well."""

_TEXTS = ("content", "refusal", "reasoning")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a consumer's answer to a case, and why, in words."""

    name: VerdictName
    reasons: tuple[str, ...] = ()


def judge(
    expected: Expected, got: Mapping[str, Any], arguments_as_json: bool = True, lacks: frozenset[str] = frozenset()
) -> Verdict:
    """The verdict on what a consumer reported of a stream; `lacks` is what it cannot expose, and is not compared."""
    malformed = tuple(_find_malformed(got))
    if malformed:
        return Verdict("fail", malformed)
    error, got = got.get("error"), _tidy(got)
    wanted = [_without(outcome, lacks) for outcome in expected.readings or (expected.outcome,)]
    invented = _least(tuple(_find_invented(outcome, got)) for outcome in wanted)
    if error is not None or (expected.told and _says_error(got)):
        if expected.right == "same":
            return Verdict("fail", (f"expected the reply, got an error: {_describe(error)}",))
        return Verdict("fail", invented) if invented else Verdict("pass")
    finished = "finish_reason" in lacks or not _lacks_finish(wanted[0], got)
    if expected.right != "error":
        wrong = _least(tuple(_find_differences(outcome, got, arguments_as_json)) for outcome in wanted)
        if not wrong:
            return Verdict("pass")
        if expected.right == "same" or finished or invented or expected.told:
            return Verdict("fail", wrong)
        return Verdict("weak", ("no error, but no finish reason either", *wrong))
    why = f"because of {', '.join(expected.because)}" if expected.because else "since the stream is broken"
    if invented:
        return Verdict("fail", (f"expected an error {why}, got none", *invented))
    if expected.no_stream:
        return Verdict("fail", ("expected an error: this body is no stream, and no answer; got none",))
    if expected.told:
        return Verdict("fail", (f"expected the error that the server told, {why}; it was swallowed",))
    if finished:
        finish = "" if "finish_reason" in lacks else f": finish_reason {_finishes(got)}"
        return Verdict("fail", (f"expected an error {why}, got a finished reply{finish}",))
    return Verdict("weak", (f"expected an error {why}, got none, but no finish reason either",))


def judge_left(expected: Expected, got: Mapping[str, Any]) -> Verdict:
    """The verdict on a consumer that was to leave early: what it reports must be a beginning of the reply."""
    wrong = tuple(_find_malformed(got)) or tuple(_find_invented(expected.outcome, _tidy(got)))
    return Verdict("fail", wrong) if wrong else Verdict("pass")


def _find_malformed(got: Outcome) -> Iterator[str]:
    """What of a report is not in the protocol's form, and so cannot be judged."""
    if not isinstance(got.get("error"), Mapping | None):
        yield f"`error` is to be an object with type and message, or null; got {got['error']!r}"
    if not _is_list_of_objects(got.get("choices")):
        yield f"`choices` is to be a list of objects, or null; got {_show(got['choices'])}"
        return
    for choice in _choices(got):
        if not _is_list_of_objects(choice.get("tool_calls")):
            yield f"`tool_calls` is to be a list of objects, or null; got {_show(choice['tool_calls'])}"


def _is_list_of_objects(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, Mapping) for item in value))


def _describe(error: Mapping[str, Any] | None) -> str:
    return f"{error.get('type')}: {str(error.get('message'))[:200]}" if error is not None else "finish_reason 'error'"


def _least(found: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    """The fewest complaints: there may be several right outcomes."""
    return min(found, key=len)


def _choices(outcome: Outcome) -> list[Mapping[str, Any]]:
    """The choices of an outcome; where the list is empty, as where there is none, its own members are the only one."""
    several = outcome.get("choices")
    return list(several) if several and isinstance(several, list) else [outcome]


def _finishes(got: Outcome) -> str:
    return ", ".join(repr(choice.get("finish_reason")) for choice in _choices(got))


def _says_error(got: Outcome) -> bool:
    """Whether a choice is marked as failed: OpenRouter's finish reason beside an error, passed on."""
    return any(choice.get("finish_reason") == "error" for choice in _choices(got))


def _lacks_finish(wanted: Outcome, got: Outcome) -> bool:
    open_ = all(choice.get("finish_reason") is ANY for choice in _choices(wanted))
    return not open_ and any(not choice.get("finish_reason") for choice in _choices(got))


def _tidy(got: Outcome) -> dict[str, Any]:
    """What was reported in one form: choices in order, one choice without a list, the deprecated function call as a call."""
    several = got.get("choices")
    if not several:
        return _tidy_choice(got)
    told = [choice.get("index") for choice in several]
    places = [index if isinstance(index, int) else place for place, index in enumerate(told)]
    ordered = [_tidy_choice(several[k]) for k in sorted(range(len(several)), key=places.__getitem__)]
    rest = {key: value for key, value in got.items() if key not in (*FIELDS, "choices", "function_call")}
    return {**ordered[0], **rest} if len(ordered) == 1 else {**rest, "choices": ordered}


def _tidy_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    calls, function = choice.get("tool_calls"), choice.get("function_call")
    if not calls and isinstance(function, Mapping) and function.get("name"):
        calls = [function]
    members = {key: value for key, value in choice.items() if key != "choices"}
    # A stream that never says the type leaves it to the reader: there was one long before there were two.
    return {**members, "tool_calls": [{**call, "type": call.get("type") or "function"} for call in calls or ()]}


def _without(outcome: Outcome, lacks: frozenset[str]) -> dict[str, Any]:
    """The outcome with `ANY` for what the consumer cannot expose."""
    hidden: dict[str, Any] = {field: ANY for field in FIELDS if field in lacks}
    if "tools" in lacks:
        hidden["tool_calls"] = ANY

    def hide(choice: Mapping[str, Any]) -> dict[str, Any]:
        calls = choice.get("tool_calls")
        if isinstance(calls, list):
            untold = {member: ANY for word, member in (("tool_ids", "id"), ("tool_names", "name")) if word in lacks}
            choice = {**choice, "tool_calls": [{**call, **untold} for call in calls]}
        return {**choice, **hidden}

    bare = {**outcome, "usage": ANY} if "usage" in lacks else dict(outcome)
    if "choices" in bare:
        return {**bare, "choices": [hide(choice) for choice in bare["choices"]]}
    return hide(bare)


def _find_differences(wanted: Outcome, got: Outcome, arguments_as_json: bool) -> Iterator[str]:
    """What was reported otherwise than expected."""
    wanted = {**wanted, "error": None, "usage": _shared_usage(wanted.get("usage"), got.get("usage"))}
    if arguments_as_json:
        wanted, got = _with_canonical_arguments(wanted), _with_canonical_arguments(got)
    yield from compare(wanted, got)


def _shared_usage(wanted: Any, got: Any) -> Any:
    """The usage expected, without the counts that the consumer does not report; at least one it must."""
    if wanted is ANY or not isinstance(wanted, Mapping) or not isinstance(got, Mapping):
        return wanted
    return {key: value for key, value in wanted.items() if got.get(key) is not None} or wanted


def _find_invented(wanted: Outcome, got: Outcome) -> Iterator[str]:
    """What a consumer kept of a broken stream that the reply never said: all of it must be a beginning."""
    expected = _choices(wanted)
    for k, choice in enumerate(_choices(got)):
        if k >= len(expected):
            yield f"choice {k} was never sent"
            continue
        for field in _TEXTS:
            said, kept = expected[k].get(field), choice.get(field)
            if said is not ANY and kept and not str(said or "").startswith(str(kept)):
                yield f"{field}: what was kept is no beginning of the reply: {_show(said or '')}, got {_show(kept)}"
        told, calls = expected[k].get("tool_calls"), choice.get("tool_calls") or []
        if told is not ANY:
            yield from _find_invented_calls(told or [], calls)


def _find_invented_calls(told: list[Any], kept: list[Any]) -> Iterator[str]:
    if len(kept) > len(told):
        yield f"tool_calls: {len(kept)} calls were kept, the reply has {len(told)}"
        return
    for k, (wanted, call) in enumerate(zip(told, kept, strict=False)):
        for field in ("name", "arguments", "input"):
            text, said = call.get(field), wanted.get(field)
            if isinstance(text, str) and isinstance(said, str) and not _may_be_kept(field, text, said):
                yield f"tool_calls[{k}].{field}: what was kept is no beginning of {_show(said)}, got {_show(text)}"


def _may_be_kept(field: str, text: str, said: str) -> bool:
    return is_beginning(text, said) if field == "arguments" else said.startswith(text)


def _show(text: Any) -> str:
    shown = str(text)
    return repr(shown) if len(shown) <= 2 * _SHOWN else f"{shown[:_SHOWN]!r} … {shown[-_SHOWN:]!r}"


def _with_canonical_arguments(outcome: Outcome) -> dict[str, Any]:
    """The outcome with every tool call's arguments as canonical JSON, where they are JSON."""
    if isinstance(outcome.get("choices"), list):
        return {**outcome, "choices": [_with_canonical_arguments(choice) for choice in outcome["choices"]]}
    calls = outcome.get("tool_calls")
    if not isinstance(calls, list):
        return dict(outcome)
    return {**outcome, "tool_calls": [_make_canonical(call) for call in calls]}


def _make_canonical(call: Any) -> Any:
    if not isinstance(call, Mapping) or not isinstance(call.get("arguments"), str):
        return call
    return {**call, "arguments": make_canonical(call["arguments"])}
