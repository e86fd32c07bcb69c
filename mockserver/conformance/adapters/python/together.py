"""together: `create(stream=True)`, each chunk read in a loop. It has no argument for stream_options."""

from together import Together

LACKS = ("audio", "function_call", "logprobs", "parsed_arguments")
client = Together(base_url="http://127.0.0.1/v1", api_key="test")


def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    options = case.request.pop("stream_options", None)
    extra = {"stream_options": options} if options else None
    with own.chat.completions.create(**case.request, extra_body=extra) as stream:
        for chunk in outcome.each(stream):
            outcome.add_chunk(chunk)
