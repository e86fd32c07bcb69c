"""The page of a report in real headless Chromium, from disk.

A few lines of JavaScript are put at the end of the page: they do what a person would, and write down what is there to be seen.
"""

import functools
import html
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance.case import load_cases
from mockserver.conformance.report.data import Report, make_report
from mockserver.conformance.report.page import write_page
from tests.mockserver.conformance.made import make_result, make_run, play

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt install chromium")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=3000",
    "--dump-dom",
)
BOUND_S = 90.0
SAME = next(case for case in load_cases() if case.cls == "framing" and case.right == "same" and not case.needs)
BROKEN = next(case for case in load_cases() if case.cls == "fault" and case.right == "error" and not case.needs)
DIALECT = next(case for case in load_cases() if case.cls == "dialect" and not case.needs)

DRIVER = """
<script>
const all = (css) => [...document.querySelectorAll(css)];
const texts = (css) => all(css).map((node) => node.textContent);
const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input', { bubbles: true })); };
const seen = {};
window.addEventListener('error', (event) => { seen.error = event.message; });
const report = document.createElement('pre');
report.id = 'seen';
(() => { SCRIPT })();
seen.requests = performance.getEntriesByType('resource').map((entry) => entry.name);
report.textContent = JSON.stringify(seen);
document.body.append(report);
</script>
"""


def see(folder: Path, reports: Sequence[Report], script: str, *flags: str) -> Any:
    """What a script noted in `seen` on the page of these reports."""
    assert CHROMIUM is not None
    page = write_page(reports).replace("</body>", DRIVER.replace("SCRIPT", script) + "</body>")
    file = folder / "report with blanks.html"
    file.write_text(page, encoding="utf-8", errors="backslashreplace")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)
    assert found is not None, done.stderr[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert "error" not in seen
    assert seen.pop("requests") == []
    return seen


@functools.cache
def reports() -> tuple[Report, Report]:
    """Two consumers' reports; the second did not play the dialect."""
    text = "</script><img src=http://127.0.0.1:9/x onerror=\"seen.error='markup ran'\">"
    one = make_run(
        [play(SAME, {"content": text}), play(BROKEN, {"finish_reason": "stop"}), make_result(DIALECT.id, "pass")]
    )
    two = make_run(
        [make_result(SAME.id, "pass"), make_result(BROKEN.id, "weak", "no finish")], name="other", lacks=["n"]
    )
    return make_report(one, "mockserver check -- ./tiny"), make_report(two, "mockserver check -- ./other")


def test_a_case_is_a_row_and_a_click_opens_its_evidence(tmp_path: Path) -> None:
    script = f"""
        seen.rows = all('tr.case').map((row) => row.id);
        seen.groups = texts('tr.group');
        seen.before = all('tr.detail').length;
        $('case-{SAME.id}').click();
        seen.detail = texts('tr.detail').join();
        seen.writes = all('tr.detail svg rect').length;
        seen.deltas = all('tr.detail svg circle').length;
        seen.off = texts('tr.detail .off').join();
        $('case-{SAME.id}').click();
        seen.after = all('tr.detail').length;
        $('case-{BROKEN.id}').dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter' }}));
        seen.bytes = texts('tr.detail mark').length;
        seen.expanded = $('case-{BROKEN.id}').getAttribute('aria-expanded');
    """
    seen = see(tmp_path, reports()[:1], script)
    assert seen["rows"] == [f"case-{case.id}" for case in (SAME, BROKEN, DIALECT)]
    assert seen["groups"] == ["framing", "fault", "dialect"]
    assert (seen["before"], seen["after"]) == (0, 0)
    assert SAME.requirement in seen["detail"]
    assert f"mockserver check --run {SAME.id} -- ./tiny" in seen["detail"]
    assert "<img src=http" in seen["detail"]
    assert "content" in seen["off"]
    assert seen["writes"] >= 1
    assert seen["deltas"] == 1
    assert (seen["bytes"], seen["expanded"]) == (1, "true")


def test_the_search_and_the_selections_filter(tmp_path: Path) -> None:
    script = f"""
        const ids = () => all('tr.case').map((row) => row.id.slice(5));
        set('search', {BROKEN.id!r}.toUpperCase()); seen.search = ids(); seen.count = $('count').textContent;
        set('search', 'no case says this'); seen.none = ids();
        set('search', ''); set('class', 'dialect'); seen.cls = ids();
        set('class', ''); set('verdict', 'trouble'); seen.trouble = ids();
        set('verdict', 'pass'); seen.passed = ids();
    """
    seen = see(tmp_path, reports()[:1], script)
    assert (seen["search"], seen["count"]) == ([BROKEN.id], "1 of 3")
    assert seen["none"] == []
    assert seen["cls"] == [DIALECT.id]
    assert seen["trouble"] == [SAME.id, BROKEN.id]
    assert seen["passed"] == [DIALECT.id]


def test_several_consumers_are_a_matrix(tmp_path: Path) -> None:
    script = f"""
        seen.head = texts('thead th');
        const cells = (row) => [...row.cells].slice(1).map((cell) => cell.textContent);
        seen.cells = Object.fromEntries(all('tr.case').map((row) => [row.id.slice(5), cells(row)]));
        seen.cards = texts('.card');
        $('case-{BROKEN.id}').click();
        seen.evidence = texts('.evidence strong');
    """
    seen = see(tmp_path, reports(), script)
    assert seen["head"] == ["case", "tiny", "other"]
    assert seen["cells"] == {SAME.id: ["fail", "pass"], BROKEN.id: ["fail", "weak"], DIALECT.id: ["pass", ""]}
    assert seen["evidence"] == ["tiny", "other"]
    assert "standard: 0 of 2" in seen["cards"][0]
    assert "dialect: 1 of 1" in seen["cards"][0]
    assert "lacks n" in seen["cards"][1]


@pytest.mark.parametrize(("scheme", "dark"), [("0", True), ("1", False)])
def test_it_is_dark_where_the_system_is(tmp_path: Path, scheme: str, dark: bool) -> None:
    script = """
        seen.paper = getComputedStyle(document.body).backgroundColor;
        seen.ink = getComputedStyle(document.body).color;
    """
    seen = see(tmp_path, reports(), script, f"--blink-settings=preferredColorScheme={scheme}")
    paper, ink = (sum(map(int, re.findall(r"\d+", seen[name])[:3])) / 3 for name in ("paper", "ink"))
    assert (paper < 60, ink > 180) == (dark, dark)


@pytest.mark.parametrize("control", [False, True])
def test_it_asks_the_network_for_nothing(tmp_path: Path, control: bool) -> None:
    """Everything that is not a file goes through the proxy, and the proxy takes notes; the control shows that it would."""
    script = "for (const row of all('tr.case')) row.click();"
    if control:
        script += "new Image().src = 'http://control.invalid/';"
    with noting_proxy() as (port, asked):
        see(tmp_path, reports(), script, f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>")
    lines = [request.split(b"\r\n")[0] for request in asked]
    of_the_page = [line for line in lines if not any(host in line for host in CHROMIUMS_OWN)]
    assert of_the_page == ([b"GET http://control.invalid/ HTTP/1.1"] if control else [])


CHROMIUMS_OWN = (b".google.com", b".googleapis.com", b".gvt1.com")
"""Whom Chromium asks by itself at its start."""


@contextmanager
def noting_proxy() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that answers nobody: its port, and the beginning of what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        done = threading.Event()

        def note() -> None:
            while True:
                connection, _ = proxy.accept()
                with connection:
                    if done.is_set():
                        return
                    asked.append(connection.recv(2000))

        thread = threading.Thread(target=note)
        thread.start()
        try:
            yield proxy.getsockname()[1], asked
        finally:
            done.set()
            socket.create_connection(proxy.getsockname()).close()
            thread.join()
