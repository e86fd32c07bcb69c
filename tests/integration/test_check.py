"""`mockserver check` and `mockserver fuzz` as their users run them: real processes, real programs, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from mockserver.loading import load_scenarios
from tests.mockserver.conformance.programs import write_program
from tests.mockserver.conformance.test_report import SCHEMA
from tests.support import RawClient

COMMAND = [sys.executable, "-m", "mockserver"]
CLIENT = [sys.executable, "-m", "client", "--consumer"]
BOUND_S = 120.0
FINISHING = "plain"
FEW = ["--run", FINISHING, "--run", "cut-*no-finish"]
LOSES = "main(lambda line: {**run(line), 'content': 'lost'})"


def run(*arguments: str, cwd: Path | None = None, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def broken(tmp_path: Path) -> list[str]:
    return write_program(tmp_path, LOSES)


def test_a_right_consumer_passes_with_0_and_every_report_is_written(tmp_path: Path) -> None:
    files = ["--json", "a.json", "--junit", "a.xml", "--markdown", "a.md", "--html", "a.html"]
    done = run("check", *FEW, "--jobs", "2", *files, "--", *CLIENT, cwd=tmp_path, code=0)
    report = json.loads((tmp_path / "a.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["command"] == f"mockserver check -- {' '.join(CLIENT)}"
    assert {result["verdict"] for result in report["results"]} == {"pass"}
    assert ET.parse(tmp_path / "a.xml").getroot().findall(".//failure") == []
    assert "| class | pass |" in (tmp_path / "a.md").read_text()
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert done.stdout.rstrip().splitlines()[-1].startswith(f"{len(report['results'])} passed, 0 failed, 0 skipped in ")


def test_a_wrong_one_fails_with_1_and_the_line_that_plays_it_again_does_so(tmp_path: Path, broken: list[str]) -> None:
    done = run("check", "--run", FINISHING, "--", *broken, code=1)
    assert "content: expected " in done.stdout
    [again] = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("again: mockserver")]
    arguments = again.removeprefix("again: mockserver ").split()
    assert run(*arguments, code=1).stdout.count("fail ") >= 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "--run", "no-such-*", "--", "true"], "no case is chosen"),
        (["check"], "no consumer is given"),
        (["check", "--run", "plain", "--", "/no/such/program"], "cannot start '/no/such/program'"),
        (["check", "--run", "plain", "--", sys.executable, "-c", "print('Hi')"], "expected the first line"),
        (["check", "--url", "--", "true"], "--url starts no consumer"),
        (["check", "--scenario", "no-such.yaml", "--", "true"], "no-such.yaml"),
        (["check", "--run", "plain", "--html", "/no/such/folder/a.html", "--", *CLIENT], "cannot write the report"),
        (["fuzz", "--", "/no/such/program"], "cannot start"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(arguments: list[str], told: str) -> None:
    done = run(*arguments, code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_cases_are_listed_and_chosen_by_id_and_class() -> None:
    everything = run("check", "--list-cases", code=0).stdout.splitlines()
    chosen = run("check", "--list-cases", "--class", "fault", "--run", "cut-*", "--skip", "*-close", code=0).stdout
    ids = [line.split()[0] for line in chosen.splitlines()]
    assert ids
    assert len(everything) >= 180
    assert all(name.startswith("cut-") and not name.endswith("-close") for name in ids)
    assert {line.split()[1] for line in chosen.splitlines()} == {"fault"}


def test_a_baseline_holds_until_an_entry_of_it_passes(tmp_path: Path, broken: list[str]) -> None:
    baseline = tmp_path / "known.txt"
    chosen = ["check", "--run", FINISHING]
    run(*chosen, "--write-baseline", str(baseline), "--", *broken, code=1)
    assert baseline.read_text().splitlines()[1].startswith(f"{FINISHING}  # fail: content")
    run(*chosen, "--baseline", str(baseline), "--", *broken, code=0)
    mended = run(*chosen, "--baseline", str(baseline), "--", *CLIENT, code=1)
    assert f"{FINISHING} passes now: take it out of the baseline" in mended.stdout
    baseline.write_text("")
    run(*chosen, "--baseline", str(baseline), "--", *broken, code=1)


def test_weak_fails_only_strictly(tmp_path: Path) -> None:
    source = """
        def answer(line):
            got = run(line)
            return {"content": ""} if got["error"] else got
        main(answer)
    """
    command = write_program(tmp_path, source)
    assert "1 weak" in run("check", "--run", "cut-clean-no-finish", "--", *command, code=0).stdout
    run("check", "--strict", "--run", "cut-clean-no-finish", "--", *command, code=1)


def test_spawn_starts_a_process_for_each_case(tmp_path: Path) -> None:
    command = write_program(
        tmp_path, "line = json.loads(os.environ['MOCKSERVER_LINE']); say(case=line['case'], **run(line))"
    )
    assert "1 passed, 0 failed" in run("check", "--spawn", "--run", FINISHING, "--", *command, code=0).stdout


def test_scenarios_of_ones_own_are_judged_as_cases(tmp_path: Path, broken: list[str]) -> None:
    (tmp_path / "mine.yaml").write_text(
        "scenarios:\n- {name: one, reply: Hello}\n- {name: two, error: {status: 500}}\n"
    )
    assert "2 passed" in run("check", "--scenario", "mine.yaml", "--", *CLIENT, cwd=tmp_path, code=0).stdout
    done = run("check", "--scenario", "mine.yaml", "--", *broken, cwd=tmp_path, code=1)
    assert "again: mockserver check --scenario mine.yaml --run one -- " in done.stdout


@pytest.mark.parametrize("interrupt", [False, True])
def test_url_judges_what_is_posted_until_all_is_answered_or_an_interrupt(tmp_path: Path, interrupt: bool) -> None:
    report = tmp_path / "a.json"
    arguments = ["check", "--url", "--run", FINISHING, "--run", "sse-crlf*", "--json", str(report)]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split(": ", 1)[1].split("/ for people")[0]
        with RawClient(url) as client:
            lines = client.ask(None, "GET", "/cases.json").json["cases"]
            for line in lines[:1] if interrupt else lines:
                client.ask(line["request"], path=f"/scenarios/{line['case']}/v1/chat/completions")
                client.ask({"content": "wrong", "finish_reason": "stop"}, path=f"/outcome/{line['case']}")
            assert child.stdout.readline().startswith(f"fail  {lines[0]['case']}")
        if interrupt:
            child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=BOUND_S)
    assert child.returncode == 1, errors
    assert errors == ""
    skipped = len(lines) - 1 if interrupt else 0
    assert f"0 passed, {len(lines) - skipped} failed, {skipped} skipped" in rest
    results = json.loads(report.read_text())["results"]
    assert [result["verdict"] for result in results].count("skip") == skipped


def test_fuzz_shrinks_a_lost_last_text_to_a_small_scenario_that_fails_again(tmp_path: Path) -> None:
    source = """
        def KEEP(choice):
            return None if choice["finish_reason"] else choice["delta"].get("content")
        main(run)
    """
    command = write_program(tmp_path, source + "\n")
    (tmp_path / "vllm.yaml").write_text(
        "scenarios: [{name: one, reply: Hello, delivery: {quirks: [finish-with-content]}}]"
    )
    out = tmp_path / "found.yaml"
    done = run("fuzz", "--seed", "1", "--examples", "300", "--no-faults", "--out", str(out), "--", *command, code=1)
    [scenario] = load_scenarios([out]).scenarios
    assert len(out.read_text()) < 600
    assert f"mockserver check --scenario {out}" in done.stdout
    run("check", "--scenario", str(out), "--", *command, code=1)
    run("check", "--scenario", str(out), "--", *CLIENT, code=0)
    assert scenario.name == "fuzz"


def test_fuzz_finds_nothing_in_the_client_that_comes_with_this_package(tmp_path: Path) -> None:
    done = run("fuzz", "--seed", "1", "--examples", "30", "--", *CLIENT, cwd=tmp_path, code=0)
    assert "30 streams played, nothing found (seed 1)" in done.stdout
    left = [
        path for path in tmp_path.iterdir() if path.name != ".hypothesis"
    ]  # where it keeps what it learnt of Unicode
    assert left == []


def test_fuzz_without_hypothesis_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "hypothesis.py").write_text("raise ModuleNotFoundError('no', name='hypothesis')")
    done = subprocess.run(
        [*COMMAND, "fuzz", "--", "true"],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr == "mockserver: fuzz needs Hypothesis: pip install 'openai-mockserver[strategies]'\n"
