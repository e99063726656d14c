import assert from "node:assert/strict";
import { test } from "node:test";
import type { Meta } from "hubmesh-client";
import { client, House, patience, until } from "./house.js";
import { Proxy } from "./proxy.js";
import { random } from "./random.js";

const count = 5000;
const cuts = 30;

test("5,000 events through 30 cuts and two gateways are each heard once, in order", { timeout: 3 * patience }, async (t) => {
  const house = await House.start(t, { HUBMESH_EVENT_MAX_PER_ROOM: String(2 * count) });
  const other = await house.gateway();
  const proxy = await Proxy.start(t, house.main.port);
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}: SEED=${seed} npm test tells it again`);
  const next = random(seed);

  const hub = client(t, proxy.url, "ann", { backoff: { first: 40, most: 100 } });
  const rooms = ["task:1", "task:2", "task:3"];
  const heard = new Map<string, { n: number; offset: number }[]>();
  let all = 0;
  const gaps: unknown[] = [];
  hub.on("gap", (gap) => gaps.push(gap));
  for (const name of rooms) {
    heard.set(name, []);
    const room = hub.room<{ said: number }>(name);
    room.on("said", (n: number, { offset }: Meta) => {
      heard.get(name)!.push({ n, offset: offset! });
      all++;
    });
    await room.ready();
  }

  // Cuts fall between any two events: while they are told, while what was
  // missed is, and while the client is on its way back.
  const wanted = new Map<string, { n: number; offset: number }[]>(rooms.map((name) => [name, []]));
  const cutAt = new Set<number>();
  while (cutAt.size < cuts) cutAt.add(Math.floor(next() * count));
  const cut = async () => {
    const { came } = proxy;
    proxy.target = next() < 0.5 ? house.main.port : other.port;
    proxy.delay = next() < 0.3 ? Math.floor(next() * 20) : 0;
    proxy.cut();
    if (next() < 0.8) await until("the client comes back", () => proxy.came > came);
  };
  for (let from = 0; from < count; from += 50) {
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const room = rooms[Math.floor(next() * rooms.length)]!;
      const n = from + i;
      wanted.get(room)!.push({ n, offset: await house.publish(room, "said", n) });
      if (cutAt.has(n)) await cut();
    }));
  }
  await until("all is heard", () => all >= count);

  assert.ok(proxy.came > cuts / 2, `the client came ${proxy.came} times`);
  assert.deepEqual(gaps, []);
  for (const name of rooms) {
    const inOrder = wanted.get(name)!.sort((a, b) => a.offset - b.offset);
    assert.deepEqual(heard.get(name), inOrder, `${name}, seed ${seed}`);
  }
});
