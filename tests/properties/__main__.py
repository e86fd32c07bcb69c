"""The deep profile: `make fuzz` runs every property test again and again, each time with another seed, until the time is up.

FUZZ_S is how many seconds; 120 unless told. Each round's seed is printed: `pytest --hypothesis-seed=SEED` repeats it. What was
found is kept in Hypothesis's database, so that the next ordinary run fails on it too.
"""

import os
import secrets
import subprocess
import sys
import time

TESTS = (
    "tests/properties",
    "tests/client/test_sse.py",
    "tests/client/test_accumulate.py",
    "tests/mockserver/test_plan.py",
    "tests/mockserver/faults",
    "tests/mockserver/test_strikes.py",
)
ROUND_EXAMPLES = "fast"
"""The profile of a short round; when there is time for more, the next ones take `deep`."""


def run_round(seed: int, profile: str, bound_s: float, more: list[str]) -> int | None:
    """One run of all property tests; its exit code, or None if the time was up before it was through."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", *TESTS, "-k", "not 64_mib", f"--hypothesis-seed={seed}"]
    print(f"seed {seed}, profile {profile}", flush=True)
    process = subprocess.Popen([*command, f"--hypothesis-profile={profile}", *more])
    try:
        return process.wait(bound_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def main(more: list[str], bound_s: float) -> int:
    """Rounds until the time is up, or one fails; the exit code."""
    until = time.monotonic() + bound_s
    rounds = 0
    while (left_s := until - time.monotonic()) > 0:
        code = run_round(secrets.randbelow(1 << 32), "deep" if rounds else ROUND_EXAMPLES, left_s, more)
        if code:
            return code
        rounds += code is not None
    print(f"time is up after {bound_s:g} s: {rounds} rounds through, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], float(os.environ.get("FUZZ_S", "120"))))
