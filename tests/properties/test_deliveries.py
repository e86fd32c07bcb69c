"""Any legal delivery of any reply means the same: to the reference client, to the SDK, and where it is not streamed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from msgspec import Struct, convert

from mockserver.conformance.verdict import judge
from mockserver.delivery import Delivery
from mockserver.outcome import Expected, Outcome, compare
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.strategies import replies, scenarios
from mockserver.strategies.replies import custom_tools, json_function_calls, json_tools
from tests.properties.playing import ask_client, ask_sdk, expected_of, judge_last, without_ids

meant = replies(json_tools | custom_tools, json_function_calls)
one_server = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
few = settings(one_server, max_examples=max(settings().max_examples // 3, 10))


class Deviation(Struct, frozen=True, forbid_unknown_fields=True):
    """A legal delivery on which a library fails."""

    name: str
    library: str
    version: str
    reason: str
    scenario: dict[str, Any]


CONSTRAINTS = Path(__file__).parents[2] / ".ci" / "constraints.txt"
DEVIATIONS = convert(
    yaml.safe_load(Path(__file__).with_name("deviations.yaml").read_text("utf-8")), tuple[Deviation, ...]
)


def lines_of(scenario: Scenario) -> list[str]:
    return [line for extra in scenario.delivery.framing.extra for line in extra.lines]


def has_idle_blank_line(scenario: Scenario) -> bool:
    """Whether a blank line stands where it ends no event."""
    return "" in lines_of(scenario) or scenario.timing.comments is not None


def tells(field: str) -> Callable[[Scenario], bool]:
    """Whether a field is told, and a blank line may follow that ends no event."""
    return lambda scenario: (
        has_idle_blank_line(scenario) and any(line.partition(":")[0] == field for line in lines_of(scenario))
    )


CONDITIONS: dict[str, Callable[[Scenario], bool]] = {
    "byte-order-mark": lambda scenario: scenario.delivery.framing.bom,
    "retry-alone": tells("retry"),
    "id-then-blank": tells("id"),
    "name-alone": tells("event"),
}
"""When each deviation can be the reason: there, and only there, the SDK may fail."""


def takes_empty_data(scenario: Scenario, expected: Expected, got: Outcome) -> bool:
    """Whether data that is empty was read as JSON."""
    error = got["error"] or {"type": "", "message": ""}
    return error["type"] == "JSONDecodeError" and "line 1 column 1 (char 0)" in error["message"]


def starts_late(scenario: Scenario, expected: Expected, got: Outcome) -> bool:
    """Whether what came first, and nothing else, is lost: an event, or of one with several data lines the first."""
    if got["error"] is not None:
        has_lines = scenario.delivery.framing.data_lines > 1 or scenario.delivery.json.indent is not None
        return has_lines and got["error"]["type"] == "JSONDecodeError"
    told = expected.outcome.get("choices") or [expected.outcome]
    return all(
        any(str(choice[text] or "").endswith(kept[text]) for choice in told)
        for kept in got.get("choices") or [got]
        for text in ("content", "refusal", "reasoning")
        if kept.get(text)
    )


SYMPTOMS: dict[str, Callable[[Scenario, Expected, Outcome], bool]] = {
    "byte-order-mark": starts_late,
    "retry-alone": takes_empty_data,
    "id-then-blank": takes_empty_data,
    "name-alone": takes_empty_data,
}
"""What each deviation looks like: where it applies, the SDK may fail so, and no otherwise."""


def find_unknown(server: MockServer, scenario: Scenario, got: Outcome) -> tuple[str, ...]:
    """What the SDK made wrong of the stream that was played last, unless it looks like a deviation that applies."""
    expected = expected_of(server, scenario)
    holding = [name for name, applies in CONDITIONS.items() if applies(scenario)]
    is_known = any(SYMPTOMS[name](scenario, expected, got) for name in holding)
    return () if is_known else judge_last(server, scenario, got).reasons


@one_server
@given(scenario=scenarios(meant))
@example(scenario=Scenario(name="generated", reply=Reply(content="🙂", pieces=("🙂",)), delivery=Delivery(group="all")))
def test_the_client_reports_what_was_meant(server: MockServer, http: httpx2.Client, scenario: Scenario) -> None:
    server.add(scenario)
    got = ask_client(server, scenario, http)
    assert expected_of(server, scenario).right in ("same", "either")
    assert judge_last(server, scenario, got).reasons == ()


@few
@given(scenario=scenarios(meant))
def test_the_sdk_reports_what_was_meant_but_for_its_known_deviations(
    server: MockServer, sdk_http: httpx2.Client, scenario: Scenario
) -> None:
    server.add(scenario)
    got = ask_sdk(server, scenario, sdk_http)
    assert find_unknown(server, scenario, got) == ()


@few
@given(scenario=scenarios(meant))
def test_the_answer_that_is_not_streamed_means_the_same(
    server: MockServer, http: httpx2.Client, scenario: Scenario
) -> None:
    server.add(scenario)
    streamed = ask_client(server, scenario, http)
    expected = expected_of(server, scenario)
    whole = ask_client(server, scenario, http, stream=False)
    assert judge(expected, streamed, arguments_as_json=False).reasons == ()
    assert whole["error"] is None
    wanted = without_ids(expected.outcome)
    assert list(compare({**wanted, "error": None}, with_calls(whole))) == []


def with_calls(outcome: dict[str, Any]) -> dict[str, Any]:
    """The deprecated function call as a tool call, as the oracle writes it."""
    if "choices" in outcome:
        return {**outcome, "choices": [with_calls(choice) for choice in outcome["choices"]]}
    call = outcome.get("function_call")
    return {**outcome, "tool_calls": [{**call, "type": "function"}]} if call else outcome


@pytest.mark.parametrize("row", DEVIATIONS, ids=lambda row: row.name)
def test_a_deviation_is_still_there(
    server: MockServer, sdk_http: httpx2.Client, http: httpx2.Client, row: Deviation
) -> None:
    """One that has been mended is taken out of the table."""
    scenario = Scenario.of(row.scenario)
    server.add(scenario)
    assert CONDITIONS[row.name](scenario)
    got = ask_sdk(server, scenario, sdk_http)
    assert judge_last(server, scenario, got).name == "fail", f"openai {openai.__version__} reads {row.name} now"
    assert find_unknown(server, scenario, got) == ()
    garbled = {**got, "content": "Never said.", "error": {"type": "KeyError", "message": "k"} if got["error"] else None}
    assert find_unknown(server, scenario, garbled) != ()
    got = ask_client(server, scenario, http)
    assert judge_last(server, scenario, got).reasons == ()


def test_deviations_and_conditions_are_of_one_another() -> None:
    assert [row.name for row in DEVIATIONS] == list(CONDITIONS) == list(SYMPTOMS)


def test_each_deviation_was_seen_in_the_version_that_is_played() -> None:
    pinned = dict(line.split("==") for line in CONSTRAINTS.read_text("utf-8").splitlines() if "==" in line)["openai"]
    assert {row.version for row in DEVIATIONS} == {pinned}, "look at each row again, and write the version"
    if openai.__version__ != pinned:
        pytest.skip(f"openai {openai.__version__} is played here, the deviations are those of {pinned}")
