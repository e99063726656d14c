// Who is here, how they are and who types, as gateways and the presence service
// tell it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Hub, HubError, Member, PresenceChange, Room } from "hubmesh-client";
import { client, first, House, patience, sharedHouse, token, until } from "./house.js";
import { Proxy } from "./proxy.js";
import { random } from "./random.js";

const house = sharedHouse(1);
const other = () => house().others[0]!;
const options = { timeout: 2 * patience };

const show = ({ user, status, text }: Member) => (text ? `${user} ${status} (${text})` : `${user} ${status}`);
const shown = (room: Room) => room.presence.list.map(show).sort().join(", ");
const sees = (room: Room, want: string) => until(`${want}; there are ${shown(room)}`, () => shown(room) === want);

/** A room with presence that was entered, and whose roster is known. */
async function enter(hub: Hub, name: string): Promise<Room> {
  const room = hub.room(name, { presence: true });
  await room.ready();
  await until(`the roster of ${name}`, () => room.presence.whole);
  return room;
}

/** What a room's presence tells from now on: "join ann". */
function listen({ presence }: Room): string[] {
  const told: string[] = [];
  for (const event of ["join", "leave", "status"] as const) presence.on(event, ({ user }) => told.push(`${event} ${user}`));
  return told;
}

/** All that was told to a hub so far has come. */
async function settled(hub: Hub): Promise<void> {
  assert.ok(hub.state.status === "open");
  const { connection, gateway } = hub.state;
  const marked = first((call) => hub.me().once("marker", call));
  await hub.me().ready();
  house().tell(gateway, connection, "marker");
  await marked;
}

/** A connection through a network that can be cut. */
async function away(t: Parameters<typeof client>[0], user: string, port: number, backoff = { first: 50, most: 200 }): Promise<{ hub: Hub; proxy: Proxy }> {
  const proxy = await Proxy.start(t, port);
  return { proxy, hub: client(t, proxy.url, user, { backoff }) };
}

test("a room's presence is who is in it, on whichever gateway and with how many devices", options, async (t) => {
  const name = "task:here";
  const hub = client(t, house().main.url, "ann");
  const ann = await enter(hub, name);
  assert.equal(shown(ann), "ann online");
  const told = listen(ann);
  const info = { name: "Bob" };
  const laptopHub = client(t, other().url, "bob", { token: token("bob", { info }) });
  const laptop = await enter(laptopHub, name);
  await sees(ann, "ann online, bob online");
  assert.deepEqual(ann.presence.get("bob")!.info, info);
  const phoneHub = client(t, house().main.url, "bob", { token: token("bob", { info }) });
  const phone = await enter(phoneHub, name);

  await phoneHub.status("busy", { text: "in a meeting", data: { until: 12 } });
  for (const room of [ann, laptop, phone]) await sees(room, "ann online, bob busy (in a meeting)");
  assert.deepEqual(ann.presence.get("bob")!.data, { until: 12 });
  await laptopHub.status("away");
  for (const room of [ann, laptop, phone]) await sees(room, "ann online, bob away");
  assert.equal(ann.presence.get("bob")!.data, undefined);

  await phoneHub.status("invisible");
  await sees(ann, "ann online");
  await sees(phone, "ann online, bob invisible");
  await laptopHub.status("online");
  await sees(ann, "ann online, bob online");

  laptop.close();
  await settled(laptopHub);
  phone.close();
  await sees(ann, "ann online");
  assert.deepEqual(told, ["join bob", "status bob", "status bob", "leave bob", "join bob", "leave bob"]);
});

test("how a user is in all of hubmesh is told in the user's own room, and changes no roster", options, async (t) => {
  await house().nats.request("$KV.HUB_POLICY.user", `join: "true"`, { timeout: patience });
  const hub = client(t, house().main.url, "ann");
  const room = hub.room("user:kim", { presence: true });
  await until("the policy is there", async () => {
    if (room.state === "denied") room.join();
    return room.state === "joined";
  });
  const heard: string[] = [];
  room.on("presence:update", (data) => {
    const { user, status, change, room: within } = data as PresenceChange;
    heard.push(`${change} ${user} ${status} ${within}`);
  });
  const kim = client(t, other().url, "kim");
  await kim.ready();
  await kim.status("away");
  await until("kim is away", () => heard.length === 2);
  kim.close(); // and with the grace, has left
  await until("kim has left", () => heard.length === 3);
  assert.deepEqual(heard, ["join kim online undefined", "status kim away undefined", "leave kim offline undefined"]);
  assert.equal(shown(room), "ann online");
});

describe("what takes seconds", { concurrency: true, timeout: 2 * patience }, () => {
  test("typing is told to others, and ends with a stop, with silence and with the connection", async (t) => {
    const name = "task:typing";
    const ann = await enter(client(t, house().main.url, "ann"), name);
    const told: string[] = [];
    ann.typists.on("change", (users) => told.push(users.join("+")));
    const hubs = ["bob", "eve", "kim"].map((user) => client(t, other().url, user));
    const [bob, eve, kim] = (await Promise.all(hubs.map((hub) => enter(hub, name)))) as [Room, Room, Room];
    bob.typing();
    await until("bob types", () => told.at(-1) === "bob");
    eve.typing();
    await until("both type", () => told.at(-1) === "bob+eve");
    bob.typing(false);
    await until("bob has stopped", () => told.at(-1) === "eve");
    assert.deepEqual(bob.typists.list, ["eve"]);
    const stopped = first<[unknown]>((call) => ann.on("user:stopped-typing", call));
    await until("eve has stopped by herself", () => told.at(-1) === "");
    assert.deepEqual((await stopped)[0], { room: name, user: "eve" });
    kim.typing();
    await until("kim types", () => told.at(-1) === "kim");
    hubs[2]!.close();
    await until("kim is gone", () => told.at(-1) === "");
  });

  test("a status outlives connections, unless another device has set one since", async (t) => {
    const name = "task:status";
    const ann = await enter(client(t, house().main.url, "ann"), name);
    const { hub, proxy } = await away(t, "sam", other().port);
    const said: string[] = [];
    hub.on("frame", (way, text) => way === "out" && text.includes("status:change") && said.push(JSON.parse(text).data.status));
    const back = async () => {
      const reconnected = first((call) => hub.on("reconnect", call, { once: true }));
      proxy.cut();
      await reconnected;
    };
    const waits = [hub.status("away"), hub.status("busy", { text: "before it is open" })];
    await enter(hub, name);
    await Promise.all(waits);
    assert.deepEqual(said, ["busy"]);
    await sees(ann, "ann online, sam busy (before it is open)");
    const told = listen(ann);
    await back();
    const ended = Date.now();
    assert.deepEqual(said, ["busy", "busy"]);

    // Longer than the grace of the connection that had the status before.
    await until("the grace is over", () => Date.now() - ended > 7000);
    assert.equal(shown(ann), "ann online, sam busy (before it is open)");
    assert.deepEqual(told, []);

    const phone = client(t, house().main.url, "sam");
    await phone.status("away");
    await sees(ann, "ann online, sam away");
    await settled(hub);
    await back();
    await settled(hub);
    assert.deepEqual(said, ["busy", "busy"]);
    assert.equal(shown(ann), "ann online, sam away");
  });

  test("a gateway that is killed takes only those with it who do not come back", async (t) => {
    const name = "task:killed";
    const ann = await enter(client(t, house().main.url, "ann"), name);
    const killed = await house().gateway();
    const { hub, proxy } = await away(t, "bob", killed.port);
    const bob = await enter(hub, name);
    await enter(client(t, killed.url, "kim", { backoff: { first: 3_600_000, most: 3_600_000 } }), name);
    await sees(ann, "ann online, bob online, kim online");
    await sees(bob, "ann online, bob online, kim online");
    const told = listen(ann);
    const toldBob = listen(bob);
    proxy.target = house().main.port;
    await killed.end("SIGKILL");
    const ended = Date.now();
    await until("kim has left", () => told.length > 0);
    const took = Date.now() - ended;
    t.diagnostic(`kim has left after ${took} ms`);
    assert.deepEqual(told, ["leave kim"]);
    await sees(bob, "ann online, bob online");
    assert.deepEqual(toldBob.filter((change) => change !== "status bob"), ["leave kim"]); // of bob, how many connections he has
  });
});

test("after a cut a presence is what it would have been without, and tells only what has changed", options, async (t) => {
  const name = "task:cut";
  const { hub, proxy } = await away(t, "ann", house().main.port);
  const ann = await enter(hub, name);
  const bob = await enter(client(t, other().url, "bob"), name);
  const eveHub = client(t, house().main.url, "eve");
  await enter(eveHub, name);
  await enter(client(t, other().url, "joe"), name);
  await sees(ann, "ann online, bob online, eve online, joe online");
  const told = listen(ann);

  proxy.closed = true;
  proxy.cut();
  await until("ann knows", () => hub.state.status === "waiting");
  bob.close();
  await eveHub.status("busy");
  const kim = await enter(client(t, other().url, "kim"), name);
  await sees(kim, "ann online, eve busy, joe online, kim online"); // ann is within the grace
  assert.equal(shown(ann), "ann online, bob online, eve online, joe online");
  proxy.target = other().port;
  proxy.closed = false;
  await sees(ann, "ann online, eve busy, joe online, kim online");
  assert.deepEqual(told.filter((change) => !change.endsWith(" ann")).sort(), ["join kim", "leave bob", "status eve"]);
});

test("through comings, goings and cuts on two gateways every presence ends as what is so", options, async (t) => {
  const name = "task:story";
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}: SEED=${seed} npm test tells it again`);
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  const users = ["ann", "bob", "eve", "joe", "kim"];
  const devices = await Promise.all(Array.from({ length: 10 }, (_, n) => away(t, users[n % 5]!, n < 5 ? house().main.port : other().port)));
  const rooms = new Map<Hub, Room>();
  for (const { hub } of devices) rooms.set(hub, await enter(hub, name));
  for (let step = 0; step < 150; step++) {
    const { hub, proxy } = pick(devices);
    const room = rooms.get(hub);
    const dice = next();
    if (dice < 0.3) proxy.cut();
    else if (dice < 0.4) proxy.target = pick([house().main.port, other().port]);
    else if (dice < 0.6) void hub.status(pick(["online", "away", "busy", "invisible"]), { text: String(step) });
    else if (room) {
      room.close();
      rooms.delete(hub);
    } else rooms.set(hub, hub.room(name, { presence: true }));
    if (next() < 0.5) await new Promise((done) => setImmediate(done));
    if (next() < 0.2) await hub.ready();
  }
  for (const { hub } of devices) {
    if (!rooms.has(hub)) rooms.set(hub, hub.room(name, { presence: true }));
    await rooms.get(hub)!.ready();
  }
  for (const [n, user] of users.entries()) await devices[n]!.hub.status("away", { text: `${user} has ended` });
  const want = users.map((user) => `${user} away (${user} has ended)`).join(", ");
  for (const room of rooms.values()) await sees(room, want);
});

test("a room of 250 is whole, and one of 1,100 is told of in few messages", options, async (t) => {
  const hub = client(t, house().main.url, "ann");
  const crowd = await house().crowd();
  const name = "task:many";
  await crowd(1, 249, name);
  const many = await enter(hub, name);
  await until("all are here", () => many.presence.size === 250);
  assert.deepEqual([many.presence.count, many.presence.has("user249")], [250, true]);
  await crowd(300, 305, name);
  await until("more are here", () => many.presence.size === 256);
  await crowd(1, 249, name, true);
  await until("most have left", () => many.presence.size === 7);

  const large = "task:large";
  await crowd(1000, 2099, large);
  const room = hub.room(large, { presence: true });
  let messages = 0;
  room.on("presence:update", () => messages++);
  await room.ready();
  await until("there are so many", () => room.presence.count === 1101);
  assert.equal(room.presence.whole, false);
  assert.ok(room.presence.size >= 200);
  const begun = Date.now();
  await crowd(3000, 3199, large);
  await until("more have come", () => room.presence.count === 1301 && room.presence.has("user3199"));
  assert.ok(messages <= 3 + (Date.now() - begun) / 1000, `${messages} messages for 200 changes`);
});

test("where presence is away a room is entered without a roster, which comes with it", options, async (t) => {
  const alone = await House.start(t, { HUBMESH_DEV_WITHOUT: "presence" });
  const hub = client(t, alone.main.url, "ann");
  const room = hub.room("task:silent", { presence: true });
  await room.ready();
  const heard = first((call) => room.once("n", call));
  await alone.publish(room.name, "n", 1);
  await heard;
  assert.deepEqual([room.presence.whole, room.presence.size], [false, 0]);
  await assert.rejects(hub.status("busy"), ({ code }: HubError) => code === "unavailable");
  await alone.gateway("authz,ratelimit");
  await until("the roster is known", () => room.presence.whole);
  await sees(room, "ann busy"); // though nobody has answered when it was said
});
