"""openai-python: AsyncOpenAI, each chunk read in an `async for`."""

from openai import AsyncOpenAI

LACKS = ("parsed_arguments",)
client = AsyncOpenAI(base_url="http://127.0.0.1/v1", api_key="test")


async def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    async with await own.chat.completions.create(**case.request) as stream:
        async for chunk in outcome.each_async(stream):
            outcome.add_chunk(chunk)
