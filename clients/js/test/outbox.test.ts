// Durable events and calls through connections that end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "hubmesh-client";
import { client, patience, sharedHouse, until } from "./house.js";
import { Proxy } from "./proxy.js";

const house = sharedHouse(0, { HUBMESH_MAX_MESSAGE_BYTES: "65536" });
const options = { timeout: patience };
const durable = { durable: true } as const;

async function past(room: string): Promise<unknown[]> {
  const hub = client({ after: () => {} }, house().main.url, "bob");
  const { events } = await hub.room(room).history({ limit: 200 });
  hub.close();
  return events.map((event) => event.data);
}

test("what is published without a connection is stored once there is one, in order", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  const hub = client(t, proxy.url, "ann");
  const room = hub.room("task:offline");
  await room.ready();
  proxy.closed = true;
  proxy.cut();
  const all = Array.from({ length: 20 }, (_, n) => n);
  const stored = Promise.all(all.map((n) => room.publish("n", n, durable)));
  proxy.closed = false;
  const offsets = (await stored).map(({ offset }) => offset);
  assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b));
  assert.deepEqual(await past(room.name), all);
});

test("what was stored but not answered is stored once", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  const hub = client(t, proxy.url, "ann");
  const room = hub.room("task:once");
  await room.ready();
  proxy.mute();
  const stored = room.publish("n", "once", durable);
  await until("it is stored", async () => (await past(room.name)).length === 1);
  proxy.cut();
  const { offset } = await stored;
  assert.ok(offset > 0);
  assert.deepEqual(await past(room.name), ["once"]);
});

test("an own key makes two publishes one", options, async (t) => {
  const room = client(t, house().main.url, "ann").room("task:key");
  const [a, b] = await Promise.all([1, 2].map((n) => room.publish("n", n, { ...durable, key: "mine" })));
  assert.deepEqual(a, b);
  assert.deepEqual(await past(room.name), [1]);
});

test("what is over a rate is stored when it may be", options, async (t) => {
  const room = client(t, house().main.url, "carol").room("task:rate");
  const all = Array.from({ length: 104 }, (_, n) => n); // 100 a minute, and the rest one by one
  await Promise.all(all.map((n) => room.publish("n", n, durable)));
  assert.deepEqual(await past(room.name), all);
});

test("what is too large is refused, and the rest goes on", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const room = hub.room("task:large");
  await room.ready();
  const large = room.publish("n", "x".repeat(70_000), durable);
  const small = room.publish("n", "small", durable);
  await assert.rejects(large, (error: HubError) => error.code === "too_large");
  await small;
  assert.deepEqual(await past(room.name), ["small"]);
});

test("a call is asked once, and again only if one says so", options, async (t) => {
  let asked = 0;
  await house().answer("task:count", () => ++asked);
  for (const retry of [false, true]) {
    const proxy = await Proxy.start(t, house().main.port);
    const hub = client(t, proxy.url, "ann");
    await hub.ready();
    proxy.mute();
    asked = 0;
    const called = hub.call("task:count", null, { retry, timeout: patience });
    await until("it is asked", () => asked === 1);
    proxy.cut();
    if (retry) assert.equal(await called, 2);
    else await assert.rejects(called, (error: HubError) => error.code === "disconnected");
  }
});

test("an event that may not be published is refused", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const denied = (error: HubError) => error.code === "forbidden";
  await assert.rejects(hub.room("team:secret").publish("n", 1, durable), denied);
  await assert.rejects(hub.room("task:a").publish("room:left", 1, durable), (error: HubError) => error.code === "invalid");
});
