"""The documents that hold code: every example consumer is judged by the suite, every block of JSON is JSON."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mockserver.conformance.case import ABILITIES

DOCS = Path(__file__).parents[1] / "docs"
CONSUMERS = DOCS / "consumers"
CASES = (
    "plain", "sse-bom*", "sse-crlf*", "sse-cr*", "cut-clean-no-finish*", "error-*", "utf8-*", "http-interim-*",
    "event-large-fragmented", "retry-500", "client-breaks-early",
)  # fmt: skip
BOUND_S = 180.0

RUNS: dict[str, tuple[str, list[str]]] = {
    "consumer.py": (sys.executable, [sys.executable, str(CONSUMERS / "consumer.py")]),
    "consumer.mjs": ("node", ["node", str(CONSUMERS / "consumer.mjs")]),
    "Consumer.java": ("java", ["java", str(CONSUMERS / "Consumer.java")]),
    "consumer.rs": ("rustc", []),
}


def test_every_example_is_run_here() -> None:
    assert sorted(RUNS) == sorted(path.name for path in CONSUMERS.iterdir() if path.is_file())


@pytest.mark.parametrize("name", RUNS)
def test_an_example_consumer_passes(name: str, tmp_path: Path) -> None:
    tool, command = RUNS[name]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    if name.endswith(".rs"):
        program = tmp_path / "consumer"
        subprocess.run(
            ["rustc", "-o", str(program), str(CONSUMERS / name)], check=True, capture_output=True, timeout=BOUND_S
        )
        command = [str(program)]
    chosen = [part for glob in CASES for part in ("--run", glob)]
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "check", *chosen, "--", *command],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^(\d+) passed, 0 failed", done.stdout, re.M)
    assert counted is not None
    assert int(counted[1]) >= 5


@pytest.mark.parametrize("name", ["writing-a-consumer.md", "conformance-report.md"])
def test_every_block_of_json_is_json(name: str) -> None:
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / name).read_text(), re.S)
    assert blocks
    for block in blocks:
        json.loads(block)


def test_all_that_a_consumer_may_lack_is_told() -> None:
    text = (DOCS / "writing-a-consumer.md").read_text()
    table = text.partition("## What a consumer may lack")[2].partition("\n## ")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M)) == ABILITIES
