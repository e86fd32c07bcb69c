"""Hypothesis: whole scenarios, which a failing test prints as the scenario file that serves them."""

from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from mockserver.chunks import Identity, make_chunks
from mockserver.completion import complete
from mockserver.delivery import Delivery
from mockserver.faults import Fault
from mockserver.ids import make_id
from mockserver.loading import dump_scenarios
from mockserver.reply import Reply
from mockserver.request import parse_request
from mockserver.scenario import Scenario, ScenarioFile
from mockserver.strategies.deliveries import deliveries, quick_timings
from mockserver.strategies.replies import json_function_calls, json_tools, replies
from mockserver.timing import UNPACED, Schedule
from mockserver.tokens import split_text

_NAME = "generated"
_REQUEST = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": true}'
_IDENTITY = Identity(id="chatcmpl-generated", created=1_700_000_000, model="gpt-4o-mini", seed="0")


def as_file(*scenarios: Scenario) -> str:
    """Scenarios as the text of a scenario file, which can be saved, shown with `mockserver show` and served."""
    return dump_scenarios(ScenarioFile(scenarios))


class _File:
    """The text of a scenario file, written only when it is printed: Hypothesis draws far more than it prints."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario

    def __repr__(self) -> str:
        return f"# a scenario file; save it, then: mockserver show FILE\n{as_file(self._scenario)}"


@st.composite
def scenarios(
    draw: st.DrawFn,
    reply: st.SearchStrategy[Reply] | None = None,
    delivery: st.SearchStrategy[Delivery] | None = None,
    faults: st.SearchStrategy[Fault] | None = None,
    *,
    paced: bool = True,
    name: str = _NAME,
) -> Scenario:
    """Scenarios called `name`, for `server.add`; where the test fails, the smallest that does is printed as a scenario file.

    By default any reply with tool arguments that are JSON, in any legal delivery; with `faults`, one to three of these strike.
    The pauses are a few milliseconds in all; without `paced` there are none.
    """
    meant = draw(reply if reply is not None else replies(json_tools, json_function_calls))
    sent = draw(delivery if delivery is not None else deliveries(faults, paced=False))
    timing = draw(quick_timings) if paced else UNPACED
    scenario = Scenario(name=name, reply=meant, timing=timing, delivery=sent)
    note(_File(scenario))
    return scenario


def chunk_lists(reply: st.SearchStrategy[Reply] | None = None) -> st.SearchStrategy[list[dict[str, Any]]]:
    """The chunks of a reply as OpenAI sends them, as JSON values: for code that takes chunks and reads no bytes."""
    return (reply if reply is not None else replies(json_tools, json_function_calls)).map(_make_chunk_list)


def _make_chunk_list(reply: Reply) -> list[dict[str, Any]]:
    request = parse_request(_REQUEST)
    ids = (make_id("call_", str(k)) for k in range(1_000_000))
    completion = complete(reply, request, split_text, ids)
    return [dict(chunk.data) for chunk in make_chunks(completion, request, _IDENTITY, Schedule(UNPACED))]
