"""Other programs, each in a folder of its own: the peers, and a benchmark client that others wrote.

`python -m benchmarks.peers install` installs all, `… install aimock llmock` some; `python -m benchmarks.peers` says which are
there. Whatever is not installed is skipped by the benchmarks, which say so. The folders are under `.bench/`, or where the
variable BENCH_PEERS says.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import ROOT

FOLDER = Path(os.environ.get("BENCH_PEERS") or ROOT / ".bench").absolute()
INSTALL_S = 900.0


@dataclass(frozen=True, slots=True)
class Other:
    """A program of others: its package and the command it is run by, within its folder."""

    name: str
    language: str
    package: str
    program: str
    about: str

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name

    @property
    def command(self) -> Path:
        """The program that runs it."""
        return self.folder / ("node_modules/.bin" if self.language == "node" else "bin") / self.program

    @property
    def is_installed(self) -> bool:
        """Whether it can be run."""
        return self.command.exists()

    @property
    def excuse(self) -> str:
        """Why it is not measured where it is not installed, and what to do."""
        return f"{self.name} is not installed: python -m benchmarks.peers install {self.name}"

    def find_version(self) -> str:
        """The installed version."""
        if self.language == "node":
            told = json.loads((self.folder / "node_modules" / self.package / "package.json").read_text())
            return str(told["version"])
        found = sorted(self.folder.glob(f"lib/python*/site-packages/{self.package}-*.dist-info"))
        return found[0].name.removeprefix(f"{self.package}-").removesuffix(".dist-info") if found else "unknown"


OTHERS = {
    other.name: other
    for other in (
        Other("aimock", "node", "@copilotkit/aimock", "llmock", "the most used mock server, on Node"),
        Other("llmock", "python", "llmock", "llmock", "a mock server for Python tests"),
        Other("aiperf", "python", "aiperf", "aiperf", "a benchmark client for LLM servers, 1.2 GB"),
    )
}


def install(other: Other) -> None:
    """Install the newest version. Raises `CalledProcessError`, or `FileNotFoundError` where the installer is missing."""
    other.folder.mkdir(parents=True, exist_ok=True)
    if other.language == "node":
        (other.folder / "package.json").write_text('{"private": true}\n')
        _do(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", f"{other.package}@latest"], other.folder)
        return
    _do([sys.executable, "-m", "venv", str(other.folder)], ROOT)
    pip = [str(other.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _do([*pip, "--upgrade", other.package], ROOT)


def _do(command: Sequence[str], folder: Path) -> None:
    subprocess.run(
        command, cwd=folder, check=True, timeout=INSTALL_S, env={**os.environ, "npm_config_update_notifier": "false"}
    )


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    verb, *names = arguments or ["list"]
    unknown = [name for name in names if name not in OTHERS]
    if verb not in ("install", "list") or unknown:
        print(f"usage: python -m benchmarks.peers [install [{'|'.join(OTHERS)}]...]", file=sys.stderr)
        return 2
    failed = 0
    for other in (OTHERS[name] for name in names or OTHERS):
        if verb == "install" and not other.is_installed:
            print(f"installing {other.package} into {other.folder}", flush=True)
            try:
                install(other)
            except (subprocess.SubprocessError, OSError) as error:
                print(f"{other.name} cannot be installed: {error}", file=sys.stderr)
                failed = 1
        print(f"{other.name} {other.find_version()}: {other.about}" if other.is_installed else other.excuse)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
