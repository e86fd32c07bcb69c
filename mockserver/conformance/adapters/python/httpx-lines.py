"""A loop written by hand over `iter_lines` of httpx, as tutorials show it."""

import json

import httpx

LACKS = ("parsed_arguments", "retries")
client = httpx.Client()


def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    with client.stream("POST", url, json=case.request, timeout=case.timeout_s) as response:
        response.raise_for_status()
        for line in outcome.each(response.iter_lines()):
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                break
            chunk = json.loads(data)
            if "error" in chunk or "choices" not in chunk:
                raise RuntimeError(data)
            outcome.add_chunk(chunk)
