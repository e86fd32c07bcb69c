"""`mockserver check` and `mockserver fuzz` as their users run them: real programs over real sockets, files, exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from mockserver import cli
from mockserver.conformance.adapters import ADAPTERS
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
HANGS = "main(lambda line: time.sleep(60))"
NEVER_ASKS = [
    sys.executable,
    "-c",
    "import json, sys; print(json.dumps({'consumer': 'lazy'}), flush=True)\n"
    "for text in sys.stdin: print(json.dumps({'case': json.loads(text)['case'], 'error': {}}), flush=True)",
]
WEAK = """
    def answer(line):
        got = run(line)
        return {"content": ""} if got["error"] else got
    main(answer)
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command wrote."""

    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `mockserver` in a folder of its own, in this process; the consumers are processes of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int) -> Done:
        got = cli.main(arguments)
        done = Done(*capsys.readouterr())
        assert got == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def broken(tmp_path: Path) -> list[str]:
    return write_program(tmp_path, LOSES)


def test_a_right_consumer_passes_with_0_and_every_report_is_written(run: Run, tmp_path: Path) -> None:
    files = ["--json", "a.json", "--junit", "a.xml", "--markdown", "a.md", "--html", "a.html"]
    done = run("check", *FEW, "--jobs", "2", *files, "--", *CLIENT, code=0)
    report = json.loads((tmp_path / "a.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["command"] == f"mockserver check -- {' '.join(CLIENT)}"
    assert {result["verdict"] for result in report["results"]} == {"pass"}
    assert ET.parse(tmp_path / "a.xml").getroot().findall(".//failure") == []
    assert "| class | pass |" in (tmp_path / "a.md").read_text()
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert done.stdout.rstrip().splitlines()[-1].startswith(f"{len(report['results'])} passed, 0 failed, 0 skipped in ")


def test_a_wrong_one_fails_with_1_and_the_line_that_plays_it_again_does_so(run: Run, broken: list[str]) -> None:
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
        (["check", "--consumer", "no-such"], "no-such"),
        (["check", "--consumer", "client", "--", "true"], "got both"),
        (["check", "--python", "python3", "--", "true"], "--python says where a ready adapter runs"),
        (["fuzz", "--", "/no/such/program"], "cannot start"),
        (
            ["fuzz", "--out", "/no/such/folder/a.yaml", "--examples", "1", "--", *NEVER_ASKS],
            "cannot write the scenario",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(run: Run, arguments: list[str], told: str) -> None:
    done = run(*arguments, code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_cases_are_listed_and_chosen_by_id_and_class(run: Run) -> None:
    everything = run("check", "--list-cases", code=0).stdout.splitlines()
    chosen = run("check", "--list-cases", "--class", "fault", "--run", "cut-*", "--skip", "*-close", code=0).stdout
    ids = [line.split()[0] for line in chosen.splitlines()]
    assert ids
    assert len(everything) >= 180
    assert all(name.startswith("cut-") and not name.endswith("-close") for name in ids)
    assert {line.split()[1] for line in chosen.splitlines()} == {"fault"}


def test_ready_adapters_are_listed_with_what_to_install(run: Run) -> None:
    listed = run("check", "--list-consumers", code=0).stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(ADAPTERS)
    assert "pip install openai-mockserver" in listed[0]


def test_a_ready_adapter_runs_where_it_is_told_to_and_so_does_the_line_that_plays_a_case_again(
    run: Run, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "python"
    elsewhere.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec {sys.executable} "$@"\n')
    elsewhere.chmod(0o755)
    told = ["--consumer", "openai-python", f"--python={elsewhere}"]
    run("check", *told, "--run", FINISHING, "--json", "a.json", code=0)
    assert (tmp_path / "ran").exists()
    assert json.loads((tmp_path / "a.json").read_text())["command"] == f"mockserver check {' '.join(told)}"


def test_who_takes_longer_than_the_limit_hangs(run: Run, tmp_path: Path) -> None:
    command = write_program(tmp_path, HANGS)
    done = run("check", "--run", FINISHING, "--time-limit", "0.2", "--json", "a.json", "--", *command, code=1)
    assert "hang  plain" in done.stdout
    [result] = json.loads((tmp_path / "a.json").read_text())["results"]
    assert (result["verdict"], result["took_ms"] < 10_000) == ("hang", True)


def test_the_same_seed_sends_the_same_bytes(run: Run, tmp_path: Path) -> None:
    command = write_program(
        tmp_path,
        """main(lambda line: {"content": json.loads(ask(line).split("\\n")[0].removeprefix("data: "))["id"]})""",
    )

    def play(seed: str) -> str:
        run("check", "--run", FINISHING, "--seed", seed, "--json", "a.json", "--", *command, code=1)
        report = json.loads((tmp_path / "a.json").read_text())
        assert report["seed"] == int(seed)
        return str(report["results"][0]["got"]["content"])

    assert play("1").startswith("chatcmpl-")
    assert play("1") == play("1") != play("2")


def test_a_baseline_holds_until_an_entry_of_it_passes(run: Run, tmp_path: Path, broken: list[str]) -> None:
    baseline = tmp_path / "known.txt"
    chosen = ["check", "--run", FINISHING]
    run(*chosen, "--write-baseline", str(baseline), "--", *broken, code=1)
    assert baseline.read_text().splitlines()[1].startswith(f"{FINISHING}  # fail: content")
    run(*chosen, "--baseline", str(baseline), "--", *broken, code=0)
    mended = run(*chosen, "--baseline", str(baseline), "--", *CLIENT, code=1)
    assert f"{FINISHING} passes now: take it out of the baseline" in mended.stdout
    baseline.write_text("")
    run(*chosen, "--baseline", str(baseline), "--", *broken, code=1)


def test_weak_fails_only_strictly(run: Run, tmp_path: Path) -> None:
    command = write_program(tmp_path, WEAK)
    assert "1 weak" in run("check", "--run", "cut-clean-no-finish", "--", *command, code=0).stdout
    run("check", "--strict", "--run", "cut-clean-no-finish", "--", *command, code=1)


def test_spawn_starts_a_process_for_each_case(run: Run, tmp_path: Path) -> None:
    command = write_program(
        tmp_path, "line = json.loads(os.environ['MOCKSERVER_LINE']); say(case=line['case'], **run(line))"
    )
    assert "1 passed, 0 failed" in run("check", "--spawn", "--run", FINISHING, "--", *command, code=0).stdout


def test_scenarios_of_ones_own_are_judged_as_cases(run: Run, tmp_path: Path, broken: list[str]) -> None:
    (tmp_path / "mine.yaml").write_text(
        "scenarios:\n- {name: one, reply: Hello}\n- {name: two, error: {status: 500}}\n"
    )
    assert "2 passed" in run("check", "--scenario", "mine.yaml", "--", *CLIENT, code=0).stdout
    done = run("check", "--scenario", "mine.yaml", "--", *broken, code=1)
    assert "again: mockserver check --scenario mine.yaml --run one -- " in done.stdout


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("interrupt", [False, True])
def test_url_judges_what_is_posted_until_all_is_answered_or_an_interrupt(
    tmp_path: Path, free_port: int, interrupt: bool
) -> None:
    report = tmp_path / "a.json"
    arguments = ["check", "--url", "--run", FINISHING, "--run", "sse-crlf*", "--json", str(report)]
    arguments += ["--host", "0.0.0.0", "--port", str(free_port)] if interrupt else []
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
    assert url.endswith(f":{free_port}") == interrupt
    assert ("warning: listening on 0.0.0.0" in errors) == interrupt
    told = [line for line in errors.splitlines() if not line.startswith("this server is late")]  # as on a busy machine
    assert len(told) == interrupt
    skipped = len(lines) - 1 if interrupt else 0
    assert f"0 passed, {len(lines) - skipped} failed, {skipped} skipped" in rest
    results = json.loads(report.read_text())["results"]
    assert [result["verdict"] for result in results].count("skip") == skipped


def test_fuzz_shrinks_a_lost_last_text_to_a_small_scenario_that_fails_again(run: Run, tmp_path: Path) -> None:
    source = """
        def KEEP(choice):
            return None if choice["finish_reason"] else choice["delta"].get("content")
        main(run)
    """
    command = write_program(tmp_path, source + "\n")
    out = tmp_path / "found.yaml"
    done = run("fuzz", "--seed", "1", "--examples", "300", "--no-faults", "--out", str(out), "--", *command, code=1)
    [scenario] = load_scenarios([out]).scenarios
    assert len(out.read_text()) < 600
    assert f"mockserver check --scenario {out}" in done.stdout
    run("check", "--scenario", str(out), "--", *command, code=1)
    run("check", "--scenario", str(out), "--", *CLIENT, code=0)
    assert scenario.name == "fuzz"


def test_fuzz_finds_nothing_in_the_client_that_comes_with_this_package(run: Run, tmp_path: Path) -> None:
    done = run("fuzz", "--seed", "1", "--examples", "30", "--", *CLIENT, code=0)
    assert "30 streams played, nothing found (seed 1)" in done.stdout
    left = [
        path for path in tmp_path.iterdir() if path.name != ".hypothesis"
    ]  # where it keeps what it learnt of Unicode
    assert left == []


def test_the_same_seed_makes_up_the_same_streams_and_another_is_told(run: Run, tmp_path: Path) -> None:
    def play(*seed: str) -> tuple[str, str]:
        told = run("fuzz", *seed, "--examples", "3", "--", *NEVER_ASKS, code=1).stdout.splitlines()[-1]
        return (tmp_path / "fuzz.yaml").read_text(), told

    found, told = play("--seed", "7")
    assert play("--seed", "7") == (found, told)
    assert "saved as fuzz.yaml (seed 7)" in told
    seed = play()[1].rpartition("(seed ")[2].removesuffix(")")
    assert seed.isdigit()


def test_fuzz_takes_weak_for_a_failure_only_strictly(run: Run, tmp_path: Path) -> None:
    source = """
        from client import open_http
        from client.consumer import Case, run_case
        http = open_http()
        def answer(line):
            got = run_case(Case(**{key: line[key] for key in Case.__struct_fields__}), http, lambda delta: None)
            return {"content": ""} if (got["error"] or {}).get("type") == "TruncatedError" else got
        main(answer, [])
    """
    command = write_program(tmp_path, source)
    chosen = ["fuzz", "--seed", "1", "--examples", "40"]
    run(*chosen, "--", *command, code=0)
    assert "weak, the smallest stream" in run(*chosen, "--strict", "--", *command, code=1).stdout


def test_fuzz_ends_when_its_time_is_up_and_takes_who_is_slower_than_the_limit_for_hanging(
    run: Run, tmp_path: Path
) -> None:
    command = write_program(tmp_path, HANGS)
    limits = ["--time-limit", "0.2", "--time", "0.5", "--examples", "100000"]
    done = run("fuzz", *limits, "--", *command, code=1)
    assert "hang, the smallest stream when the time was up" in done.stdout
    assert "hang" in run("check", "--scenario", "fuzz.yaml", "--time-limit", "0.2", "--", *command, code=1).stdout


def run_without_brotli(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`mockserver` after a plain install, as far as that extra goes."""
    source = (
        "import sys; sys.modules['brotli'] = None; from mockserver.cli import main; sys.exit(main(sys.argv[1:]) or 0)"
    )
    command = [sys.executable, "-c", source, *arguments, "--", *CLIENT]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=BOUND_S, env={**os.environ, "COLUMNS": "200"}
    )


def test_without_brotli_its_cases_are_skipped_and_all_others_are_played(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run_without_brotli("check", "--run", "http-br*", "--run", "plain", "--json", str(report))
    assert done.returncode == 0, done.stderr
    results = json.loads(report.read_text())["results"]
    assert {result["id"]: result["verdict"] for result in results} == {
        "plain": "pass",
        "http-br": "skip",
        "http-br-end": "skip",
    }
    assert results[1]["reasons"] == ["needs the extra brotli: pip install 'openai-mockserver[brotli]'"]


def test_without_brotli_fuzz_makes_up_streams_without_it() -> None:
    done = run_without_brotli("fuzz", "--seed", "1", "--examples", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 streams played, nothing found" in done.stdout


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
