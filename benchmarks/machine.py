"""The machine: its cores, memory and limits, and what it is, in words."""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "openai-mockserver",
    "starlette",
    "uvicorn",
    "httptools",
    "uvloop",
    "msgspec",
    "httpx2",
    "openai",
    "httpx-sse",
)

BUSY = 0.5
"""The load average for each core above which others take what is to be measured."""


def list_cores() -> list[int]:
    """The cores that this process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def server_core() -> int | None:
    """Where servers run, alone; None where there is no core to spare."""
    cores = list_cores()
    return cores[0] if len(cores) > 1 else None


def load_core() -> int | None:
    """Where the load generator runs: another core than the servers'."""
    cores = list_cores()
    return cores[-1] if len(cores) > 1 else None


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """While this lasts, this thread runs on `core` alone, and so does for good every process it starts."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def read_rss_bytes(pid: int) -> int:
    """The memory of a process that is in RAM."""
    statm = Path(f"/proc/{pid}/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=True)
    return int(told.stdout) * 1024


def read_cpu_s(pid: int) -> float | None:
    """The processor time that a process has used; None where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raise_descriptor_limit(wanted: int) -> int:
    """Let this process and its children open `wanted` descriptors, or as many as they may; returns how many that is."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return max(soft, allowed)


def measure_yardstick_s() -> float:
    """How long a fixed piece of work takes in this Python, in seconds: what rows are compared with that have no rival."""
    value = [{"id": number, "text": "x" * 40, "list": [number] * 8} for number in range(2_000)]

    def work() -> float:
        started = time.perf_counter()
        for _ in range(5):
            json.loads(json.dumps(value))
        return time.perf_counter() - started

    return min(work() for _ in range(5))


def describe_machine() -> dict[str, str]:
    """What a reader must know to compare: date, system, processor, versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {found}" for name in PACKAGES if (found := find_version(name))),
        "load average at the start": describe_load(os.getloadavg()[0], os.cpu_count() or 1),
    }


def describe_load(load: float, cores: int) -> str:
    """How busy the machine was with other work, and whether the figures suffer from it."""
    if load <= BUSY * cores:
        return f"{load:.2f}"
    return f"{load:.2f} on {cores} cores. **The machine was busy with other work: these figures are not to be trusted**"


def find_version(package: str) -> str | None:
    """The installed version of a package, or None."""
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or sys.platform
