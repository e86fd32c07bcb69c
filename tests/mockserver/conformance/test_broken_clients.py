"""Every case is caught by at least one broken client, and passes with the good ones: a case that nobody can fail tests nothing.

`tests/broken_clients/caught_by.yaml` is the matrix in short: for each case the broken client that shows it, for each broken
client at least one case. Here every entry of it is played.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from client import open_http
from client.consumer import Case as Line
from client.consumer import run_case
from mockserver.conformance import Case, choose_cases, load_cases
from mockserver.conformance.run import run_cases
from tests.broken_clients import bench
from tests.broken_clients.bench import Bench
from tests.broken_clients.variations import FOLDER, Patch, Variation, load_ask, load_variations

pytestmark = pytest.mark.skipif(
    not os.environ.get("BROKEN_CLIENTS"),
    reason="the matrix is not settled yet, and takes minutes: BROKEN_CLIENTS=1 plays it",
)
ROOT = Path(__file__).parents[3]
TABLE: Mapping[str, Any] = yaml.safe_load((FOLDER / "caught_by.yaml").read_text("utf-8"))
CAUGHT_BY: Mapping[str, str] = TABLE["cases"]
ALSO: Mapping[str, str] = TABLE["also"]
UNSHOWN = frozenset(TABLE["unshown"])
"""Cases that no broken client is known to fail yet."""
CAUGHT = ("fail", "crash", "hang")
CASES = [case for case in load_cases() if case.id not in UNSHOWN]
CLASSES = sorted({case.cls for case in CASES})
LONG = frozenset(TABLE["long"])
"""Cases that take seconds with a plain client; the reference client and a broken one play them all the same."""


@pytest.fixture(scope="module")
def judging() -> Iterator[Bench]:
    with Bench(CASES) as judging:
        yield judging


def cases_of(name: str) -> list[str]:
    """The cases that show a broken client."""
    return [case for case, by in CAUGHT_BY.items() if by == name] + [case for by, case in ALSO.items() if by == name]


def test_every_case_has_a_broken_client_that_it_catches() -> None:
    assert sorted({case.id for case in CASES} - CAUGHT_BY.keys()) == [], "name one for each in caught_by.yaml"
    assert sorted(CAUGHT_BY.keys() - {case.id for case in CASES}) == []
    assert {case.id for case in load_cases()} >= UNSHOWN


def test_every_broken_client_is_caught_by_a_case() -> None:
    assert len(load_variations()) >= 20
    assert set(CAUGHT_BY.values()) | ALSO.keys() == load_variations().keys()


@pytest.mark.parametrize("name", [name for name in load_variations() if name not in TABLE["unsettled"]])
def test_a_broken_client_is_caught(judging: Bench, name: str) -> None:
    verdicts = {case: judging.judge(load_ask(name), case).verdict for case in cases_of(name)}
    missed = {case: verdict for case, verdict in verdicts.items() if verdict.name not in CAUGHT}
    assert missed == {}, f"a client that {load_variations()[name].breaks} gets through"


@pytest.mark.parametrize("cls", CLASSES)
def test_the_client_from_which_the_broken_ones_are_made_is_good(judging: Bench, cls: str) -> None:
    played = [case.id for case in CASES if case.cls == cls and case.id not in LONG]
    verdicts = {case: judging.judge(load_ask("good"), case, 20).verdict for case in played}
    assert {case: verdict for case, verdict in verdicts.items() if verdict.name != "pass"} == {}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_reference_client_passes_every_case(judging: Bench, cls: str) -> None:
    with open_http() as http:

        def ask(line: Mapping[str, Any]) -> dict[str, Any]:
            case = Line(**{key: value for key, value in line.items() if key in Line.__struct_fields__})
            return {"case": line["case"], **run_case(case, http, lambda _: None)}

        verdicts = {case.id: judging.judge(ask, case.id, 20).verdict for case in CASES if case.cls == cls}
    assert {case: verdict for case, verdict in verdicts.items() if verdict.name != "pass"} == {}


def test_a_broken_client_is_caught_as_a_program_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cases: list[Case] = choose_cases(CASES, ["plain", "sse-cr-only"])
    run = run_cases([sys.executable, "-m", "tests.broken_clients", "ignores-cr"], cases)
    assert {result.case.id: result.verdict.name for result in run.results} == {"plain": "pass", "sse-cr-only": "fail"}


def test_a_patch_that_does_not_fit_is_told() -> None:
    nowhere = Variation("nowhere", "is not there", (Patch("no such line", ""),))
    with pytest.raises(ValueError, match="found 0 times: 'no such line'"):
        nowhere.source()


def test_the_bench_tells_a_hang_and_a_crash_and_leaves_nothing_behind() -> None:
    def crash(line: Mapping[str, Any]) -> dict[str, Any]:
        raise SystemExit("gone")

    plain = choose_cases(CASES, ["plain", "stall-after-chunk"])
    with Bench(plain) as judging:
        assert judging.judge(crash, "plain").verdict.name == "crash"
        assert judging.judge(load_ask("no-idle-limit"), "stall-after-chunk", 0.05).verdict.name == "hang"
    assert bench.TIME_LIMIT_S > 1
