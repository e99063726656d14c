// A network between client and gateway that delays, cuts, stands still, and
// says what a gateway may say.

import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";

interface Pair {
  client: Socket;
  server: Socket;
  still: boolean;
  mute: boolean;
}

/** A frame of a WebSocket's server, RFC 6455 section 5.2: final, not masked. */
function frame(opcode: number, body: Buffer): Buffer {
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length]) : Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, body]);
}

export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Milliseconds that each chunk takes, in each direction. */
  delay = 0;
  /** Takes no connections: who comes is thrown out. */
  closed = false;
  /** Connections that came so far. */
  came = 0;
  /** Where they go. */
  target: number;
  /** A figure to say instead of the gateway's 25000, in at most five digits. */
  heartbeatMs: number | undefined;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#take(client));
  }

  static async start(t: Pick<TestContext, "after">, target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    t.after(() => {
      proxy.#server.close();
      proxy.cut();
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#pairs.size;
  }

  #take(client: Socket): void {
    this.came++;
    if (this.closed) return void client.destroy();
    const server = createConnection(this.target, "127.0.0.1");
    const pair: Pair = { client, server, still: false, mute: false };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", () => pair.still || end());
    this.#pipe(pair, client, server, (data) => data);
    this.#pipe(pair, server, client, (data) => (pair.mute ? Buffer.alloc(0) : this.#rewrite(data)));
  }

  #pipe(pair: Pair, from: Socket, to: Socket, change: (data: Buffer) => Buffer): void {
    let before = Promise.resolve();
    from.on("data", (data) => {
      if (pair.still) return;
      const { delay } = this;
      const late = delay ? new Promise<void>((done) => setTimeout(done, delay)) : undefined;
      if (!late) return void to.write(change(data));
      before = before.then(() => late).then(() => void (pair.still || to.destroyed || to.write(change(data))));
    });
  }

  #rewrite(data: Buffer): Buffer {
    if (!this.heartbeatMs) return data;
    // As long as before, so that the frame's length stays right.
    return Buffer.from(data.toString("latin1").replace('"heartbeatMs":25000', `"heartbeatMs":${String(this.heartbeatMs).padStart(5)}`), "latin1");
  }

  /** Cuts all connections. */
  cut(): void {
    // Not by a reset: Node 20 may then spin for ever when the process ends.
    for (const { client, server } of [...this.#pairs]) {
      client.destroy();
      server.destroy();
    }
  }

  /** Lets nothing through any more on the connections that there are, and tells nobody. */
  freeze(): void {
    for (const pair of this.#pairs) pair.still = true;
  }

  /** Lets nothing that gateways say through any more on the connections that there are. */
  mute(): void {
    for (const pair of this.#pairs) pair.mute = true;
  }

  /** Says an event to all clients, as a gateway would. */
  say(event: object): void {
    for (const { client } of this.#pairs) client.write(frame(1, Buffer.from(JSON.stringify(event))));
  }

  /** Closes all connections with a code. */
  close(code: number, reason: string): void {
    for (const { client } of [...this.#pairs]) {
      client.write(frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])));
    }
  }
}
