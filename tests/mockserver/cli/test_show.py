"""What `mockserver show` prints."""

import base64
import gzip
import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.cli import main
from mockserver.cli.show import readable
from mockserver.outcome import expect
from mockserver.plan import Terms, plan_turn
from mockserver.request import parse_request
from mockserver.scenario import Scenario
from mockserver.steps import Write
from mockserver.strategies import as_file, faults, scenarios


def test_show_prints_each_step_with_its_due_time_and_bytes(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cut", file]) == 0
    printed = capsys.readouterr().out
    assert "20.0 ms  head" in printed
    assert r"HTTP/1.1 200 OK\r\n" in printed
    assert "abort" in printed
    assert "A right consumer reports: an error, because of reset." in printed


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_show_asks_as_a_client_that_takes_every_coding(
    coding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coded.yaml"
    path.write_text(f"name: coded\nreply: Hello there\ndelivery: {{http: {{coding: {coding}}}}}\n")
    assert main(["show", "coded", str(path)]) == 0
    assert rf"Content-Encoding: {coding}\r\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "said"),
    [("close", "the connection is closed; more should have come"), ("swap", "the connection stays open")],
)
def test_show_tells_of_the_last_step_what_becomes_of_the_connection(
    fault: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", write({"delivery": {"faults": [{"fault": fault}]}}, tmp_path)]) == 0
    *_, last, _ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf" *0\.0 ms  end +{said}", last)


def test_show_is_bounded_and_says_so(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", file, "--limit", "1"]) == 0
    assert "there is more" in capsys.readouterr().out


def test_show_raw_writes_the_bytes_of_the_body(file: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", "cut", file, "--raw"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"data: {")


def test_show_raw_writes_the_body_of_an_answer_that_is_not_streamed(
    file: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}))
    assert main(["show", "one-plus-one", "--request", str(request), "--raw"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["object"] == "chat.completion"


def test_show_json_tells_the_steps_and_what_is_expected(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cut", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["step"] for step in told["steps"]][-1] == "abort"
    assert (told["expected"]["right"], told["complete"], told["status"]) == ("error", True, 200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing-of-that-name"], "no scenario"),
        (["show", "count-to-10"], "did you mean 'count-to-100'"),
        (["show", "one-plus-one", "--request", "/no/such/file"], "cannot read the request"),
    ],
)
def test_what_cannot_be_shown_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_bytes_that_do_not_print_are_escaped_and_no_two_look_the_same() -> None:
    assert readable(b"a\r\n\x00\\\xff") == r"a\r\n\x00\\\xff"
    assert readable("\x85\u2028\\u2028é🙂".encode()) == r"\u0085\u2028\\u2028é🙂"


@given(st.binary(), st.binary())
def test_what_is_readable_is_printed_whole_and_says_which_bytes_they_are(one: bytes, other: bytes) -> None:
    assert readable(one).isprintable()
    assert (readable(one) == readable(other)) is (one == other)


def test_long_bytes_are_shown_by_their_beginning_and_a_line_end_in_json_begins_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.yaml"
    path.write_text('{"name": "long", "reply": {"pieces": ["a\\nb", "' + "x" * 3000 + '"]}}')
    assert main(["show", str(path)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert any(r'"content":"a\\nb"' in line for line in lines)
    assert any(re.search("x… [0-9]+ bytes more$", line) for line in lines)


# The body


def write(scenario: dict[str, Any], folder: Path) -> str:
    path = folder / "one.json"
    path.write_text(json.dumps({"name": "one", "reply": "Hello there", **scenario}))
    return str(path)


DELIVERIES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"http": {"interim": [{}], "chunk_size": 7, "chunk_extension": ";a=1", "trailers": {"X": "1"}}}, True),
    ({"writes": {"mode": "size", "size": 50, "of": "response"}}, True),
    ({"writes": {"mode": "bytes", "of": "body"}, "http": {"version": "1.0"}}, True),
    ({"http": {"transfer": "length"}}, True),
    ({"faults": [{"fault": "bad_chunk", "at": "after_done"}]}, True),
    ({"faults": [{"fault": "wrong_length"}]}, True),
    ({"faults": [{"fault": "close", "at": {"after_event": 1}}]}, False),
    ({"faults": [{"fault": "close", "at": {"inside_event": 1}}], "http": {"chunk_size": 9}}, False),
    ({"faults": [{"fault": "bad_chunk", "at": {"after_event": 1}}]}, False),
]


@pytest.mark.parametrize(("delivery", "is_whole"), DELIVERIES)
def test_raw_is_the_body_without_heads_and_chunks_as_far_as_it_comes(
    delivery: dict[str, Any], is_whole: bool, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["show", write({}, tmp_path), "--raw"]) == 0
    plain = capsysbinary.readouterr().out
    assert plain.endswith(b"data: [DONE]\n\n")
    assert main(["show", write({"delivery": delivery}, tmp_path), "--raw"]) == 0
    printed, told = capsysbinary.readouterr()
    assert plain.startswith(printed)
    assert (printed == plain) is is_whole
    assert b'"Hello"' in printed or not is_whole
    assert told == b""


@pytest.mark.parametrize("transfer", ["chunked", "length"])
def test_raw_is_in_its_coding(transfer: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    delivery = {"http": {"coding": "gzip", "transfer": transfer}}
    assert main(["show", write({"delivery": delivery}, tmp_path), "--raw"]) == 0
    assert gzip.decompress(capsysbinary.readouterr().out).startswith(b"data: {")


@pytest.mark.parametrize("every", [{}, {"every": "1ms"}])
def test_a_body_without_an_end_is_bounded_and_that_is_said(
    every: dict[str, str], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    fault = {"fault": "endless", "what": "comments", "size": None, "at": "after_done", **every}
    file = write({"delivery": {"faults": [fault]}}, tmp_path)
    assert main(["show", file, "--raw"]) == 0
    printed, told = capsysbinary.readouterr()
    assert printed.count(b": keep-alive\n\n") > 150
    assert (
        told
        == b"mockserver: there is more: the body of the first 200 steps was written; --limit says how many, 0 all\n"
    )
    assert main(["show", file, "--raw", "--limit", "2"]) == 0
    printed, told = capsysbinary.readouterr()
    assert (printed.count(b"data: {"), b"first 2 steps" in told) == (1, True)


@given(scenario=scenarios(faults=faults(), paced=False), seed=st.integers(0, 3))
def test_the_form_for_machines_has_every_step_and_byte_of_the_plan(scenario: Scenario, seed: int) -> None:
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()) as printed:
        path = Path(folder, "one.yaml")
        path.write_text(as_file(scenario))
        assert main(["show", str(path), "--json", "--limit", "0", "--seed", str(seed)]) == 0
    told = json.loads(printed.getvalue())
    request = parse_request(json.dumps(told["request"]).encode())
    seeded = f"{seed}/generated/{request.fingerprint}"
    terms = Terms(seeded, wall_s=1_700_000_000.0, accept_encoding="gzip, deflate, br")
    plan = plan_turn(scenario.turn(0), request, terms)
    steps = [step for step in plan if not isinstance(step, Write) or step.data]
    assert [step["step"] for step in told["steps"]] == [type(step).__name__.lower() for step in steps]
    assert [step["due_ms"] for step in told["steps"]] == [round(step.due_s * 1000, 3) for step in steps]
    for shown, step in zip(told["steps"], steps, strict=True):
        data = shown["text"].encode() if "text" in shown else base64.b64decode(shown.get("base64", ""))
        assert data == getattr(step, "data", b"")
    assert told["complete"] is True
    assert (told["scenario"], told["seed"]) == ("generated", seed)
    assert plan.stream is not None
    assert told["expected"]["right"] == expect(plan.stream).right


def test_the_seed_told_is_the_one_that_was_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", write({"seed": 9}, tmp_path), "--json", "--seed", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 9
