// Makes dist: a module and a CommonJS file of each entry, with types of each
// kind, and hubmesh.js, which browsers load as it is.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("dist", { recursive: true, force: true });

const entryPoints = ["src/index.ts", "src/react.ts"];
const common = { bundle: true, target: "es2022", external: ["react"], logLevel: "warning" };
await Promise.all([
  build({ ...common, entryPoints, format: "esm", outdir: "dist/esm", sourcemap: true }),
  build({ ...common, entryPoints, format: "cjs", outdir: "dist/cjs", sourcemap: true, platform: "node" }),
  build({ ...common, entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/hubmesh.js", minify: true }),
]);

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" });
mkdirSync("dist/cjs", { recursive: true });
for (const name of readdirSync("dist/esm")) {
  if (name.endsWith(".d.ts")) cpSync(`dist/esm/${name}`, `dist/cjs/${name}`);
}
// What lies beside it is CommonJS, and so are its types.
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
