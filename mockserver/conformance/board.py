"""For consumers that cannot be driven, such as a page or a phone: a board of all cases, to which they post what came of each.

    GET  /                          the cases for people, each with its base URL and what to ask there
    GET  /cases.json                the same for programs: the lines of the consumer protocol
    POST /consumer                  who it is: {"consumer": …, "version": …, "lacks": […]}, the first line of the protocol
    POST /outcome/CASE              what it made of a case: the answer of the protocol; also as BASE_URL/outcome. Where the line
                                    has `then`, another request on the same client must succeed: its answer stands there too

The server's loop takes outcomes in; they are judged by the thread that waits for them.
"""

import html
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.types import Scope

from mockserver.api.chat import check_method
from mockserver.api.endpoint import MakePlan
from mockserver.api.service import Asked, Service
from mockserver.conformance.adhoc import make_case
from mockserver.conformance.case import Case, explain_skip
from mockserver.conformance.consumer import Hello, Report, read_hello
from mockserver.conformance.result import PLAIN, Result, judge_next, judge_report
from mockserver.conformance.run import Run, make_line, serve_cases, wait_for_end
from mockserver.conformance.verdict import Verdict
from mockserver.errors import RequestError
from mockserver.http import JSON_TYPE
from mockserver.plan import Plan, plan_body
from mockserver.server import MockServer

_HTML_TYPE = "text/html; charset=utf-8"
_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Board:
    """The cases, who the consumer says it is, and what was posted and judged so far."""

    cases: Mapping[str, Case]
    posted: "queue.SimpleQueue[tuple[str, dict[str, Any]] | None]" = field(default_factory=queue.SimpleQueue)
    results: dict[str, Result] = field(default_factory=dict)
    consumer: Hello = field(default_factory=lambda: Hello("posted"))

    def endpoints(self) -> dict[str, MakePlan]:
        """What the board answers, by path."""
        return {
            "/": self.plan_index,
            "/cases.json": self.plan_cases,
            "/consumer": self.plan_consumer,
            "/outcome/{case}": self.plan_outcome,
            "/scenarios/{case}/outcome": self.plan_outcome,
            "/scenarios/{case}/v1/outcome": self.plan_outcome,
        }

    def plan_index(self, service: Service, asked: Asked, scope: Scope) -> Plan:
        """The page for people."""
        check_method(asked, "GET", "HEAD")
        rows = [self._row(line) for line in self._lines(asked)]
        page = _PAGE.format(rows="\n".join(rows), done=len(self.results), all=len(self.cases))
        return plan_body(200, _HTML_TYPE, page.encode(), service.terms(asked))

    def plan_cases(self, service: Service, asked: Asked, scope: Scope) -> Plan:
        """The list for programs."""
        check_method(asked, "GET", "HEAD")
        return plan_body(200, JSON_TYPE, msgspec.json.encode({"cases": self._lines(asked)}), service.terms(asked))

    def plan_consumer(self, service: Service, asked: Asked, scope: Scope) -> Plan:
        """Takes in who the consumer is."""
        check_method(asked, "POST")
        try:
            self.consumer = read_hello(_read_object(asked))
        except ValueError as error:
            raise RequestError(str(error)) from error
        self.posted.put(None)  # with what it lacks there may be nothing left to wait for
        return plan_body(202, JSON_TYPE, b"{}", service.terms(asked))

    def plan_outcome(self, service: Service, asked: Asked, scope: Scope) -> Plan:
        """Takes in an outcome; it is judged soon afterwards."""
        check_method(asked, "POST")
        case = scope["path_params"]["case"]
        if case not in self.cases:
            raise RequestError(f"there is no case {case!r} here; GET /cases.json lists them", status=404)
        self.posted.put((case, _read_object(asked)))
        return plan_body(202, JSON_TYPE, msgspec.json.encode({"case": case}), service.terms(asked))

    def _lines(self, asked: Asked) -> list[dict[str, Any]]:
        """The lines of the cases, with URLs as the one who asks reaches this server, and the verdicts that there are."""
        root = f"http://{asked.headers.get('host', '127.0.0.1')}"
        plain = make_line(make_case(PLAIN), f"{root}/scenarios/{PLAIN.name}/v1")
        return [
            {
                **make_line(case, f"{root}/scenarios/{case.id}/v1"),
                "outcome_url": f"{root}/outcome/{case.id}",
                "title": case.title,
                "requirement": case.requirement,
                "needs": case.needs,
                "then": plain if case.then_plain else None,
                "verdict": self.results[case.id].verdict.name if case.id in self.results else None,
            }
            for case in self.cases.values()
        ]

    def _row(self, line: Mapping[str, Any]) -> str:
        values = {
            **line,
            "verdict": line["verdict"] or "",
            "asked": msgspec.json.encode(line["request"]).decode(),
            "limits": ", ".join(f"{key} {line[key]}" for key in _LIMITS if line[key]),
            "then": f"then, with the same client: {line['then']['base_url']}" if line["then"] else "",
        }
        return _ROW.format_map({key: html.escape(str(value)) for key, value in values.items()})


_LIMITS = ("timeout_s", "retries", "leave_after_chunks", "read_pause_ms")


def judge_posted(
    cases: Sequence[Case],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    on_start: Callable[[MockServer], None] = lambda server: None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Run:
    """Serve the cases and judge what is posted, until each has a verdict, or a KeyboardInterrupt.

    A case may be answered again; the last answer counts. What was never answered is skipped. `Run.took_s` counts from the start.
    """
    started_at, started = time.time(), time.monotonic()
    board = Board({case.id: case for case in cases if explain_skip(case) is None})
    with serve_cases(cases, seed, host=host, port=port, endpoints=board.endpoints()) as server:
        on_start(server)
        seen: dict[str, int] = {}
        try:
            while any(case.id not in board.results and not explain_skip(case, board.consumer.lacks) for case in cases):
                posted = board.posted.get()
                if posted is None:
                    continue
                name, answer = posted
                result = _judge(server, board, name, answer, seen)
                board.results[name] = result
                on_result(result)
        except KeyboardInterrupt:
            pass  # whoever is watching has seen enough: what there is, is reported
    results = tuple(board.results.get(case.id) or Result(case, _not_played(case, board)) for case in cases)
    return Run(board.consumer, results, started_at, time.monotonic() - started, seed)


def _judge(server: MockServer, board: Board, name: str, answer: dict[str, Any], seen: dict[str, int]) -> Result:
    """Judge one outcome by what was asked since the last one of the same case."""
    case = board.cases[name]
    exchanges = wait_for_end(server, case, after=seen.get(name, 0))
    took_s = 0.0
    if exchanges:
        seen[name] = exchanges[-1].number
        took_s = max(time.time() - exchanges[0].received_at, 0.0)
    lacks = board.consumer.lacks
    result = judge_report(case, Report("answer", answer, took_s=took_s), exchanges, lacks)
    return judge_next(result, answer.get("then"), lacks)


def _not_played(case: Case, board: Board) -> Verdict:
    return Verdict("skip", (explain_skip(case, board.consumer.lacks) or "no outcome was posted",))


def _read_object(asked: Asked) -> dict[str, Any]:
    """The JSON object of a request's body, or of the field `outcome` of a form. Raises `RequestError`."""
    body: bytes | str = asked.body
    if asked.headers.get("content-type", "").startswith(_FORM_TYPE):
        body = parse_qs(asked.body.decode("utf-8", "replace")).get("outcome", [""])[0]
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"expected a JSON object: {error}") from error


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cases</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 24px auto; padding: 0 16px }}
summary {{ cursor: pointer }} pre, textarea {{ width: 100%; white-space: pre-wrap; overflow-wrap: anywhere }}
</style></head><body>
<h1>{all} cases, {done} judged</h1>
<p>For each case, POST its request to its base URL and <code>/chat/completions</code> (a GET asks the same), then POST what your
consumer made of the stream, as JSON, to its outcome URL:
<code>{{"content": "…", "tool_calls": [], "refusal": null, "reasoning": null, "finish_reason": "stop", "usage": {{…}},
"error": null}}</code>; <code>error</code> is <code>{{"type": "…", "message": "…"}}</code> where it told of one. Where another
request follows with the same client, what came of it stands in the same form under <code>then</code>.
<a href="cases.json">cases.json</a> is this list for programs. POST <code>{{"consumer": "name", "lacks": ["n"]}}</code> to
<code>/consumer</code> to say who you are and what you cannot expose.</p>
{rows}
</body></html>
"""

_ROW = """<details id="{case}"><summary><code>{case}</code> {title} <b>{verdict}</b></summary>
<p>{requirement}</p><pre>{base_url}
{asked}
{limits}
{then}</pre>
<form method="post" action="/outcome/{case}"><textarea name="outcome" rows="3" aria-label="Outcome">{{"content": ""}}</textarea>
<button>Post the outcome</button></form></details>"""
