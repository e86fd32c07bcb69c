// openai (npm): the helper `chat.completions.stream()`, which adds the chunks up itself.
//
// Its timeout ends at the headers; for the rest of the answer, the fetch given to it has one.

import OpenAI from 'openai';

const lacks = ['reasoning'];

async function ask(line, outcome) {
  const client = new OpenAI({
    baseURL: line.base_url, apiKey: 'test', maxRetries: line.retries, timeout: line.timeout_s * 1000, fetch: outcome.fetch,
  });
  const stream = client.chat.completions.stream(line.request);
  for await (const chunk of outcome.each(stream)) {
    outcome.addChunk(chunk);
  }
  const completion = await stream.finalChatCompletion();
  for (const choice of completion.choices) {
    outcome.addMessage(choice.message, choice.finish_reason, choice.index);
  }
  outcome.usage = completion.usage;
}
