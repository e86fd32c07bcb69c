"""Any fault at any place: whoever reads the stream says so, or what is missing could not be known; nobody hangs or invents."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, assume, example, given, settings

from mockserver.delivery import Delivery
from mockserver.faults import Fault
from mockserver.faults.events import BadJson, DoneSuffix, Drop
from mockserver.faults.told import SHAPES
from mockserver.place import EventRef
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.strategies import faults, replies, scenarios
from mockserver.strategies.replies import custom_tools, json_function_calls, json_tools
from tests.properties.playing import ask_client, expected_of, judge_last

TIMEOUT_S = 0.5
"""Long enough for a busy machine, and short enough to wait for where a fault stalls the stream."""
PATIENT_S = 20.0

meant = replies(json_tools | custom_tools, json_function_calls, max_choices=2)
PINNED: tuple[tuple[Fault, ...], ...] = (
    (DoneSuffix(event=EventRef(2), text=" "),),  # whoever trims has the end all the same
    (BadJson(event=EventRef(1), data=""),),  # nothing in an event's place
    (BadJson(event=EventRef(1)), Drop(event=EventRef(1))),  # the second takes back what the first did
)
"""What was found to be judged wrongly, once."""

one_server = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
    max_examples=max(settings().max_examples // 2, 10),
)


def on_any_fault(test: Callable[..., None]) -> Callable[..., None]:
    """Play a test with any reply, delivery and faults, those pinned first."""
    for struck in PINNED:
        test = example(scenario=Scenario(name="generated", reply=Reply(), delivery=Delivery(faults=struck)))(test)
    return one_server(given(scenario=scenarios(meant, faults=faults(), paced=False))(test))


def ask_patiently(server: MockServer, scenario: Scenario, http: httpx2.Client) -> dict[str, Any]:
    """What the client reports; asked once more, with more time, where a busy machine kept it from a stream that does not stall."""
    got = ask_client(server, scenario, http, timeout_s=TIMEOUT_S)
    is_stalled = got["error"] is not None and got["error"]["type"] == "StalledError"
    if is_stalled and expected_of(server, scenario).right == "same":
        return ask_client(server, scenario, http, timeout_s=PATIENT_S)
    return got


@on_any_fault
def test_a_fault_is_reported_or_could_not_be_known_and_nothing_is_invented(
    server: MockServer, http: httpx2.Client, scenario: Scenario
) -> None:
    server.add(scenario)
    got = ask_patiently(server, scenario, http)
    assert judge_last(server, scenario, got).reasons == ()


@on_any_fault
def test_of_a_broken_stream_only_an_error_or_the_whole_reply_is_reported(
    server: MockServer, http: httpx2.Client, scenario: Scenario
) -> None:
    server.add(scenario)
    got = ask_patiently(server, scenario, http)
    expected = expected_of(server, scenario)
    assume(expected.right == "error")
    assert got["error"] is not None


@pytest.mark.parametrize("then", ["end", "done", "close", "go_on"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_told_in_any_shape_is_reported_whatever_follows(
    server: MockServer, http: httpx2.Client, shape: str, then: str
) -> None:
    fault = {"fault": "error_event", "shape": shape, "at": {"after_event": 2}, "then": then}
    scenario = Scenario.of({"name": "told", "reply": "Never whole.", "delivery": {"faults": [fault]}})
    server.add(scenario)
    got = ask_client(server, scenario, http)
    assert judge_last(server, scenario, got).reasons == ()
    if shape == "bare_line":  # a line that is no field: to the format nothing, where the stream is whole without it
        assert (got["error"] is None) == (then == "go_on")
    else:
        assert got["error"]["type"] == "ReportedError"
