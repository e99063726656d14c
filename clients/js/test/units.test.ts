import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Backoff } from "../src/backoff.js";
import type { Member, PresenceChange } from "../src/events.js";
import { Presence, type RosterPage, Typists } from "../src/live.js";

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

const none = () => Promise.reject(new Error("no page was to be read"));

function change(user: string, change: "join" | "leave" | "status", more: object = {}): PresenceChange {
  return { room: "task:1", user, status: change === "leave" ? "offline" : "online", connections: 1, change, ...more };
}

/** A presence, and what it tells: "join ann". */
function listened(): { presence: Presence; told: string[] } {
  const presence = new Presence();
  const told: string[] = [];
  for (const event of ["join", "leave", "status"] as const) presence.on(event, ({ user }) => told.push(`${event} ${user}`));
  return { presence, told };
}

const entry = { room: "task:1", offset: 1, epoch: "e" };

test("a presence tells each change of a user once", async () => {
  const { presence, told } = listened();
  presence.on("change", (list) => assert.deepEqual([list, list.length], [presence.list, presence.size]));
  const heard = (...changes: PresenceChange[]) => presence.changed(changes, "ann");
  const enters = (...members: Member[]) => presence.entered({ ...entry, presence: members }, none);
  const steps: [() => unknown, string[]][] = [
    [() => enters(member("ann"), member("bob")), ["join ann", "join bob"]],
    [() => heard(change("eve", "join", { status: "busy", text: "lunch" })), ["join eve"]],
    [() => heard(change("eve", "status", { status: "busy", text: "lunch" })), []],
    [() => heard(change("eve", "status", { status: "busy" })), ["status eve"]], // without a text there is none any more
    [() => heard(change("bob", "leave")), ["leave bob"]],
    [() => heard(change("bob", "leave")), []],
    [() => heard(change("joe", "join"), change("eve", "leave")), ["join joe", "leave eve"]],
    // One who is invisible is here for themselves.
    [() => heard(change("ann", "leave")), ["status ann"]],
    [() => heard(change("ann", "join")), ["status ann"]],
    // Back after a cut: what changed meanwhile, and no more.
    [() => enters(member("ann", { lastSeen: 7 }), member("kim")), ["join kim", "leave joe"]],
  ];
  for (const [step, want] of steps) {
    told.length = 0;
    await step();
    assert.deepEqual(told, want, String(step));
  }
  assert.deepEqual([...presence].map(([user]) => user), ["ann", "kim"]);
  assert.deepEqual([presence.whole, presence.count], [true, 2]);
  presence.clear();
  assert.deepEqual([presence.whole, presence.count, presence.size], [false, 0, 0]);
});

test("a roster is read to its end, and pages that are older than a change say nothing of it", async () => {
  const { presence, told } = listened();
  await presence.entered({ ...entry, presence: [member("gone"), member("zoe")] }, none);
  told.length = 0;
  const pages: Record<string, RosterPage> = {
    bob: { users: [member("eve"), member("joe", { status: "busy" })], next: "joe" },
    joe: { users: [member("kim"), member("zoe")] },
  };
  const asked: string[] = [];
  await presence.entered({ ...entry, presence: [member("ann"), member("bob")], counts: { users: 6, connections: 9 } }, async (after) => {
    asked.push(after);
    assert.equal(presence.whole, false);
    if (after === "bob") presence.changed([change("eve", "leave"), change("joe", "join"), change("new", "join")], "me");
    return pages[after];
  });
  assert.deepEqual(asked, ["bob", "joe"]);
  assert.deepEqual(told, ["join ann", "join bob", "join joe", "join new", "join kim", "leave gone"]);
  assert.deepEqual([...presence.list.map(({ user }) => user)].sort(), ["ann", "bob", "joe", "kim", "new", "zoe"]);
  assert.equal(presence.get("joe")?.status, "online");
  assert.deepEqual([presence.whole, presence.count], [true, 6]);
});

test("a roster that was entered anew while it was read, or can no longer be, is left alone", async () => {
  const { presence } = listened();
  let answer!: (page?: RosterPage) => void;
  const counts = { users: 2, connections: 2 };
  const before = presence.entered({ ...entry, presence: [member("ann")], counts }, () => new Promise((resolve) => (answer = resolve)));
  await presence.entered({ ...entry, presence: [member("bob")] }, none);
  answer({ users: [member("eve")] });
  await before;
  assert.deepEqual(presence.list.map(({ user }) => user), ["bob"]);
  await presence.entered({ ...entry, presence: [member("ann")], counts }, async () => undefined);
  assert.deepEqual([presence.whole, presence.count], [false, 2]);
});

test("of a very large room there are the first, and how many there are", async () => {
  const { presence } = listened();
  await presence.entered({ ...entry, presence: [member("ann")], counts: { users: 1001, connections: 1001 } }, none);
  presence.changed([change("zoe", "leave"), change("zoe", "leave"), change("bob", "join")], "ann");
  assert.deepEqual([presence.whole, presence.count, presence.size], [false, 1000, 2]);
  presence.doubt();
  assert.equal(presence.count, 1000);
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
