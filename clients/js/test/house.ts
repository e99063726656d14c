// A real hubmesh in the hand of a test: the programs that scripts/test.mjs has
// built, each in a process of its own, and a backend on their NATS.

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { Hub, type HubOptions } from "hubmesh-client";
import WebSocket from "ws";

const secret = "a secret that is long enough for HS256";
const programs = process.env["HUBMESH_PROGRAMS"];

/** How long anything may take on a machine that is busy with other things. */
export const patience = 60_000;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token, valid for so many seconds. */
export function token(user: string, { ttl = 3600, ...claims }: { ttl?: number } & Record<string, unknown> = {}): string {
  const now = Date.now() / 1000;
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({
    sub: user, iat: Math.floor(now), exp: now + ttl, rooms: ["task:*", "project:*"], ...claims,
  })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

/** Looks until it is so. */
export async function until(what: string, so: () => unknown): Promise<void> {
  const end = Date.now() + patience;
  while (!(await so())) {
    if (Date.now() > end) throw new Error(`not so after ${patience} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** A port that nobody listened on a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** A program that serves clients on a port. */
export class Program {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = "";

  constructor(name: string, args: string[], readonly port: number, env: Record<string, string>) {
    if (!programs) throw new Error("there are no programs to test against: run npm test");
    this.#process = spawn(join(programs, name), args, {
      env: { ...process.env, HUBMESH_LISTEN: `127.0.0.1:${port}`, HUBMESH_LOG: "error", HUBMESH_JWT_SECRET: secret, HUBMESH_ALLOWED_ORIGINS: "*", ...env },
    });
    this.#ended = once(this.#process, "exit");
    for (const out of [this.#process.stdout, this.#process.stderr]) out?.on("data", (data) => (this.#said += data));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async ready(): Promise<this> {
    await until(`${this.url} is ready`, async () => {
      if (this.#process.exitCode !== null) throw new Error(`it ended: ${this.#said}`);
      return fetch(`${this.url}/api/v1/health/ready`).then((answer) => answer.ok, () => false);
    });
    return this;
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#process.kill(signal);
    await this.#ended;
  }
}

/** The whole of hubmesh in one process, whose gateway is `main`. */
export class House {
  readonly #t: Pick<TestContext, "after">;
  #gateways = 0;

  private constructor(t: Pick<TestContext, "after">, readonly main: Program, readonly nats: NatsConnection, readonly natsURL: string) {
    this.#t = t;
  }

  /** Starts one, which ends with the test. */
  static async start(t: Pick<TestContext, "after">, env: Record<string, string> = {}): Promise<House> {
    const dir = await mkdtemp(join(tmpdir(), "hubmesh-client-"));
    const natsListen = `127.0.0.1:${await freePort()}`;
    const main = new Program("hubmesh", ["dev"], await freePort(), {
      HUBMESH_DATA_DIR: dir, HUBMESH_DEV_NATS_LISTEN: natsListen, HUBMESH_GATEWAY_ID: "main", HUBMESH_DRAIN: "1s", ...env,
    });
    t.after(async () => {
      await main.end("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    });
    await main.ready();
    const nats = await connect({ servers: natsListen });
    t.after(() => nats.close());
    return new House(t, main, nats, `nats://${natsListen}`);
  }

  /** One more gateway, in a process of its own. */
  async gateway(env: Record<string, string> = {}): Promise<Program> {
    const gateway = new Program("gateway", [], await freePort(), {
      HUBMESH_NATS_URL: this.natsURL, HUBMESH_GATEWAY_ID: `g${++this.#gateways}`, HUBMESH_ADMIN_LISTEN: "127.0.0.1:0", HUBMESH_DRAIN: "1s", ...env,
    });
    this.#t.after(() => gateway.end("SIGKILL"));
    return gateway.ready();
  }

  /** Publishes durably, as a backend does, and returns the offset. */
  async publish(room: string, event: string, data: unknown): Promise<number> {
    const said = headers();
    said.set("Hub-Event", event);
    const answer = await this.nats.request(subject("event", room), JSON.stringify(data), { headers: said, timeout: patience });
    return answer.json<{ seq: number }>().seq;
  }

  /** Says it now or never. */
  signal(room: string, event: string, data: unknown): void {
    const said = headers();
    said.set("Hub-Event", event);
    this.nats.publish(subject("live", room), JSON.stringify(data), { headers: said });
  }

  /** Answers an event of clients. */
  async answer(event: string, reply: (data: any, user: string) => unknown): Promise<void> {
    const asked = this.nats.subscribe(`hub.call.${event.replaceAll(":", ".")}`);
    void (async () => {
      for await (const m of asked) m.respond(JSON.stringify(reply(m.json(), m.headers!.get("Hub-User"))));
    })();
    await this.nats.flush();
  }
}

/** One house for all tests of a file. */
export function sharedHouse(env?: Record<string, string>): () => House {
  const ends: (() => unknown)[] = [];
  let house: House;
  before(async () => {
    house = await House.start({ after: (end: any) => void ends.push(end) }, env);
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return () => house;
}

/** A hub that ends with the test, and comes back soon. */
export function client(t: Pick<TestContext, "after">, url: string, user: string, options: HubOptions = {}): Hub {
  const hub = new Hub(url, { WebSocket, token: () => token(user), backoff: { first: 50, most: 200 }, ...options });
  t.after(() => hub.close());
  return hub;
}

/** A promise of the first call, and what it was called with. */
export function first<Args extends unknown[]>(listen: (call: (...args: Args) => void) => unknown): Promise<Args> {
  return new Promise((resolve) => listen((...args) => resolve(args)));
}

const escape = (token: string) =>
  [...Buffer.from(token)].map((b) => (/[A-Za-z0-9_-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `=${b.toString(16).padStart(2, "0")}`)).join("");

function subject(kind: string, room: string): string {
  const at = room.indexOf(":");
  return `hub.${kind}.${room.slice(0, at)}.${escape(room.slice(at + 1))}`;
}
