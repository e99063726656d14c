import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Backoff } from "../src/backoff.js";
import type { Member } from "../src/events.js";
import { Presence, Typists } from "../src/live.js";

test("waits double up to a bound, and begin anew after a connection that lasted", () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 7 }, () => backoff.next(1));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  backoff.lived(9999);
  assert.equal(backoff.next(0.5), 15_000);
  backoff.lived(10_000);
  assert.equal(backoff.next(0.5), 500);
  assert.equal(backoff.next(0), 0);
});

function member(user: string, more: Partial<Member> = {}): Member {
  return { user, status: "online", connections: 1, since: 1, lastSeen: 1, ...more };
}

test("a presence tells each change of a user once", () => {
  const presence = new Presence();
  const told: string[] = [];
  for (const change of ["join", "leave", "status"] as const) presence.on(change, ({ user }) => told.push(`${change} ${user}`));
  let lists = 0;
  presence.on("change", (list) => {
    lists++;
    assert.equal(list, presence.list);
    assert.equal(list.length, presence.size);
  });
  const steps: [Parameters<Presence["take"]>[0], string[]][] = [
    [{ room: "task:1", offset: 1, epoch: "e", presence: [member("ann"), member("bob")] }, ["join ann", "join bob"]],
    [{ user: "eve", status: "busy", connections: 1, change: "join" }, ["join eve"]],
    [{ user: "eve", status: "away", text: "lunch", connections: 1, change: "status" }, ["status eve"]],
    [{ user: "eve", status: "away", text: "lunch", connections: 1, change: "status" }, []],
    [{ user: "bob", status: "online", connections: 0, change: "leave" }, ["leave bob"]],
    [{ user: "bob", status: "online", connections: 0, change: "leave" }, []],
    [{ changes: [{ user: "joe", change: "join" }, { user: "eve", change: "leave" }] }, ["join joe", "leave eve"]],
    // Back after a cut: what changed meanwhile, and no more.
    [{ room: "task:1", offset: 9, epoch: "e", presence: [member("ann", { status: "away" }), member("kim")], counts: { users: 2, connections: 2 } }, ["leave joe", "status ann", "join kim"]],
  ];
  for (const [said, want] of steps) {
    told.length = 0;
    presence.take(said);
    assert.deepEqual(told, want, JSON.stringify(said));
  }
  assert.equal(lists, steps.length);
  assert.deepEqual([...presence].map(([user]) => user), ["ann", "kim"]);
  assert.deepEqual(presence.counts, { users: 2, connections: 2 });
});

test("a typist is forgotten after 8 s of silence", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const typists = new Typists();
  const told: string[] = [];
  typists.on("change", (users) => told.push(users.join("+")));
  typists.set("ann", true);
  typists.set("bob", true);
  t.mock.timers.tick(7000);
  typists.set("ann", true);
  t.mock.timers.tick(1000);
  assert.deepEqual(typists.list, ["ann"]);
  typists.set("ann", false);
  typists.set("ann", false);
  assert.deepEqual(told, ["ann", "ann+bob", "ann", ""]);
});

test("the client is under 8 KB, minified and gzipped", (t) => {
  const size = gzipSync(readFileSync("dist/hubmesh.js"), { level: 9 }).length;
  t.diagnostic(`${size} bytes`);
  assert.ok(size < 8 * 1024, `${size} bytes`);
});

test("gateways serve this client", () => {
  const served = readFileSync("../../gateway/internal/webclient/hubmesh.js", "utf8");
  assert.ok(served === readFileSync("dist/hubmesh.js", "utf8"), "they serve another one: npm run embed");
});

test("programs in TypeScript compile against it, as modules and as CommonJS", () => {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "test/consumer"], { stdio: "pipe" });
});
