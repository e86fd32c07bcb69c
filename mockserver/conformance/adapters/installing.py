"""The newest versions of consumers, installed into a folder: an environment for each set of Python packages, one for all of Node's.

Python packages come with uv where there is one, else with pip; Node's with npm.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mockserver.conformance.adapters import Adapter
from mockserver.errors import UsageError

NODE_PACKAGE = "node@24"
"""The Node for consumers that need a newer one than the system's; npm chooses their newest versions by the Node it runs on."""


def install_consumers(adapters: Sequence[Adapter], folder: Path, tell: Callable[[str], None]) -> None:
    """Install what the adapters need. Raises `UsageError` if that fails."""
    packages = sorted({package for adapter in adapters if adapter.language == "node" for package in adapter.packages})
    if packages:
        tell(f"installing {NODE_PACKAGE} {' '.join(packages)}")
        install_node(packages, node_folder(folder))
    for adapter in _first_users(adapters):
        tell(f"installing {' '.join(adapter.packages)}")
        install_python(adapter.packages, find_python(adapter, folder))


def _first_users(adapters: Iterable[Adapter]) -> Iterable[Adapter]:
    """One Python adapter for each set of packages; our own client needs nothing."""
    users = {
        adapter.packages: adapter for adapter in adapters if adapter.language == "python" and adapter.name != "client"
    }
    return users.values()


def node_folder(folder: Path) -> Path:
    """Where Node's consumers are."""
    return folder.resolve() / "node"


def find_python(adapter: Adapter, folder: Path) -> Path:
    """The Python of a consumer's environment."""
    name = "-".join(adapter.distributions)
    return folder.resolve() / "python" / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install_python(packages: Sequence[str], python: Path) -> None:
    """The newest versions of some packages, into the environment of a Python, which is made if there is none."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if not python.exists():
        make = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        _do([*make, str(python.parents[1])])
    pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    _do([*pip, "--quiet", "--upgrade", *packages])


def install_node(packages: Sequence[str], place: Path) -> None:
    """The newest versions of some packages, and a Node that is new enough for them, into one folder."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    _do([*npm, NODE_PACKAGE], cwd=place)
    path = os.pathsep.join([str(place / "node_modules" / ".bin"), os.environ.get("PATH", "")])
    _do([*npm, *(f"{package}@latest" for package in packages)], cwd=place, env={**os.environ, "PATH": path})


def _do(command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd, env=env)
    except FileNotFoundError as error:
        raise UsageError(f"{command[0]} is needed, and cannot be found") from error
    except subprocess.CalledProcessError as error:
        raise UsageError(f"{' '.join(command)} failed: {(error.stderr or error.stdout).strip()[-500:]}") from error
