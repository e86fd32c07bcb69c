// Headless Chromium without a package: one page, driven over the browser's debugging pipe (messages of JSON, each ended by a NUL).

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';

const FLAGS = [
  '--headless', '--remote-debugging-pipe', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update', '--disable-breakpad', '--no-proxy-server',
];

class Page {
  // Start the browser and open an empty page.
  static async open(browserPath) {
    const page = new Page();
    page.profile = mkdtempSync(joinPath(tmpdir(), 'mockserver-chromium-'));
    // Chromium refuses its sandbox to root.
    const flags = [...FLAGS, `--user-data-dir=${page.profile}`, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
    page.browser = spawn(browserPath, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    page.browser.once('error', (error) => { throw error; });
    page.browser.once('exit', (code) => page.giveUp(new Error(`${browserPath} ended, code ${code}`)));
    for (const pipe of page.browser.stdio.slice(3)) pipe.on('error', (error) => page.giveUp(error));
    page.browser.stdio[4].setEncoding('utf8').on('data', (text) => page.take(text));
    const { targetId } = await page.send('Target.createTarget', { url: 'about:blank' });
    page.sessionId = (await page.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    await page.send('Page.enable');
    await page.send('Runtime.enable');
    await page.send('Runtime.addBinding', { name: 'tell' });
    page.version = (await page.send('Browser.getVersion')).product.split('/')[1];
    return page;
  }

  constructor() {
    Object.assign(this, { waiting: new Map(), rest: '', number: 0, onTell: () => {}, onLoad: () => {} });
  }

  take(text) {
    const messages = (this.rest + text).split('\0');
    this.rest = messages.pop();
    for (const { id, result, error, method, params } of messages.map((message) => JSON.parse(message))) {
      if (method === 'Runtime.bindingCalled') this.onTell(JSON.parse(params.payload));
      if (method === 'Page.loadEventFired') this.onLoad();
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
    }
  }

  send(method, params = {}) {
    const id = ++this.number;
    this.browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  // Nothing more will come of what was sent.
  giveUp(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  // End the browser, and leave nothing of it behind.
  async close() {
    const ended = new Promise((resolve) => this.browser.once('exit', resolve));
    this.sessionId = undefined;
    this.send('Browser.close').catch(() => {});
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  // Go to an origin, so that requests to it are not another's.
  async visit(origin) {
    if (this.origin === origin) return;
    const loaded = new Promise((resolve) => { this.onLoad = resolve; });
    await this.send('Page.navigate', { url: origin });
    await loaded;
    this.origin = origin;
  }

  // Run a function in the page and wait for it; what it gives to the page's `tell` comes to `onTell`. What it throws is thrown.
  async run(code, argument, onTell) {
    let failed;
    this.onTell = (told) => {
      try { onTell(told); } catch (error) { failed ??= error; }
    };
    const expression = `(${code})(${JSON.stringify(argument)})`;
    const { exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true });
    if (failed) throw failed;
    if (!exceptionDetails) return;
    const { className = 'Error', description = exceptionDetails.text } = exceptionDetails.exception ?? {};
    throw Object.assign(new Error(description.split('\n')[0]), { name: className });
  }
}
