// @openai/agents: `run(agent, input, {stream: true})` over its chat-completions model, one turn, stopping at the first tool.
//
// It has no timeout for the next byte; the fetch given to its client has one. A refusal is thrown.

import { Agent, OpenAIChatCompletionsModel, run, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';

setTracingDisabled(true);
const lacks = ['audio', 'custom_tools', 'finish_reason', 'function_call', 'n', 'parsed_arguments', 'refusal'];

async function ask(line, outcome) {
  const client = new OpenAI({ baseURL: line.base_url, apiKey: 'test', maxRetries: line.retries, fetch: outcome.fetch });
  const tools = (line.request.tools ?? []).map(({ function: f }) =>
    tool({ name: f.name, description: f.description ?? '', parameters: f.parameters, strict: true, execute: () => 'done' }));
  const model = new OpenAIChatCompletionsModel(client, line.request.model);
  const agent = new Agent({ name: 'agent', model, tools, toolUseBehavior: 'stop_on_first_tool' });
  const input = line.request.messages.map(({ role, content }) => ({ role, content }));
  const result = await run(agent, input, { stream: true, maxTurns: 1 });
  for await (const event of outcome.each(result)) {
    if (event.data?.type === 'output_text_delta') outcome.addText(event.data.delta);
  }
  await result.completed;
  const [response] = result.rawResponses;
  const parts = response.output.filter((item) => item.type === 'message').flatMap((item) => item.content);
  outcome.addMessage({ content: parts.map((part) => part.text ?? '').join('') });
  for (const item of response.output) {
    if (item.type === 'function_call') outcome.addCall(item.callId, item.name, item.arguments);
    if (item.type === 'reasoning') for (const part of item.rawContent ?? item.content) outcome.addReasoning(part.text);
  }
  outcome.usage = { prompt_tokens: response.usage.inputTokens, completion_tokens: response.usage.outputTokens };
}
