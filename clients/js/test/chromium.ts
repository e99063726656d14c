// A headless Chromium in the hand of a test, driven by the DevTools protocol
// over a pair of pipes: JSON messages, each ended by a zero byte.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";
import { patience } from "./house.js";

/** Where a Chromium is. Without one nothing is tested here, and that is a failure. */
function find(): string {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      continue;
    }
  }
  throw new Error("no Chromium is installed, so nobody has looked at the client in a browser: apt-get install chromium");
}

export class Page {
  readonly #in: Writable;
  readonly #asks = new Map<number, { resolve: (result: any) => void; reject: (error: Error) => void }>();
  #number = 0;
  #session: string | undefined;
  #loaded: (() => void) | undefined;
  /** What the page's console has shown as uncaught errors. */
  readonly faults: string[] = [];

  private constructor(process: ChildProcess) {
    this.#in = process.stdio[3] as Writable;
    let rest = "";
    (process.stdio[4] as Readable).setEncoding("utf8").on("data", (data: string) => {
      const messages = (rest + data).split("\0");
      rest = messages.pop()!;
      for (const message of messages) this.#take(JSON.parse(message));
    });
    process.on("exit", () => this.#asks.forEach(({ reject }) => reject(new Error("Chromium has ended"))));
  }

  /** Starts a browser with an empty page, which ends with the test. */
  static async start(t: Pick<TestContext, "after">): Promise<Page> {
    const dir = await mkdtemp(join(tmpdir(), "hubmesh-chromium-"));
    const process = spawn(find(), [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe", `--user-data-dir=${dir}`,
    ], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    t.after(async () => {
      process.kill("SIGKILL");
      await once(process, "exit");
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    });
    const page = new Page(process);
    const { targetId } = await page.do("Target.createTarget", { url: "about:blank" });
    page.#session = (await page.do("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Network"]) await page.do(`${domain}.enable`);
    return page;
  }

  #take({ id, method, params, result, error }: any): void {
    if (method === "Runtime.exceptionThrown") this.faults.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Page.loadEventFired") this.#loaded?.();
    const ask = this.#asks.get(id);
    this.#asks.delete(id);
    if (error) ask?.reject(new Error(error.message));
    else ask?.resolve(result);
  }

  /** Sends a command of the protocol. */
  do(method: string, params: object = {}): Promise<any> {
    const id = ++this.#number;
    this.#in.write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return new Promise((resolve, reject) => this.#asks.set(id, { resolve, reject }));
  }

  /** Loads an address. */
  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => (this.#loaded = resolve));
    await this.do("Page.navigate", { url });
    await loaded;
  }

  /** Runs an expression in the page, and waits for it where it is a promise. */
  async eval(expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.do("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Looks until it is so in the page. */
  async until(condition: string, instead = "document.body.innerText"): Promise<void> {
    const end = Date.now() + patience;
    while (!(await this.eval(condition))) {
      if (Date.now() > end) throw new Error(`not so: ${condition}; there is: ${await this.eval(instead)}; faults: ${this.faults}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

/** Serves a page and the scripts that it loads, by path; `/hubmesh.js` is the client as browsers load it. */
export async function serve(t: Pick<TestContext, "after">, html: string, scripts: Record<string, string> = {}): Promise<string> {
  const client = await readFile("dist/hubmesh.js", "utf8");
  const files: Record<string, string> = { "/hubmesh.js": client, ...scripts };
  const server = createServer((request, response) => {
    const script = files[request.url!];
    response.setHeader("Content-Type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? html);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void (server.close(), server.closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}
