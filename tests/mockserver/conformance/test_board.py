"""The board: consumers that cannot be driven ask by themselves and post what came of it."""

import json
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from mockserver.conformance import board
from mockserver.conformance.board import Board, judge_posted
from mockserver.conformance.case import Case, load_cases
from mockserver.conformance.result import PLAIN, Result
from mockserver.conformance.run import Run
from mockserver.conformance.verdict import Verdict
from mockserver.server import MockServer
from tests.mockserver.conformance.made import find_case
from tests.support import RawClient, chat, open_descriptors

SIMPLE = [case for case in load_cases() if case.cls == "framing" and not case.needs and case.right == "same"][:3]
NEEDY = next(case for case in load_cases() if case.needs == ("n",))
PATIENCE_S = 20.0


class Watch:
    """A run of `judge_posted` in a thread of its own, as long as the with statement lasts."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.started: queue.Queue[MockServer] = queue.Queue()
        self.results: queue.Queue[Result] = queue.Queue()
        self.run: Run | None = None
        self._cases = cases
        self.thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        self.run = judge_posted(self._cases, on_start=self.started.put, on_result=self.results.put)

    def finish(self) -> Run:
        self.thread.join(PATIENCE_S)
        assert self.run is not None, "judge_posted did not end"
        return self.run


@contextmanager
def watching(cases: Sequence[Case]) -> Iterator[tuple[Watch, RawClient]]:
    with MockServer(strict=True):
        pass  # what a process opens once and keeps, it has opened now
    threads, descriptors = threading.active_count(), open_descriptors()
    watch = Watch(cases)
    watch.thread.start()
    with RawClient(watch.started.get(timeout=PATIENCE_S)) as client:
        try:
            yield watch, client
        finally:
            if watch.thread.is_alive():  # a test failed half-way: let the run end
                client.ask({"consumer": "x", "lacks": [a for case in cases for a in case.needs]}, path="/consumer")
                for case in cases:
                    client.ask({}, path=f"/outcome/{case.id}")
                watch.thread.join(PATIENCE_S)
    assert (threading.active_count(), open_descriptors()) == (threads, descriptors)


def play(client: RawClient, case: Case) -> dict[str, Any]:
    """Ask for a case, and return an outcome in the form of the protocol."""
    answer = client.ask(case.body(), path=f"/scenarios/{case.id}/v1/chat/completions")
    assert answer.status == 200
    return {"content": "something", "finish_reason": "stop", "error": None, "usage": {"prompt_tokens": 0}}


def right_outcome(result: Result) -> dict[str, Any]:
    assert result.expected is not None
    return {key: value for key, value in result.expected.outcome.items() if repr(value) != "any"}


def test_each_case_is_judged_by_what_is_posted_and_the_run_ends_with_the_last() -> None:
    with watching(SIMPLE) as (watch, client):
        for case in SIMPLE:
            got = play(client, case)
            assert client.ask(got, path=f"/outcome/{case.id}").status == 202
            result = watch.results.get(timeout=PATIENCE_S)
            assert result.case is case
            assert result.expected is not None
        run = watch.finish()
    assert [result.case for result in run.results] == SIMPLE
    assert run.consumer.name == "posted"
    assert all(result.exchanges and result.report and result.report.took_s > 0 for result in run.results)


def test_the_last_answer_to_a_case_counts_judged_by_its_own_requests() -> None:
    with watching(SIMPLE[:2]) as (watch, client):
        play(client, SIMPLE[0])
        client.ask({"content": "wrong"}, path=f"/scenarios/{SIMPLE[0].id}/outcome")
        first = watch.results.get(timeout=PATIENCE_S)
        assert first.verdict.name == "fail"
        client.ask(right_outcome(first), path=f"/scenarios/{SIMPLE[0].id}/v1/outcome")
        unasked = watch.results.get(timeout=PATIENCE_S)
        assert "never asked" in unasked.verdict.reasons[0]
        play(client, SIMPLE[0])
        client.ask(right_outcome(first), path=f"/outcome/{SIMPLE[0].id}")
        assert watch.results.get(timeout=PATIENCE_S).verdict.name == "pass"
        client.ask({"content": "x"}, path=f"/outcome/{SIMPLE[1].id}")
        run = watch.finish()
    assert [result.verdict.name for result in run.results] == ["pass", "fail"]
    assert len(run.results[0].exchanges) == 1


FOLLOWED = find_case("reuse-after-clean-end")


def test_a_plain_request_must_follow_where_the_list_says_so() -> None:
    with watching([FOLLOWED, SIMPLE[0]]) as (watch, client):
        lines = client.ask(None, "GET", "/cases.json").json["cases"]
        assert [line["then"] is None for line in lines] == [False, True]
        assert lines[0]["then"]["base_url"].endswith("/scenarios/plain-afterwards/v1")
        outcomes: list[dict[str, Any]] = [{}, {"then": {"content": "stale"}}, {"then": {"content": PLAIN.reply}}]
        right: dict[str, Any] = {"content": ""}
        verdicts = []
        for then in [{}, *outcomes]:
            play(client, FOLLOWED)
            client.ask({**right, **then}, path=f"/outcome/{FOLLOWED.id}")
            result = watch.results.get(timeout=PATIENCE_S)
            right = right_outcome(result)
            verdicts.append(result.verdict.name)
        assert verdicts == ["fail", "skip", "fail", "pass"]
        client.ask({}, path=f"/outcome/{SIMPLE[0].id}")
        watch.finish()


def test_a_case_of_text_is_not_waited_for_where_the_consumer_tells_no_text() -> None:
    with watching([SIMPLE[0]]) as (watch, client):
        client.ask({"consumer": "page", "lacks": ["content"]}, path="/consumer")
        [result] = watch.finish().results
    assert result.verdict == Verdict("skip", ("the consumer lacks content",))


def test_a_case_that_cannot_be_played_is_neither_offered_nor_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    squeezed = find_case("http-br")
    with watching([SIMPLE[0], squeezed]) as (watch, client):
        listed = json.loads(client.ask(method="GET", path="/cases.json").body)["cases"]
        assert [line["case"] for line in listed] == [SIMPLE[0].id]
        assert client.ask({"content": ""}, path=f"/outcome/{squeezed.id}").status == 404
        client.ask({}, path=f"/outcome/{SIMPLE[0].id}")
        run = watch.finish()
    assert run.results[1].verdict.name == "skip"
    assert "pip install 'openai-mockserver[brotli]'" in run.results[1].verdict.reasons[0]


def test_what_the_consumer_lacks_is_not_waited_for() -> None:
    with watching([SIMPLE[0], NEEDY]) as (watch, client):
        play(client, SIMPLE[0])
        client.ask({"content": ""}, path=f"/outcome/{SIMPLE[0].id}")
        watch.results.get(timeout=PATIENCE_S)
        hello = {"consumer": "my page", "version": "3", "lacks": ["n"]}
        assert client.ask(hello, path="/consumer").status == 202
        run = watch.finish()
    assert run.results[1].verdict.reasons == ("the consumer lacks n",)
    assert (run.consumer.name, run.consumer.version) == ("my page", "3")


def test_cases_json_has_the_lines_of_the_protocol_as_the_asker_reaches_them() -> None:
    with watching(SIMPLE) as (watch, client):
        play(client, SIMPLE[0])
        client.ask({}, path=f"/outcome/{SIMPLE[0].id}")
        watch.results.get(timeout=PATIENCE_S)
        answer = client.ask(None, "GET", "/cases.json", host="phone.local:8001")
        lines = answer.json["cases"]
        for case in SIMPLE[1:]:
            client.ask({}, path=f"/outcome/{case.id}")
        watch.finish()
    assert answer.header("access-control-allow-origin") == "*"
    assert [line["case"] for line in lines] == [case.id for case in SIMPLE]
    assert lines[1]["base_url"] == f"http://phone.local:8001/scenarios/{SIMPLE[1].id}/v1"
    assert lines[1]["outcome_url"] == f"http://phone.local:8001/outcome/{SIMPLE[1].id}"
    assert lines[1]["request"] == SIMPLE[1].body()
    assert [line["verdict"] for line in lines] == ["fail", None, None]


def serve(case: Case) -> MockServer:
    return MockServer(strict=True, endpoints=Board({case.id: case}).endpoints())


def test_the_index_lists_every_case_and_escapes_what_it_shows() -> None:
    case = Case(
        id="odd",
        title="A <b> & c",
        requirement="Less < more {braces}",
        source="s",
        scenario=SIMPLE[0].scenario,
        right="same",
    )
    with serve(case) as server, RawClient(server) as client:
        answer = client.ask(None, "GET", "/")
        assert answer.header("content-type") == "text/html; charset=utf-8"
        page = answer.body.decode()
        assert "A &lt;b&gt; &amp; c" in page
        assert "Less &lt; more {braces}" in page
        assert "http://mock/scenarios/odd/v1" in page  # as the one who asks calls it
        assert "<script" not in page
        assert server.requests == []
        assert client.ask(None, "HEAD", "/").body == b""


def test_a_form_posts_an_outcome_too() -> None:
    with watching(SIMPLE[:1]) as (watch, client):
        play(client, SIMPLE[0])
        body = urlencode({"outcome": json.dumps({"content": "näive"})}).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert client.ask(body, path=f"/outcome/{SIMPLE[0].id}", **form).status == 202
        run = watch.finish()
    assert run.results[0].report is not None
    assert run.results[0].report.answer == {"content": "näive"}


@pytest.mark.parametrize(
    ("ask", "status", "told"),
    [
        (lambda client: client.ask({}, path="/outcome/no-such-case"), 404, "there is no case 'no-such-case'"),
        (lambda client: client.ask(b"{", path="/outcome/one"), 400, "expected a JSON object"),
        (lambda client: client.ask([1], path="/outcome/one"), 400, "expected a JSON object"),
        (lambda client: client.ask(b'{"a": "\xff"}', path="/outcome/one"), 400, "expected a JSON object"),
        (lambda client: client.ask(None, "GET", "/outcome/one"), 405, "Not allowed"),
        (lambda client: client.ask({}, path="/cases.json"), 405, "Not allowed"),
        (lambda client: client.ask({"lacks": ["n"]}, path="/consumer"), 400, "expected"),
        (lambda client: client.ask({"consumer": "x", "lacks": "n"}, path="/consumer"), 400, "expected"),
        (lambda client: client.ask({"consumer": "x", "lacks": ["many"]}, path="/consumer"), 400, "unknown word 'many'"),
        (lambda client: client.ask(chat()), 404, "No scenario matches"),
    ],
)
def test_what_cannot_be_taken_in_is_explained(ask: Callable[[RawClient], Any], status: int, told: str) -> None:
    case = Case(id="one", title="One", requirement="r", source="s", scenario=SIMPLE[0].scenario, right="same")
    with serve(case) as server, RawClient(server) as client:
        answer = ask(client)
        assert answer.status == status
        assert told in answer.json["error"]["message"]


def test_a_page_of_another_origin_may_post() -> None:
    case = Case(id="one", title="One", requirement="r", source="s", scenario=SIMPLE[0].scenario, right="same")
    with serve(case) as server, RawClient(server) as client:
        preflight = client.ask(
            None, "OPTIONS", "/outcome/one", origin="http://page", access_control_request_method="POST"
        )
        assert preflight.status == 200
        assert preflight.header("access-control-allow-origin") == "*"
        assert client.ask({}, path="/outcome/one", origin="http://page").header("access-control-allow-origin") == "*"


def test_an_interrupt_ends_it_and_what_was_not_answered_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr(board, "Board", lambda cases: Board(cases, posted=Interrupted()))
    run = judge_posted(SIMPLE)
    assert [result.verdict.reasons for result in run.results] == [("no outcome was posted",)] * 3
