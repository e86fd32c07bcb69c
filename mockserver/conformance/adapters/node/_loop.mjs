// What all Node adapters share: the loop that reads cases and writes answers, and the tolerant loop over OpenAI's chunks.
//
// Stands behind an adapter's source in one module, run as `node --input-type=module --eval SOURCE -- NAME PACKAGE` from the user's
// own folder, so that its node_modules are found. An adapter imports its consumer and defines
//
//   lacks               what the consumer cannot tell, in the words of docs/writing-a-consumer.md
//   ask(line, outcome)  makes the request of the case and puts what the consumer gives into the outcome
//   version, close      only if it is no package that has a version, or if something is to be done at the end
//
// An adapter repairs nothing. What it throws is reported as the error; what the outcome had by then, as what was kept.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const TELL_PAUSE_MS = 50;

// The case asks to leave here. It runs through the adapter, whose `for await` closes what it iterates.
class Left extends Error {}

class Choice {
  constructor() {
    Object.assign(this, { content: '', tool_calls: [], refusal: '', reasoning: '', finish_reason: null });
    Object.defineProperty(this, 'byIndex', { value: new Map() });
  }

  // Append one delta, as anybody's loop would that has met more than one provider.
  addDelta(delta) {
    this.content = append(this.content, delta.content);
    this.refusal = append(this.refusal, delta.refusal);
    this.reasoning = append(this.reasoning, delta.reasoning_content || delta.reasoning);
    for (const piece of delta.tool_calls ?? []) this.addPiece(piece);
    if (delta.function_call) this.addPiece({ index: 'legacy', function: delta.function_call });
  }

  // A piece belongs to the call of its index, unless it has another id and a name: then it begins a call.
  addPiece({ index, id, type, custom, function: said = custom ?? {} }) {
    let call = this.byIndex.get(index);
    if (!call || (id && call.id && id !== call.id && said.name)) {
      call = { id: id ?? null, type: type || (custom ? 'custom' : 'function'), name: null };
      call[call.type === 'custom' ? 'input' : 'arguments'] = '';
      this.byIndex.set(index, call);
      this.tool_calls.push(call);
    }
    const text = 'input' in call ? 'input' : 'arguments';
    call.id ||= id ?? null;
    call.name ||= said.name;
    call[text] = append(call[text], said[text]);
  }
}

function append(text, said) {
  if (said && typeof said !== 'string') throw new TypeError(`expected text, got ${JSON.stringify(said)}`);
  return text + (said ?? '');
}

class Outcome {
  constructor(line) {
    Object.assign(this, { line, choices: new Map([[0, new Choice()]]), usage: null, steps: 0, told: 0, toldAt: Date.now() });
  }

  // Node's fetch with the case's longest wait for the next byte: undici's own timeouts, which can be reached no other way.
  fetch = (url, init) => {
    const ms = this.line.timeout_s * 1000;
    const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')]?.compose?.(
      (dispatch) => (options, handler) => dispatch({ ...options, headersTimeout: ms, bodyTimeout: ms }, handler));
    return fetch(url, dispatcher ? { ...init, dispatcher } : init);
  };

  // Iterate as the case asks.
  async *each(stream) {
    for await (const item of stream) {
      yield item;
      await this.step();
    }
  }

  // Called after each item: pauses, or throws `Left`, as the case asks.
  async step() {
    const { leave_after_chunks: chunks, read_pause_ms: pause } = this.line;
    if (chunks !== null && ++this.steps >= chunks) throw new Left();
    if (pause) await new Promise((done) => setTimeout(done, pause));
  }

  // Append a chunk of OpenAI's shape.
  addChunk(chunk) {
    this.usage = chunk.usage || this.usage;
    for (const choice of chunk.choices ?? []) {
      const index = choice.index ?? 0;
      if (!this.choices.has(index)) this.choices.set(index, new Choice());
      const own = this.choices.get(index);
      const delta = choice.delta ?? choice.message;
      if (delta) own.addDelta(delta);
      own.finish_reason = choice.finish_reason || own.finish_reason;
    }
    this.tell();
  }

  // Take a whole message of OpenAI's shape, in place of what was taken for its choice so far.
  addMessage(message, finishReason, index = 0) {
    const own = new Choice();
    own.addDelta(message);
    own.finish_reason = finishReason;
    this.choices.set(index, own);
  }

  addText(text) {
    if (text) this.choices.get(0).content += text;
    this.tell();
  }

  addReasoning(text) {
    if (text) this.choices.get(0).reasoning += text;
  }

  // Add a whole tool call; arguments that are no text are written as JSON.
  addCall(id, name, given) {
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    this.choices.get(0).tool_calls.push({ id, type: 'function', name, arguments: text });
  }

  finish(reason, usage) {
    this.choices.get(0).finish_reason = reason ?? this.choices.get(0).finish_reason;
    this.usage = usage ?? this.usage;
  }

  tell() {
    if (Date.now() - this.toldAt < TELL_PAUSE_MS) return;
    const { content } = this.choices.get(0);
    if (content.length > this.told) write({ case: this.line.case, delta: content.slice(this.told) });
    Object.assign(this, { told: content.length, toldAt: Date.now() });
  }

  report() {
    const choices = [...this.choices].sort(([a], [b]) => a - b).map(([index, choice]) => ({ index, ...choice }));
    return { case: this.line.case, ...(choices.length > 1 ? { choices } : choices[0]), usage: this.usage };
  }
}

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// What libraries print must not get into the protocol.
console.log = console.info = console.debug = console.error;

function findVersion(name, folder = process.cwd()) {
  try {
    return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'))).version;
  } catch {
    return folder === dirname(folder) ? '' : findVersion(name, dirname(folder));
  }
}

async function speak(name, library) {
  // undici, and with it its dispatcher, is loaded by the first fetch.
  await fetch('data:,');
  process.on('unhandledRejection', (error) => console.error(error));
  write({ consumer: name, version: typeof version === 'string' ? version : findVersion(library), lacks });
  for await (const text of createInterface({ input: process.stdin })) {
    const line = JSON.parse(text);
    const outcome = new Outcome(line);
    let error = null;
    try {
      await ask(line, outcome);
    } catch (thrown) {
      if (!(thrown instanceof Left)) {
        error = { type: thrown?.name ?? typeof thrown, message: String(thrown?.message ?? thrown).slice(0, 2000) };
      }
    }
    write({ ...outcome.report(), error });
  }
  if (typeof close === 'function') await close();
  process.exit();
}

await speak(...process.argv.slice(1));
