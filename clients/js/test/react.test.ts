import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import { Page, serve } from "./chromium.js";
import { client, patience, sharedHouse, token } from "./house.js";
import { Proxy } from "./proxy.js";

const house = sharedHouse();

/** The page of test/react-page.ts with a version of React. */
async function bundle(version: 18 | 19): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ["test/react-page.ts"], bundle: true, write: false, format: "esm", define: { "process.env.NODE_ENV": '"development"' },
    alias: { react: `react${version}`, "react-dom": `react-dom${version}` }, logLevel: "warning",
  });
  return outputFiles[0]!.text;
}

for (const version of [18, 19] as const) {
  test(`React ${version} shows rooms, who is here and the connection`, { timeout: 2 * patience }, async (t) => {
    const proxy = await Proxy.start(t, house().main.port);
    const script = await bundle(version);
    const page = await Page.start(t);
    const options = JSON.stringify({ url: proxy.url, token: token("ann") });
    const html = `<!doctype html><div id="root"></div><script>window.given = ${options}</script><script type="module" src="/page.js"></script>`;
    await page.open(await serve(t, html, { "/page.js": script }));
    const shows = (text: string) => page.until(`document.body.innerText.includes(${JSON.stringify(text)})`);
    await shows(`React ${version}`);
    await shows("open");
    await shows("task:1: joined");

    await house().publish("task:1", "n", "first");
    await shows("heard: first");
    await shows("here: ann\n");
    const hub = client(t, house().main.url, "bob");
    const bob = hub.room("task:1", { presence: true });
    await shows("here: ann bob\n");
    bob.typing();
    await shows("typing: bob");
    bob.typing(false);
    await page.until(`!document.body.innerText.includes("typing: bob")`);

    proxy.closed = true;
    proxy.cut();
    await shows("waiting");
    await house().publish("task:1", "n", "second");
    bob.close();
    await client(t, house().main.url, "eve").room("task:1", { presence: true }).ready();
    proxy.closed = false;
    await shows("heard: first second");
    await shows("here: ann eve\n");

    // Another room: the one before is left, that of the rest of the program is not.
    await page.eval(`show("task:2")`);
    await shows("task:2: joined");
    await page.until(`!hub.rooms.has("task:1")`);
    await page.eval("show(undefined)");
    await page.until(`!hub.rooms.has("task:2") && hub.rooms.has("task:mine")`);
    assert.equal(await page.eval(`subscribed.filter((name) => name === "task:2").length`), 1, "StrictMode must not subscribe twice");
    assert.deepEqual(page.faults, []);
  });
}
