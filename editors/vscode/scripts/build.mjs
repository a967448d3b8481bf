/** Bundle the extension, or with `--test` its unit tests, with esbuild. */
import { readdirSync, rmSync } from "node:fs";
import { build, context } from "esbuild";

const wants = (flag) => process.argv.includes(flag);

/** @type {import("esbuild").BuildOptions} */
const shared = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  logLevel: "warning",
  legalComments: "linked",
};

/** @type {import("esbuild").BuildOptions} */
const extension = {
  ...shared,
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  external: ["vscode"],
  minify: wants("--production"),
  sourcemap: !wants("--production"),
};

if (wants("--test")) {
  rmSync("out-test", { recursive: true, force: true });
  const files = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  await build({
    ...shared,
    entryPoints: files.map((name) => `test/${name}`),
    outdir: "out-test",
    external: ["vscode"],
    sourcemap: "inline",
  });
} else if (wants("--watch")) {
  await (await context(extension)).watch();
} else {
  rmSync("dist", { recursive: true, force: true });
  await build(extension);
}
