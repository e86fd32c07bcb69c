"""A loop written by hand over the lines of aiohttp's `response.content`, as tutorials show it."""

import json

import aiohttp

LACKS = ("parsed_arguments", "retries")


async def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=case.timeout_s, sock_read=case.timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
        session.post(url, json=case.request) as response,
    ):
        async for line in outcome.each_async(response.content):
            if not line.startswith(b"data:"):
                continue
            data = line.decode("utf-8").removeprefix("data:").strip()
            if data == "[DONE]":
                break
            chunk = json.loads(data)
            if "error" in chunk or "choices" not in chunk:
                raise RuntimeError(data)
            outcome.add_chunk(chunk)
