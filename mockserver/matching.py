"""Request + scenarios + state -> the scenario that answers, or why each did not match.

The order: the path (`/scenarios/<name>/v1/…`), the header `X-Mock-Scenario`, a model named like a scenario, then the first
match in file order. A scenario chosen by name is used whatever its `match` says.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property

from msgspec import Struct

from mockserver.errors import RequestError
from mockserver.request import ChatRequest, has_tools, last_user_text, message_texts
from mockserver.scenario import Match, Scenario
from mockserver.state import State

HEADER = "x-mock-scenario"


class Scenarios(tuple[Scenario, ...]):
    """The scenarios of a server in their order, found by name without asking each."""

    @cached_property
    def by_name(self) -> dict[str, Scenario]:
        """Each scenario by its name."""
        return {scenario.name: scenario for scenario in self}


class Matched(Struct, frozen=True):
    """The scenario that answers (None: no scenario matched) and why, in words."""

    scenario: Scenario | None
    why: str


def match(
    scenarios: Sequence[Scenario],
    request: ChatRequest,
    headers: Mapping[str, str],
    named: str | None,
    state: State,
    unexplained: Container[str] = (),
) -> Matched:
    """Choose the scenario for a request. `named` is the name in the path; header names are in lower case.

    Of scenarios whose names are `unexplained` it is not said why they do not match. Requests that name their scenario are not
    counted for `nth`. Raises `RequestError` (404) where path or header name a scenario that does not exist.
    """
    by_name = scenarios.by_name if isinstance(scenarios, Scenarios) else Scenarios(scenarios).by_name
    for name, where in ((named, "path"), (_read_name(headers.get(HEADER)), f"header {HEADER}")):
        if name is not None:
            if name not in by_name:
                raise _unknown(name, where, by_name)
            return Matched(by_name[name], f"named by the {where}")
    if request.model in by_name:
        return Matched(by_name[request.model], "named by the model")
    return _match_first(scenarios, request, headers, state, unexplained)


def _read_name(value: str | None) -> str | None:
    """The name that a header says, whose bytes stand here as Latin-1: nearly all clients send UTF-8, some Latin-1."""
    if value is None or value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _match_first(
    scenarios: Sequence[Scenario],
    request: ChatRequest,
    headers: Mapping[str, str],
    state: State,
    unexplained: Container[str],
) -> Matched:
    chosen, reasons = None, list[str]()
    for scenario in scenarios:
        # Behind the match too, a scenario that counts is asked: "the second request" is the same one for all of them.
        if chosen is None or scenario.match.nth is not None:
            reason = next(differences(scenario, request, headers, state), None)
            if chosen is None and reason is None:
                chosen = scenario
            elif chosen is None and scenario.name not in unexplained:
                reasons.append(f"{scenario.name}: {reason}")
    if chosen is None:
        return Matched(None, "; ".join(reasons) or "there are no scenarios for it")
    return Matched(chosen, f"first match; before it: {'; '.join(reasons)}" if reasons else "first match")


def differences(scenario: Scenario, request: ChatRequest, headers: Mapping[str, str], state: State) -> Iterator[str]:
    """Why a scenario does not match a request, each condition that fails in words; nothing if it matches.

    A request that fulfils all conditions but `nth` is counted.
    """
    wanted, fulfilled = scenario.match, True
    for reason in _unfulfilled(wanted, request, headers):
        fulfilled = False
        yield reason
    if fulfilled and wanted.nth is not None:
        count = state.count_candidate(scenario.name)
        nth = (wanted.nth,) if isinstance(wanted.nth, int) else wanted.nth
        if count not in nth:
            yield f"expected request number {' or '.join(map(str, nth))}, this is number {count}"


def _unfulfilled(wanted: Match, request: ChatRequest, headers: Mapping[str, str]) -> Iterator[str]:
    if wanted.model is not None and not fnmatchcase(request.model, wanted.model):
        yield f"expected a model like {wanted.model!r}, got {request.model!r}"
    if wanted.stream is not None and wanted.stream != request.stream:
        yield f"expected stream {str(wanted.stream).lower()}, got {str(request.stream).lower()}"
    if wanted.has_tools is not None and wanted.has_tools != has_tools(request):
        yield f"expected {'tools' if wanted.has_tools else 'no tools'}, got {'some' if has_tools(request) else 'none'}"
    if wanted.last_user is not None:
        said = last_user_text(request)
        if not wanted.last_user.holds(said):
            yield f"expected the last user message to {wanted.last_user}, got {_short(said)}"
    if wanted.any_message is not None and not any(map(wanted.any_message.holds, message_texts(request))):
        yield f"expected a message to {wanted.any_message}, none does"
    for name, condition in wanted.headers.items():
        value = headers.get(name.lower())
        if value is None or not condition.holds(value):
            yield f"expected header {name} to {condition}, got {_short(value)}"


def _short(text: str | None, limit: int = 60) -> str:
    if text is None:
        return "none"
    return repr(text if len(text) <= limit else text[:limit] + "…")


def _unknown(name: str, where: str, known: Mapping[str, Scenario]) -> RequestError:
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    names = ", ".join(list(known)[:20]) or "none"
    return RequestError(
        f"The scenario {name!r}, named by the {where}, does not exist.{hint} There are: {names}.",
        status=404,
        code="scenario_not_found",
    )
