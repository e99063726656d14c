// A real hubmesh in the hand of a test: the programs that scripts/test.mjs has
// built, each in a process of its own, and a backend on their NATS.

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { Hub, type HubOptions } from "hubmesh-client";
import WebSocket from "ws";

const secret = "a secret that is long enough for HS256";
const program = process.env["HUBMESH_PROGRAM"];

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

/** One `hubmesh dev`, which says where it listens: on ports that were free. */
export class Program {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = "";
  #told = false; // to end

  private constructor(env: Record<string, string>) {
    if (!program) throw new Error("there is no program to test against: run npm test");
    this.#process = spawn(program, ["dev"], {
      env: {
        ...process.env, HUBMESH_LISTEN: "127.0.0.1:0", HUBMESH_LOG: "error", HUBMESH_DRAIN: "1s",
        HUBMESH_JWT_SECRET: secret, HUBMESH_ALLOWED_ORIGINS: "*", ...env,
      },
    });
    this.#ended = once(this.#process, "exit");
    this.#process.once("exit", (code, signal) => {
      if (!this.#told) console.error(`hubmesh has ended by itself, with ${code ?? signal}: ${this.#said}`);
    });
    for (const out of [this.#process.stdout, this.#process.stderr]) out?.on("data", (data) => (this.#said += data));
  }

  /** Starts one, which ends with the test at the latest. */
  static async start(t: Ends, env: Record<string, string>): Promise<Program> {
    const started = new Program(env);
    t.after(() => started.end("SIGKILL"));
    await until("hubmesh says where it is", () => /clients.*\n[^]*\n\n/.test(started.#said));
    return started;
  }

  #address(scheme: string): { url: string; port: number } {
    const [url, port] = this.#said.match(new RegExp(`${scheme}://127\\.0\\.0\\.1:(\\d+)`))!;
    return { url, port: Number(port) };
  }

  get port(): number {
    return this.#address("ws").port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get natsURL(): string {
    return this.#address("nats").url;
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#told = true;
    this.#process.kill(signal);
    await this.#ended;
  }
}

/** What ends with a test. */
type Ends = Pick<TestContext, "after">;

/** The whole of hubmesh in one process, whose gateway is `main`. */
export class House {
  readonly #t: Ends;
  #gateways = 0;
  readonly others: Program[] = [];

  private constructor(t: Ends, readonly main: Program, readonly nats: NatsConnection) {
    this.#t = t;
  }

  /** Starts one, which ends with the test. */
  static async start(t: Ends, env: Record<string, string> = {}): Promise<House> {
    const dir = await mkdtemp(join(tmpdir(), "hubmesh-client-"));
    const main = await Program.start(t, {
      HUBMESH_DATA_DIR: dir, HUBMESH_DEV_NATS_LISTEN: "127.0.0.1:0", HUBMESH_GATEWAY_ID: "main", ...env,
    });
    t.after(() => rm(dir, { recursive: true, force: true }));
    const nats = await connect({ servers: main.natsURL });
    t.after(() => nats.close());
    return new House(t, main, nats);
  }

  /** One more gateway, in a process of its own: without these services, or with those that are not named. */
  gateway(without = "authz,presence,ratelimit"): Promise<Program> {
    return Program.start(this.#t, {
      HUBMESH_NATS_URL: this.main.natsURL, HUBMESH_GATEWAY_ID: `g${++this.#gateways}`, HUBMESH_DEV_WITHOUT: without,
    });
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

  /** Tells one connection something, as a backend does. */
  tell(gateway: string, connection: string, event: string): void {
    const said = headers();
    said.set("Hub-Event", event);
    this.nats.publish(`hub.conn.${gateway}.${connection}`, "{}", { headers: said });
  }

  /**
   * A gateway of many users, which it reports to presence as every gateway does:
   * `user7` to `user9` come into a room, or leave it for good.
   */
  async crowd(): Promise<(from: number, to: number, room: string, leave?: boolean) => Promise<void>> {
    const gateway = `crowd${++this.#gateways}`;
    await this.nats.request(`$KV.HUB_GATEWAYS.${gateway}`, "{}", { timeout: patience }); // a lease without an end
    let turn = 0;
    return async (from, to, room, leave = false) => {
      turn++;
      for (let n = from; n <= to; n += 1000) {
        const connections = Array.from({ length: Math.min(1000, to + 1 - n) }, (_, i) => ({
          connection: `${gateway}-${n + i}`, user: `user${n + i}`, turn, door: "native", ip: "127.0.0.1", since: Date.now(),
          rooms: leave ? [] : [room], first: turn === 1,
        }));
        const answer = await this.nats.request("hub.int.presence.report", JSON.stringify({ gateway, connections }), { timeout: patience });
        const { failed, refused, error } = answer.json<{ failed?: string[]; refused?: string[]; error?: unknown }>();
        if (failed ?? refused ?? error) throw new Error(`presence has not taken the crowd: ${answer.string()}`);
      }
    };
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

/** One house for all tests of a file, perhaps with more gateways: `house().others`. */
export function sharedHouse(others = 0, env?: Record<string, string>): () => House {
  const ends: (() => unknown)[] = [];
  let house: House;
  before(async () => {
    house = await House.start({ after: (end: any) => void ends.push(end) }, env);
    while (house.others.length < others) house.others.push(await house.gateway());
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return () => house;
}

/** A hub that ends with the test, and comes back soon. */
export function client(t: Ends, url: string, user: string, options: HubOptions = {}): Hub {
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
