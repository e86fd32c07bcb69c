"""openai-agents: `Runner.run_streamed` over its chat-completions model, one turn, stopping at the first tool."""

from agents import Agent, FunctionTool, OpenAIChatCompletionsModel, RunConfig, Runner
from openai import AsyncOpenAI

LACKS = ("audio", "custom_tools", "finish_reason", "function_call", "n", "parsed_arguments", "refusal")
client = AsyncOpenAI(base_url="http://127.0.0.1/v1", api_key="test")


async def invoke(context, arguments):
    return "done"


async def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    functions = [tool["function"] for tool in case.request.get("tools", ())]
    tools = [FunctionTool(f["name"], "", f["parameters"], invoke, strict_json_schema=False) for f in functions]
    model = OpenAIChatCompletionsModel(case.request["model"], own)
    agent = Agent(name="agent", model=model, tools=tools, tool_use_behavior="stop_on_first_tool")
    run = Runner.run_streamed(agent, case.request["messages"], max_turns=1, run_config=RunConfig(tracing_disabled=True))
    try:
        async for event in outcome.each_async(run.stream_events()):
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                outcome.add_text(event.data.delta)
    finally:
        run.cancel()
    [response] = run.raw_responses
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    thoughts = [part for item in response.output if item.type == "reasoning" for part in item.summary or item.content]
    outcome.add_message({
        "content": "".join(part.text for part in parts if part.type == "output_text"),
        "reasoning": "".join(thought.text for thought in thoughts),
    })  # fmt: skip
    for call in response.output:
        if call.type == "function_call":
            outcome.add_call(call.call_id, call.name, call.arguments)
    usage = response.usage
    outcome.usage = {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
