"""A user's own function, judged in the test's own process."""

import json
import sys
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from mockserver import conformance
from mockserver.conformance import CaseFailedError, StreamCase, cases, load_cases, play_case
from tests.support import open_descriptors

SAME = next(case for case in load_cases() if case.cls == "framing" and case.right == "same" and not case.needs)
BROKEN = next(case for case in load_cases() if case.id.startswith("cut") and case.right == "error" and not case.needs)
GZIP = next(case for case in load_cases() if case.scenario.delivery.http.coding == "gzip" and not case.needs)


@dataclass
class Told:
    """Usage as an SDK has it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Modelled(Told):
    def model_dump(self) -> dict[str, int]:
        return dict(vars(self))


def ask(case: StreamCase) -> dict[str, Any]:
    """A small right client for plain framing."""
    got: dict[str, Any] = {"content": "", "finish_reason": None}
    request = urllib.request.Request(
        f"{case.base_url}/chat/completions", json.dumps(case.request).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=case.timeout_s) as response:
        text = response.read().decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        chunk = json.loads(data)
        got["usage"] = chunk.get("usage")
        for choice in chunk["choices"]:
            got["content"] += choice["delta"].get("content") or ""
            got["finish_reason"] = choice["finish_reason"] or got["finish_reason"]
    if got["finish_reason"] is None:
        raise ConnectionError("cut")
    return got


def test_run_judges_what_a_function_returns() -> None:
    with play_case(SAME) as case:
        assert case.run(ask).verdict.name == "pass"
        assert case.judged is not None
        assert SAME.requirement in repr(case)


def test_run_takes_what_is_raised_for_a_reported_error() -> None:
    with play_case(BROKEN) as case:
        assert case.run(ask).verdict.name == "pass"


def test_expecting_judges_what_was_there_before_the_error() -> None:
    with play_case(BROKEN) as case, case.expecting() as got:
        got["content"] = ""
        got |= ask(case)
    with play_case(BROKEN) as case, pytest.raises(CaseFailedError, match="no beginning"):
        make_up(case)


def make_up(case: StreamCase) -> None:
    with case.expecting() as got:
        got["content"] = "I made this up"
        got |= ask(case)


def test_a_failure_tells_requirement_expected_got_and_the_bytes() -> None:
    def lossy(case: StreamCase) -> dict[str, Any]:
        return {**ask(case), "content": "lost"}

    def overlook(case: StreamCase) -> dict[str, Any]:
        with suppress(ConnectionError):
            ask(case)
        return {"content": "", "finish_reason": "stop"}

    with play_case(BROKEN) as case, pytest.raises(AssertionError) as caught:
        case.run(overlook)
    assert "bytes: " in str(caught.value)
    assert "▶" in str(caught.value)
    with play_case(SAME) as case, pytest.raises(CaseFailedError) as caught_lossy:
        case.run(lossy)
    lines = str(caught_lossy.value).splitlines()
    assert lines[0] == f"{SAME.id}: fail: {SAME.title}"
    assert lines[1] == f"{SAME.keyword}: {SAME.requirement} [{SAME.source}]"
    assert lines[2].startswith("content: expected ")
    assert lines[2].endswith("got 'lost'")
    assert any(line.startswith('got: {"content": "lost"') for line in lines)
    assert lines[-1] == f"again: pytest --stream-cases {SAME.id}"
    assert caught_lossy.value.result.case is SAME


def test_the_same_failure_has_the_same_text_each_time() -> None:
    texts = set()
    for _ in range(2):
        with play_case(SAME) as case, pytest.raises(CaseFailedError) as caught:
            case.run(lambda case: {**ask(case), "content": "lost"})
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("kind", [Told, Modelled])
def test_an_sdks_objects_are_read_as_their_members(kind: type[Told]) -> None:
    with play_case(SAME) as case:
        got = ask(case)
        assert case.judge({**got, "usage": kind(*list(got["usage"].values())[:3])}).verdict.name == "pass"


@pytest.mark.parametrize("got", [None, "text", 3])
def test_what_is_no_mapping_is_explained(got: Any) -> None:
    with play_case(SAME) as case, pytest.raises(TypeError, match="expected a mapping with content"):
        case.judge(got)


def test_a_coding_that_was_not_offered_is_skipped() -> None:
    if GZIP.scenario.delivery.http.coding_unasked:
        pytest.fail("the first gzip case is one that is sent unasked: choose another")
    with play_case(GZIP) as case, pytest.raises(SkipTest, match="did not offer gzip"):
        case.run(ask)


def test_what_cannot_be_played_is_skipped_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    [case] = cases("http-br")
    with pytest.raises(SkipTest, match=r"needs the extra brotli: pip install"), play_case(case):
        pytest.fail("it was played")


def test_what_the_code_lacks_is_skipped() -> None:
    [case] = cases("n-tool-calls")
    with pytest.raises(SkipTest, match=r"lacks n$"), play_case(case, lacks=frozenset({"n"})):
        pytest.fail("it was played")


def test_weak_is_a_failure_only_where_it_is_asked_for() -> None:
    def forgiving(case: StreamCase) -> dict[str, Any]:
        try:
            return ask(case)
        except Exception:
            return {"content": ""}

    with play_case(BROKEN) as case:
        assert case.run(forgiving).verdict.name == "weak"
    with play_case(BROKEN, strict=True) as case, pytest.raises(CaseFailedError, match=f"{BROKEN.id}: weak"):
        case.run(forgiving)


def test_a_plain_request_follows_where_the_case_says_so() -> None:
    followed = next(case for case in load_cases() if case.then_plain and not case.needs and case.right == "error")
    urls: list[str] = []

    def keep(case: StreamCase) -> dict[str, Any]:
        urls.append(case.base_url)
        return ask(case)

    with play_case(followed) as case:
        assert case.run(keep).verdict.name in ("pass", "weak")
    assert [url.split("/")[-2] for url in urls] == [followed.id, "plain-afterwards"]
    with play_case(followed) as case, pytest.raises(CaseFailedError, match=r"next, plain request: .* got 'stale'"):
        case.run(lambda case: {"content": "stale"} if "plain" in case.base_url else ask(case))


def test_without_the_plain_request_that_is_to_follow_a_case_is_skipped_and_with_it_judged() -> None:
    followed = next(case for case in load_cases() if case.then_plain and not case.needs and case.right == "same")
    with (
        play_case(followed) as case,
        pytest.raises(SkipTest, match="plain request that is to follow"),
        case.expecting() as got,
    ):
        got |= ask(case)
    with play_case(followed) as case:
        assert case.then is not None
        with case.expecting() as got:
            got |= ask(case)
            got["then"] = ask(case.then)
        assert case.judged is not None
        assert case.judged.verdict.name == "pass"
        with pytest.raises(CaseFailedError, match="got 'stale'"):
            case.judge({**got, "then": {"content": "stale"}})
    calls = replace(followed, needs=("tools",))  # a case of text would be skipped itself
    with play_case(calls, lacks=frozenset({"content"})) as case:
        assert case.judge({**ask(case), "content": None}).verdict.name == "pass"


def test_nothing_is_left_over() -> None:
    with play_case(SAME) as case:
        case.run(ask)
    threads, descriptors = threading.active_count(), open_descriptors()
    with play_case(SAME) as case:
        case.run(ask)
    assert (threading.active_count(), open_descriptors()) == (threads, descriptors)


def test_cases_are_chosen_by_their_ids_and_print_as_them() -> None:
    chosen = cases("cut-*", skip=("*-close",), classes=("fault",))
    assert chosen
    assert all(str(case).startswith("cut-") and not case.id.endswith("-close") for case in chosen)
    assert len(cases()) == len(load_cases())


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"mockserver\.conformance.*no_such_name"):
        conformance.no_such_name  # noqa: B018
