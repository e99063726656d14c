// The examples of README.md do what it says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { Page, serve } from "./chromium.js";
import { patience, sharedHouse, token } from "./house.js";

const house = sharedHouse();
const readme = readFileSync("README.md", "utf8");

function example(name: string): string {
  const found = readme.match(new RegExp(`<!-- run: ${name} -->\\n\`\`\`\\w+\\n(.*?)\\n\`\`\``, "s"));
  assert.ok(found, `README.md has no example ${name}`);
  return found[1]!;
}

test("the task board shows in one window what another does", { timeout: 2 * patience }, async (t) => {
  const windows = [];
  for (const user of ["ann", "bob"]) {
    const html = example("board").replace("TOKEN", token(user)).replace('"/ws"', `"${house().main.url}"`);
    const page = await Page.start(t);
    await page.open(await serve(t, html));
    await page.until(`document.getElementById("state").textContent === "open"`);
    windows.push(page);
  }
  const [ann, bob] = windows as [Page, Page];
  await ann.eval(`document.forms[0].title.value = "Ship it"; document.forms[0].requestSubmit()`);
  for (const page of windows) await page.until(`document.querySelector("#todo li")?.textContent === "Ship it"`);
  await bob.eval(`document.querySelector("#todo li").click()`);
  for (const page of windows) await page.until(`document.querySelector("#done li")?.textContent === "Ship it"`);
  assert.deepEqual(windows.flatMap((page) => page.faults), []);
});

test("the program for Node ends, having heard itself", { timeout: patience }, async () => {
  writeFileSync(".build/example.mjs", example("node"));
  const { stdout } = await promisify(execFile)(process.execPath, [".build/example.mjs"], { env: { ...process.env, HUB: house().main.url, TOKEN: token("ann") } });
  assert.equal(stdout, "task:update Ship it true\n");
});
