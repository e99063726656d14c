// What servers say of rooms and of who is in them, spelt as the protocol has it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HubError } from "hubmesh-client";
import { client, first, patience, sharedHouse, until } from "./house.js";
import { Proxy } from "./proxy.js";

const house = sharedHouse();
const options = { timeout: patience };

/** Asks gateways for something, as a backend does. */
async function control(what: string, body: object): Promise<void> {
  const answer = await house().nats.request(`hub.ctl.conn.${what}`, JSON.stringify(body), { timeout: patience });
  assert.equal(answer.json<{ connections: unknown[] }>().connections.length, 1, answer.string());
}

test("who is put out of a room hears no more of it, and who is put back in hears of a gap", options, async (t) => {
  const hub = client(t, house().main.url, "kim");
  const room = hub.room("task:left");
  await room.ready();
  room.on("n", (n) => assert.equal(n, 2));
  const left = first<[{ room: string; reason: string }]>((call) => hub.on("left", call));
  await control("leave", { user: "kim", room: room.name, reason: "kicked" });
  assert.deepEqual((await left)[0], { room: room.name, reason: "kicked" });
  assert.equal(room.state, "left");
  await assert.rejects(room.ready(), (error: HubError) => error.code === "left");
  const offset = await house().publish(room.name, "n", 1);

  const gap = first<[{ now: { offset: number } }]>((call) => hub.on("gap", call));
  await control("join", { user: "kim", room: room.name });
  assert.equal((await gap)[0].now.offset, offset);
  assert.equal(room.state, "joined");
  const heard = first((call) => room.on("n", call));
  await house().publish(room.name, "n", 2);
  await heard;
});

test("who is revoked, or ended by a backend, does not come back", options, async (t) => {
  const ends: Record<string, () => Promise<unknown>> = {
    revoked: () => house().nats.request("$KV.HUB_REVOKED.user.revoked", String(Math.floor(Date.now() / 1000) + 60), { timeout: patience }),
    ended: () => control("close", { user: "ended", reason: "go home" }),
  };
  for (const [user, end] of Object.entries(ends)) {
    const proxy = await Proxy.start(t, house().main.port);
    const hub = client(t, proxy.url, user);
    await hub.ready();
    await end();
    await until(`${user} is closed`, () => hub.state.status === "closed");
    assert.ok(hub.state.status === "closed" && hub.state.reason === "revoked");
    assert.equal(proxy.came, 1);
  }
});

test("typing is said as often as needed, and its end only if it was", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const room = hub.room("task:type");
  await room.ready();
  const said: string[] = [];
  hub.on("frame", (way, text) => way === "out" && said.push(JSON.parse(text).event));
  room.typing(false);
  for (let key = 0; key < 20; key++) room.typing();
  room.typing(false);
  room.typing(false);
  assert.deepEqual(said, ["typing:start", "typing:stop"]);
});

test("the error of a frame that nobody waited for is told", options, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  const hub = client(t, proxy.url, "ann");
  await hub.ready();
  const told = first<[unknown]>((call) => hub.on("error", call));
  proxy.say({ event: "error", data: { code: "rate_limited", message: "over the limit", retryAfterMs: 5 } });
  const { code, retryAfterMs } = (await told)[0] as HubError;
  assert.deepEqual([code, retryAfterMs], ["rate_limited", 5]);
});
