import assert from "node:assert/strict";
import { test } from "node:test";
import { Page, serve } from "./chromium.js";
import { client, patience, sharedHouse, token } from "./house.js";
import { Proxy } from "./proxy.js";

const house = sharedHouse();

/** A page with a client that writes down what it hears. */
function html(url: string): string {
  return `<!doctype html><title>test</title><script type="module">
    import { Hub } from "/hubmesh.js";
    const hub = new Hub("${url}", { token: () => "${token("ann")}", backoff: { first: 3_600_000, most: 3_600_000 } });
    const room = hub.room("task:browser");
    Object.assign(window, { hub, room, states: [], heard: [], gaps: [] });
    hub.on("state", ({ status }) => states.push(status));
    hub.on("gap", (gap) => gaps.push(gap));
    room.on("n", (n) => heard.push(n));
  </script>`;
}

test("a page comes back when it is seen, and when there is a network again, and has missed nothing", { timeout: 2 * patience }, async (t) => {
  // It would wait for an hour by itself.
  const proxy = await Proxy.start(t, house().main.port);
  const page = await Page.start(t);
  await page.open(await serve(t, html(proxy.url)));
  await page.until(`window.room?.state === "joined"`, "String(window.states)");
  let n = 0;
  const publish = () => house().publish("task:browser", "n", ++n);
  await publish();
  await page.until("heard.length === 1");

  proxy.cut();
  await page.until(`hub.state.status === "waiting"`);
  await publish();
  await page.eval(`document.dispatchEvent(new Event("visibilitychange"))`);
  await page.until("heard.length === 2");

  const network = (offline: boolean) => page.do("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await network(true);
  proxy.cut();
  await page.until(`hub.state.status === "offline"`, "String(window.states)");
  await publish();
  await network(false);
  await page.until("heard.length === 3");

  assert.deepEqual(await page.eval("heard"), [1, 2, 3]);
  assert.deepEqual(await page.eval("gaps"), []);
  const { offset } = await page.eval(`room.publish("n", 4, { durable: true, echo: true })`);
  await page.until("heard.length === 4");
  assert.equal(await page.eval("room.position.offset"), offset);
  await page.eval("hub.close()");
  assert.equal(await page.eval("hub.state.reason"), "closed");
  assert.deepEqual(page.faults, []);
});

test("five hundred events through ten cuts are each heard once in a browser, in order", { timeout: 2 * patience }, async (t) => {
  const proxy = await Proxy.start(t, house().main.port);
  const page = await Page.start(t);
  await page.open(await serve(t, html(proxy.url).replaceAll("3_600_000", "100").replaceAll("task:browser", "task:cuts")));
  await page.until(`window.room?.state === "joined"`, "String(window.states)");
  const all = Array.from({ length: 500 }, (_, n) => n);
  for (const n of all) {
    await house().publish("task:cuts", "n", n);
    if (n % 50 === 25) proxy.cut();
  }
  await page.until("heard.length >= 500", "heard.length");
  assert.deepEqual(await page.eval("heard"), all);
  assert.deepEqual(await page.eval("gaps"), []);
  assert.deepEqual(page.faults, []);
});

test("a page shows who is here, how they are and who types, also when its gateway is killed", { timeout: 2 * patience }, async (t) => {
  const killed = await house().gateway();
  const proxy = await Proxy.start(t, killed.port);
  const page = await Page.start(t);
  await page.open(await serve(t, html(proxy.url).replaceAll("3_600_000", "100").replaceAll('"task:browser"', '"task:seen", { presence: true }')));
  const shows = (want: string) => page.until(`room.presence.list.map(({ user, status }) => user + " " + status).sort().join() === "${want}"`, "JSON.stringify(room.presence.list)");
  await page.until("window.room?.presence.whole", "String(window.states)");
  const bob = client(t, house().main.url, "bob");
  const eve = client(t, house().main.url, "eve");
  for (const hub of [bob, eve]) await hub.room("task:seen", { presence: true }).ready();
  await shows("ann online,bob online,eve online");
  await bob.status("busy");
  await shows("ann online,bob busy,eve online");
  bob.room("task:seen").typing();
  await page.until(`room.typists.list.join() === "bob"`, "String(room.typists.list)");

  proxy.target = house().main.port;
  proxy.closed = true;
  await killed.end("SIGKILL");
  await page.until(`hub.state.status !== "open"`);
  eve.room("task:seen").close();
  await bob.status("away");
  await page.until("!room.presence.whole");
  proxy.closed = false;
  await shows("ann online,bob away");
  await page.eval(`hub.status("busy")`);
  await shows("ann busy,bob away");
  await page.until("room.typists.list.length === 0");
  assert.deepEqual(page.faults, []);
});
