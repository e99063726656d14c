// How a hub comes back, and when it does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Hub, HubError, type HubState, type TokenRequest } from "hubmesh-client";
import { client, first, House, patience, sharedHouse, token, until } from "./house.js";
import { Proxy } from "./proxy.js";

const house = sharedHouse();
const options = { timeout: patience };

/** The next state of that name. */
function becomes<S extends HubState["status"]>(hub: Hub, status: S): Promise<HubState & { status: S }> {
  return new Promise((resolve) => {
    const off = hub.on("state", (state) => {
      if (state.status !== status) return;
      off();
      resolve(state as HubState & { status: S });
    });
  });
}

test("who loses a killed gateway misses nothing on another", options, async (t) => {
  const dying = await house().gateway();
  const proxy = await Proxy.start(t, dying.port);
  const hub = client(t, proxy.url, "ann");
  const room = hub.room("task:killed");
  await room.ready();
  const heard: unknown[] = [];
  room.on("n", (n) => heard.push(n));
  const recovered = first<[{ room: string; missed: number }]>((call) => hub.on("recovered", (at) => at.room === room.name && call(at)));
  const back = first<[{ gateway: string }]>((call) => hub.on("reconnect", call));
  proxy.target = house().main.port;
  await dying.end("SIGKILL");
  await house().publish(room.name, "n", 1);
  assert.equal((await back)[0].gateway, "main");
  await recovered;
  await house().publish(room.name, "n", 2);
  await until("both are heard", () => heard.length === 2);
  assert.deepEqual(heard, [1, 2]);
});

test("who is asked to leave comes back when told to, and misses nothing", options, async (t) => {
  const ending = await house().gateway();
  const proxy = await Proxy.start(t, ending.port);
  const hub = client(t, proxy.url, "ann", { backoff: { first: 600_000, most: 600_000 } }); // it would not in time by itself
  const room = hub.room("task:drained");
  await room.ready();
  let told = -1;
  hub.on("frame", (_, text) => (told = JSON.parse(text).data?.reconnectAfterMs ?? told));
  const waits = becomes(hub, "waiting").then((state) => ({ ...state, ms: state.until - Date.now() }));
  const back = becomes(hub, "open");
  proxy.target = house().main.port;
  const ended = ending.end("SIGTERM");
  const { ms, code } = await waits;
  assert.equal(code, 1012);
  assert.ok(told >= 0 && Math.abs(ms - told) < 100, `waits ${ms} ms, was told ${told}`);
  const heard = first<[number]>((call) => room.on("n", call));
  await house().publish(room.name, "n", 1);
  await back;
  assert.equal((await heard)[0], 1);
  await ended;
});

test("a dead network is seen by two heartbeats", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  proxy.heartbeatMs = 300;
  const hub = client(t, proxy.url, "ann");
  const room = hub.room("task:dead");
  await room.ready();
  const waits = becomes(hub, "waiting");
  const back = becomes(hub, "open");
  proxy.freeze();
  const begun = performance.now();
  assert.match((await waits).message, /heartbeat/);
  const took = performance.now() - begun;
  assert.ok(took > 150, `given up after ${took} ms`); // the upper bound is the machine's matter, too
  await back;
  const heard = first((call) => room.on("n", call));
  await house().publish(room.name, "n", 1);
  await heard;
});

test("heartbeats keep the position of a quiet room young", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  proxy.heartbeatMs = 300;
  const room = client(t, proxy.url, "ann").room("task:quiet");
  await room.ready();
  const offset = await house().publish("task:loud", "n", 1);
  await until("the position has moved", () => room.position!.offset >= offset);
});

test("on a slow network all is heard in order", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  proxy.delay = 150;
  const room = client(t, proxy.url, "ann").room("task:slow");
  const heard: unknown[] = [];
  room.on("n", (n) => heard.push(n));
  await room.ready();
  const all = Array.from({ length: 50 }, (_, n) => n);
  for (const n of all) await house().publish(room.name, "n", n);
  await until("all are heard", () => heard.length === all.length);
  assert.deepEqual(heard, all);
});

test("a machine that slept looks at once whether its connection lives", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  proxy.heartbeatMs = 10_000;
  const hub = client(t, proxy.url, "ann", { backoff: { first: 600_000, most: 600_000 }, token: token("ann") });
  await hub.ready();
  const beats = first((call) => hub.on("frame", (way, text) => way === "out" && text.includes("heartbeat") && call()));
  let skew = 0;
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + skew);
  const begun = performance.now();
  skew += 3_600_000;
  await beats;
  assert.ok(performance.now() - begun < 9000, "no sooner than without sleep");

  t.mock.method(Math, "random", () => 1);
  const waits = becomes(hub, "waiting");
  const back = becomes(hub, "open");
  proxy.cut();
  assert.ok((await waits).until - Date.now() > 500_000);
  skew += 3_600_000;
  await back;
});

test("the token is asked anew before it ends, on the same connection", options, async (t) => {
  const asked: string[] = [];
  const hub = client(t, house().main.url, "ann", {
    token: ({ reason }) => {
      asked.push(reason);
      return token("ann", { ttl: reason === "connect" ? 31 : 3600 });
    },
  });
  await hub.ready();
  const refreshed = first((call) => hub.on("frame", (way, text) => way === "out" && text.includes("auth:refresh") && call()));
  hub.on("state", (state) => assert.equal(state.status, "closed"));
  await refreshed;
  assert.deepEqual(await hub.call("history:get", { room: "task:none" }).then(({ events }) => events), []);
  assert.deepEqual(asked, ["connect", "expiring"]);
});

test("when a token has ended, a fresh one brings all back", options, async (t) => {
  const asked: string[] = [];
  const hub = client(t, house().main.url, "ann", {
    token: ({ reason }) => {
      asked.push(reason);
      if (reason === "expiring") throw new Error("the application is away");
      return token("ann", { ttl: asked.length === 1 ? 2 : 3600 });
    },
  });
  const failed = first((call) => hub.on("error", call));
  const room = hub.room("task:expired");
  await room.ready();
  const waits = becomes(hub, "waiting");
  const back = becomes(hub, "open");
  const heard = first((call) => room.on("n", call));
  assert.equal((await waits).code, 4401);
  await house().publish(room.name, "n", 1);
  await Promise.all([back, heard, failed]);
  assert.deepEqual([asked[0], asked.at(-1)], ["connect", "refused"]);
});

test("a token that is refused twice ends it, until one connects anew", options, async (t) => {
  const asked: TokenRequest["reason"][] = [];
  let good = false;
  const hub = client(t, house().main.url, "ann", {
    token: ({ reason }) => {
      asked.push(reason);
      return good ? token("ann") : "bad";
    },
  });
  const refused = (error: HubError) => error.code === "unauthorized";
  const room = hub.room("task:refused");
  await Promise.all([assert.rejects(hub.ready(), refused), assert.rejects(room.ready(), refused)]);
  await assert.rejects(room.ready(), refused);
  assert.ok(hub.state.status === "closed" && hub.state.reason === "unauthorized");
  assert.deepEqual(asked, ["connect", "refused"]);
  await assert.rejects(hub.call("task:create"), (error: HubError) => error.code === "unauthorized");
  assert.equal(asked.length, 2, "a call must not ask for a token when nobody has signed in");
  good = true;
  hub.connect();
  await Promise.all([hub.ready(), room.ready()]);
});

test("a token that cannot be had is tried for again, and told", options, async (t) => {
  let tries = 0;
  const hub = client(t, house().main.url, "ann", {
    token: async () => {
      if (++tries < 3) throw new Error("the application is away");
      return token("ann");
    },
  });
  const told: unknown[] = [];
  hub.on("error", (error) => told.push((error as Error).message));
  await hub.ready();
  assert.deepEqual(told, ["the application is away", "the application is away"]);
});

const final = { 1002: "protocol", 1003: "protocol", 1007: "protocol", 4400: "protocol", 4403: "revoked" };
for (const [code, reason] of Object.entries(final)) {
  test(`a close with ${code} is final: ${reason}`, options, async (t) => {
    const proxy = await Proxy.start(t, house().main.port);
    const hub = client(t, proxy.url, "ann");
    const room = hub.room("task:final");
    await room.ready();
    const closes = becomes(hub, "closed");
    proxy.close(Number(code), "enough");
    assert.deepEqual(await closes, { status: "closed", reason, message: "enough" });
    await assert.rejects(hub.call("task:create"), (error: HubError) => error.code === "closed");
    assert.equal(proxy.came, 1);
    assert.equal(room.state, "joining");
  });
}

for (const code of [1001, 1012, 4408, 4409]) {
  test(`after a close with ${code} it comes back`, options, async (t) => {
    const proxy = await Proxy.start(t, house().main.port);
    const hub = client(t, proxy.url, "ann");
    await hub.ready();
    const back = becomes(hub, "open");
    proxy.close(code, "");
    await back;
  });
}

test("after a flood it waits for a minute", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  const hub = client(t, proxy.url, "ann");
  await hub.ready();
  const waits = becomes(hub, "waiting");
  proxy.close(4429, "flood");
  const { until } = await waits;
  assert.ok(until - Date.now() > 50_000);
});

test("a hub may be closed by who hears of any state", options, async (t) => {
  for (const status of ["connecting", "open", "waiting"]) {
    const proxy = await Proxy.start(t, house().main.port);
    const hub = client(t, proxy.url, "ann");
    hub.on("state", (state) => state.status === status && hub.close());
    hub.connect();
    if (status === "waiting") {
      await becomes(hub, "open");
      proxy.cut();
    }
    await until(`closed when ${status}`, () => hub.state.status === "closed");
    await until("the connection ends", () => proxy.open === 0);
  }
});

test("what the log no longer holds is a gap, and events wait until the room is loaded anew", options, async (t) => {
  const small = await House.start(t, { HUBMESH_EVENT_MAX_PER_ROOM: "5" });
  const proxy = await Proxy.start(t, small.main.port);
  const hub = client(t, proxy.url, "ann");
  const seen: unknown[] = [];
  let loaded!: () => void;
  const loads = new Promise<void>((resolve) => (loaded = resolve));
  const room = hub.room("task:gap", {
    reload: async (gap) => {
      seen.push(`reload ${gap.room}`);
      await loads;
      seen.push("reloaded");
    },
  });
  room.on("n", (n) => seen.push(n));
  await room.ready();
  proxy.closed = true;
  proxy.cut();
  let last = 0;
  for (let n = 0; n < 8; n++) last = await small.publish(room.name, "missed", n);
  const gap = first<[{ now: { offset: number } }]>((call) => hub.on("gap", call));
  proxy.closed = false;
  assert.equal((await gap)[0].now.offset, last);
  const offset = await small.publish(room.name, "n", 1);
  await until("it is heard", () => room.position!.offset === offset);
  assert.deepEqual(seen, ["reload task:gap"]); // events wait for it
  loaded();
  await until("it is told", () => seen.length === 3);
  assert.deepEqual(seen, ["reload task:gap", "reloaded", 1]);
});
