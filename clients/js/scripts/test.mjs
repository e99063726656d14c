// Runs the tests against the real hubmesh, which it builds from this
// repository first.
//
//   node scripts/test.mjs                    all of test/*.test.ts
//   node scripts/test.mjs cuts react         those with such names
//   node scripts/test.mjs --times=20 cuts    so often, until one fails

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const args = process.argv.slice(2);
const times = Number(args.find((a) => a.startsWith("--times="))?.slice("--times=".length) ?? 1);
const names = args.filter((a) => !a.startsWith("--"));

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", ...options });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Builds hubmesh, unless HUBMESH_PROGRAM is one. */
function program() {
  const given = process.env.HUBMESH_PROGRAM;
  if (given) return given;
  const made = mkdtempSync(join(tmpdir(), "hubmesh-program-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  run("go", ["build", "-o", join(made, "hubmesh"), "./hubmesh"], { cwd: "../.." });
  return join(made, "hubmesh");
}

const wanted = readdirSync("test").filter((f) => f.endsWith(".test.ts") && (!names.length || names.some((n) => f.startsWith(n))));
rmSync(".build", { recursive: true, force: true });
await build({
  entryPoints: wanted.map((f) => `test/${f}`), outdir: ".build", bundle: true, packages: "external",
  platform: "node", format: "esm", target: "node20", sourcemap: "inline", logLevel: "warning",
});
const env = { ...process.env, HUBMESH_PROGRAM: program(), NODE_NO_WARNINGS: "1" };
const files = wanted.map((f) => `.build/${f.replace(/ts$/, "js")}`);
for (let n = 1; n <= times; n++) {
  if (times > 1) console.log(`\n== ${n} of ${times}`);
  run(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", "--test-concurrency=2", ...files], { env });
}
