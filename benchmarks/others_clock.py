"""What a benchmark client that others wrote reports of our server, against what the server was told: aiperf, from PyPI."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.children import BenchmarkError, run
from benchmarks.machine import load_core
from benchmarks.peers import OTHERS
from benchmarks.row import OURS, Measured, Reading
from benchmarks.script import run_script, tell
from benchmarks.servers import Server, serving
from benchmarks.streams import ITL_S, MODEL, TOKENS, TTFT_S

CLIENT = OTHERS["aiperf"]
CONCURRENCY = 10
REQUESTS = 30
BOUND_S = 150.0

PLANNED_MS = {
    "time_to_first_token": TTFT_S * 1000,
    "inter_token_latency": ITL_S * 1000,
    "request_latency": (TTFT_S + (TOKENS - 1) * ITL_S) * 1000,
}
"""By the client's name for it, what the server was told; the last is what follows from the others."""


def measure(quick: bool) -> Measured:
    """The readings, or the sentence that the client is not installed."""
    if not CLIENT.is_installed:
        return Measured((), skipped=(CLIENT.excuse,))
    tell(f"aiperf, {REQUESTS} requests")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, serving(OURS, "paced") as server:
        told = run_client(server, Path(folder), 5 if quick else REQUESTS)
    remark = (
        f"aiperf {CLIENT.find_version()}, {CONCURRENCY} requests at once, {told['request_count']['avg']:.0f} in all, each of "
        f"{told['output_sequence_length']['avg']:.0f} tokens by the usage that the server sent ({TOKENS} were told)."
    )
    return Measured((), remarks=(remark,), readings=read_report(told))


def run_client(server: Server, folder: Path, requests: int) -> Mapping[str, Any]:
    """Run aiperf against a server and return its own report. Raises `BenchmarkError`."""
    tokenizer = folder / "tokenizer"
    write_tokenizer(tokenizer)
    settings = {
        "--model": MODEL,
        "--url": f"http://127.0.0.1:{server.port}",
        "--endpoint-type": "chat",
        "--request-count": str(requests),
        "--concurrency": str(CONCURRENCY if requests >= CONCURRENCY else requests),
        "--warmup-request-count": "2",
        "--isl": "20",
        "--tokenizer": str(tokenizer),
        "--ui": "none",
        "--output-artifact-dir": str(folder / "artifacts"),
    }
    options = [word for setting in settings.items() for word in setting]
    run([str(CLIENT.command), "profile", *options, "--streaming", "--use-server-token-count"], BOUND_S, load_core())
    file = folder / "artifacts" / "profile_export_aiperf.json"
    if not file.exists():
        raise BenchmarkError(f"aiperf wrote no {file.name}")
    told: Mapping[str, Any] = json.loads(file.read_text())
    if told.get("error_summary"):
        raise BenchmarkError(f"aiperf met errors: {json.dumps(told['error_summary'])[:300]}")
    return told


def read_report(told: Mapping[str, Any]) -> tuple[Reading, ...]:
    """What the client reports of each quantity that the server was told."""
    return tuple(
        Reading(name.replace("_", " "), "ms", planned, told[name]["avg"], told[name]["p50"], told[name]["p99"])
        for name, planned in PLANNED_MS.items()
    )


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of single bytes, in Hugging Face's format: the client wants one to make prompts, and none is to be fetched.

    Its alphabet is GPT-2's: bytes that can be printed stand for themselves, the others for what follows U+00FF.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(0x100 + number) for number in range(len(others))]
    end = "<|end|>"
    vocabulary = {letter: number for number, letter in enumerate([*letters, end])}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"id": vocabulary[end], "content": end, "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    folder.mkdir()
    (folder / "tokenizer.json").write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [{**special, **flags}],
                "pre_tokenizer": byte_level,
                "decoder": byte_level,
                "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
            }
        )
    )
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end, "bos_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
