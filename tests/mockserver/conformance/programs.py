"""Small consumers' programs for tests: each does one thing, right or wrong, and needs no package."""

import sys
from pathlib import Path
from textwrap import dedent

LOOP = dedent("""
    import json, os, signal, subprocess, sys, time, urllib.error, urllib.request

    def say(**values):
        print(json.dumps(values), flush=True)

    def ask(line):
        request = urllib.request.Request(
            line["base_url"] + "/chat/completions",
            json.dumps(line["request"]).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            return response.read().decode()

    def read(line):
        got = {"content": "", "finish_reason": None, "usage": None, "error": None}
        for event in ask(line).split("\\n\\n"):
            data = event.removeprefix("data: ")
            if not data or data == "[DONE]":
                continue
            chunk = json.loads(data)
            if "error" in chunk:
                raise ValueError("the server told an error")
            got["usage"] = chunk.get("usage") or got["usage"]
            for choice in chunk["choices"]:
                got["content"] += KEEP(choice) or ""
                got["finish_reason"] = choice["finish_reason"] or got["finish_reason"]
        if got["finish_reason"] is None:
            raise ValueError("the stream ended without a finish reason")
        return got

    def KEEP(choice):
        return choice["delta"].get("content")

    def run(line):
        try:
            return read(line)
        except Exception as error:
            return {"error": {"type": type(error).__name__, "message": str(error)}}

    LACKS = ["tools", "n", "refusal", "reasoning"]

    def main(answer, lacks=LACKS):
        say(consumer="tiny", version="1.0", lacks=lacks)
        for text in sys.stdin:
            line = json.loads(text)
            got = answer(line)
            if got is not None:
                say(**{"case": line["case"], **got})
""")
"""What the programs share: `main(answer)` speaks the protocol, `run(line)` asks and reads plain framing."""


def write_program(folder: Path, source: str, name: str = "program.py") -> list[str]:
    """Write a program, which may use what `LOOP` has, and return the command that runs it."""
    path = folder / name
    path.write_text(f"{LOOP}\n{dedent(source)}", encoding="utf-8")
    return [sys.executable, str(path)]
