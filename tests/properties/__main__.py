"""The deep profile: `make fuzz` runs the property tests again and again, each round with another seed, until the time is up.

FUZZ_S is how many seconds; 120 unless told. The first round is as short as that of `make test`, so that none is left out where
there is little time; the next ones go deep, in another order each. What a round found is kept in Hypothesis's database, and
makes the next ordinary run fail as well: where the time is up in the middle of a round, that is looked at last.
"""

import os
import random
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

TESTS = (
    "tests/properties",
    "tests/client/test_accumulate.py",
    "tests/client/test_reader.py",
    "tests/client/test_sse.py",
    "tests/mockserver/faults",
    "tests/mockserver/test_conformity.py",
    "tests/mockserver/test_lint.py",
    "tests/mockserver/test_plan.py",
    "tests/mockserver/test_sse.py",
    "tests/mockserver/test_strikes.py",
    "tests/mockserver/test_writes.py",
)
PYTEST = (sys.executable, "-m", "pytest", "-m", "hypothesis", "-x", "--no-header")


FOUND = "found"
"""The profile that plays only what was found before."""


def play(profile: str, seed: int, files: Sequence[str], bound_s: float | None) -> int | None:
    """One round; its exit code, or None if the time was up before it was through."""
    process = subprocess.Popen(make_command(profile, files), env={**os.environ, "FUZZ_SEED": str(seed)})
    try:
        return process.wait(bound_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()
        process.wait()


def make_command(profile: str, files: Sequence[str]) -> list[str]:
    return [*PYTEST, "-q" if profile == FOUND else "-v", f"--hypothesis-profile={profile}", *files]


def main(more: Sequence[str], bound_s: float) -> int:
    """Rounds until the time is up, or one fails; the exit code. `more` are further arguments of pytest."""
    until_s = time.monotonic() + bound_s
    rounds = 0
    while (left_s := until_s - time.monotonic()) > 0:
        seed, profile = secrets.randbelow(1 << 32), "deep" if rounds else "brief"
        print(f"round {rounds + 1}: seed {seed}, profile {profile}, {left_s:.0f} s left", flush=True)
        files = [*(random.Random(seed).sample(TESTS, len(TESTS)) if rounds else TESTS), *more]
        code = play(profile, seed, files, left_s)
        rounds += 1
        if code is None:
            print(f"\ntime is up after {bound_s:g} s, in round {rounds}: was anything found in it?", flush=True)
            code = play(FOUND, seed, files, None)
        if code:
            print(f"this round again: FUZZ_SEED={seed} {shlex.join(make_command(profile, files))}")
            print("what it found alone: `make test` plays it until it is mended; pin it with @example", flush=True)
            return code
    print(f"nothing found in {rounds} rounds", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], float(os.environ.get("FUZZ_S", "120"))))
    except KeyboardInterrupt:
        sys.exit(130)
