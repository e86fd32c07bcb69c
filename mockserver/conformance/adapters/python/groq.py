"""groq: `create(stream=True)`, each chunk read in a loop.

It adds /openai/v1 to its base_url by itself, and has no argument for stream_options.
"""

from groq import Groq

LACKS = ("audio", "parsed_arguments")
client = Groq(base_url="http://127.0.0.1", api_key="test")


def ask(case, outcome):
    base_url = case.base_url.removesuffix("/v1")
    own = client.with_options(base_url=base_url, timeout=case.timeout_s, max_retries=case.retries)
    options = case.request.pop("stream_options", None)
    extra = {"stream_options": options} if options else None
    with own.chat.completions.create(**case.request, extra_body=extra) as stream:
        for chunk in outcome.each(stream):
            outcome.add_chunk(chunk)
