import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Hub, HubError, type RoomEvent, toBytes } from "hubmesh-client";
import { client, first, patience, sharedHouse, token } from "./house.js";

const house = sharedHouse();
const options = { timeout: patience };

interface Board {
  "card:moved": { card: string; to: string };
  "cursor:move": { x: number; y: number };
}

const fails = (code: string) => (error: unknown) => error instanceof HubError && error.code === code;

test("a hub connects when it is first needed", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const states: string[] = [hub.state.status];
  hub.on("state", (state) => states.push(state.status));
  await hub.room("task:first").ready();
  assert.deepEqual(states, ["idle", "connecting", "open"]);
  assert.ok(hub.state.status === "open" && hub.state.user === "ann" && hub.state.gateway === "main");
});

test("what one publishes the others hear, and oneself only with echo", options, async (t) => {
  const ann = client(t, house().main.url, "ann").room<Board>("task:talk");
  const bob = client(t, house().main.url, "bob").room<Board>("task:talk");
  await Promise.all([ann.ready(), bob.ready()]);
  const own: string[] = [];
  ann.onAny((event) => own.push(event.event));

  const moved = first<[Board["card:moved"], { from?: string; offset?: number }]>((call) => bob.on("card:moved", call));
  const { offset } = await ann.publish("card:moved", { card: "7", to: "done" }, { durable: true });
  const [data, meta] = await moved;
  assert.deepEqual(data, { card: "7", to: "done" });
  assert.equal(meta.from, "ann");
  assert.equal(meta.offset, offset);
  assert.deepEqual(bob.position?.offset, offset);

  const at = first<[Board["cursor:move"], { offset?: number }]>((call) => bob.on("cursor:move", call));
  await ann.publish("cursor:move", { x: 1, y: 2 });
  assert.equal((await at)[1].offset, undefined);

  const echo = first<[{ x: number }]>((call) => ann.on("cursor:move", call));
  await ann.publish("cursor:move", { x: 3, y: 4 }, { echo: true });
  assert.equal((await echo)[0].x, 3);
  assert.deepEqual(own, ["cursor:move"]);
});

test("a listener is called until it is taken away, by whichever way", options, async (t) => {
  const room = client(t, house().main.url, "ann").room("task:listen");
  await room.ready();
  const called: string[] = [];
  const stop = new AbortController();
  const off = room.on("tick", () => called.push("off"));
  const listener = () => called.push("listener");
  room.on("tick", listener);
  room.on("tick", () => called.push("signal"), { signal: stop.signal });
  room.once("tick", () => called.push("once"));
  const tick = async () => {
    const heard = first((call) => room.once("tick", call)); // behind all others
    await room.publish("tick", null, { durable: true, echo: true });
    await heard;
  };
  await tick();
  off();
  room.off("tick", listener);
  stop.abort();
  await tick();
  assert.deepEqual(called, ["off", "listener", "signal", "once"]);
});

test("a call is answered by a backend, or rejects with its code", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  await assert.rejects(hub.call("task:nobody"), fails("no_handler"));
  await house().answer("task:create", (data, user) => ({ id: "43", title: data.title, by: user }));
  assert.deepEqual(await hub.call("task:create", { title: "Ship it" }), { id: "43", title: "Ship it", by: "ann" });
});

test("a room that may not be entered is denied, and can be tried again", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const told = first<[{ room: string; error: HubError }]>((call) => hub.on("denied", call));
  const room = hub.room("team:secret");
  await assert.rejects(room.ready(), fails("forbidden"));
  assert.equal(room.state, "denied");
  assert.equal((await told)[0].room, "team:secret");
  const again = first((call) => hub.on("denied", call));
  room.join();
  assert.equal(room.state, "joining");
  await again;
});

test("for await gives every event, and ends with the room or a signal", options, async (t) => {
  const room = client(t, house().main.url, "ann").room<{ n: number }>("task:iterate");
  await room.ready();
  const took: unknown[] = [];
  const took2: unknown[] = [];
  const stop = new AbortController();
  const untilClosed = (async () => {
    for await (const event of room) {
      took.push(event.data);
      if (event.data === 2) stop.abort();
      if (event.data === 3) room.close();
    }
  })();
  const untilAborted = (async () => {
    for await (const event of room.events({ signal: stop.signal })) took2.push(event.data);
  })();
  for (const n of [1, 2]) await house().publish("task:iterate", "n", n);
  await untilAborted;
  await house().publish("task:iterate", "n", 3);
  await untilClosed;
  assert.deepEqual([took, took2], [[1, 2, 3], [1, 2]]);
  assert.equal(room.state, "closed");
  await assert.rejects(room.publish("n", 4, { durable: true }), fails("closed"));
});

test("a room begins with its newest events, behind a position, or with nothing", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const kept = [];
  for (const n of [1, 2, 3, 4]) kept.push(await house().publish("task:past", "n", n));
  const heard = async (other: Hub, options: Parameters<Hub["room"]>[1], count: number) => {
    const room = other.room<{ n: number }>("task:past", options);
    const took: RoomEvent<{ n: number }>[] = [];
    for await (const event of room) if (took.push(event) === count) break;
    return took.map((event) => event.data);
  };
  assert.deepEqual(await heard(hub, { last: 2 }, 2), [3, 4]);
  const since = { ...hub.room("task:past").position!, offset: kept[0]! };
  assert.deepEqual(await heard(client(t, house().main.url, "ann"), { since }, 3), [2, 3, 4]);
  const { events, more } = await hub.room("task:past").history({ before: kept[3]!, limit: 2 });
  assert.deepEqual(events.map((event) => event.data), [2, 3]);
  assert.equal(more, true);
});

test("bytes come as bytes", options, async (t) => {
  const room = client(t, house().main.url, "ann").room("task:bytes");
  await room.ready();
  const heard = first<[unknown]>((call) => room.on("blob", call));
  await room.publish("blob", new Uint8Array([0, 128, 255]), { echo: true, durable: true });
  assert.deepEqual(toBytes((await heard)[0]), new Uint8Array([0, 128, 255]));
  assert.equal(toBytes({ text: "none" }), undefined);
});

test("me hears the user's own room, and what is told to this connection alone", options, async (t) => {
  const hub = client(t, house().main.url, "ann@example.com");
  const me = hub.me();
  await me.ready();
  assert.equal(me.name, "user:ann@example.com");
  const noted = first<[{ title: string }]>((call) => me.on("notification", call));
  await house().publish("user:ann@example.com", "notification", { id: "9", title: "Hello" });
  assert.equal((await noted)[0].title, "Hello");
  const alone = first<[unknown, { room?: string }]>((call) => me.on("welcome", call));
  assert.ok(hub.state.status === "open");
  const { headers } = await import("@nats-io/transport-node");
  const said = headers();
  said.set("Hub-Event", "welcome");
  house().nats.publish(`hub.conn.main.${hub.state.connection}`, "{}", { headers: said });
  assert.equal((await alone)[1].room, undefined);
});

test("what waits ends when its signal aborts, its time is over, or the hub is closed", options, async (t) => {
  const hub = client(t, "http://127.0.0.1:1", "ann", { queue: 2 });
  hub.on("error", () => {});
  const stop = new AbortController();
  const reason = new Error("not wanted any more");
  const { signal } = stop;
  const room = hub.room("task:nowhere");
  const waits = [hub.call("a", 1, { signal }), hub.ready({ signal }), room.ready({ signal }), room.publish("b", 2, { durable: true, signal })];
  stop.abort(reason);
  for (const wait of waits) await assert.rejects(wait, reason);
  await assert.rejects(hub.call("a", 1, { signal }), reason);
  await assert.rejects(hub.call("a", 1, { timeout: 5 }), fails("timeout"));
  await assert.rejects(room.publish("now", 3), fails("unavailable"));

  const stored = [1, 2].map((n) => room.publish("b", n, { durable: true }));
  await assert.rejects(room.publish("b", 3, { durable: true }), fails("too_many"));
  const waiting = [...stored, hub.call("a"), hub.ready(), room.ready()].map((wait) => assert.rejects(wait, fails("closed")));
  hub.close();
  await Promise.all(waiting);
  await assert.rejects(hub.call("a"), fails("closed"));
  assert.throws(() => hub.room("task:more"), fails("closed"));
});

test("nobody need wait for a signal, typing or a status", options, async (t) => {
  const hub = client(t, "http://127.0.0.1:1", "ann");
  const room = hub.room("task:nowhere");
  void room.publish("cursor", 1); // an unhandled rejection would fail this test
  room.typing();
  void hub.status("busy");
  await first((call) => hub.on("state", call));
});

test("a room that was closed is heard no more, and may be opened again", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const before = hub.room("task:again");
  before.on("n", () => assert.fail("a closed room heard something"));
  assert.equal(hub.room("task:again"), before);
  await before.ready();
  before.close();
  const after = hub.room("task:again");
  assert.notEqual(after, before);
  await after.ready();
  const heard = first<[number]>((call) => after.on("n", call));
  await house().publish("task:again", "n", 1);
  assert.equal((await heard)[0], 1);
});

test("CommonJS has the same", options, async () => {
  const require = createRequire(import.meta.url);
  const common = require("hubmesh-client") as typeof import("hubmesh-client");
  const { default: WebSocket } = await import("ws");
  const hub = new common.Hub(house().main.url, { token: token("ann"), WebSocket });
  await hub.ready();
  hub.close();
});
