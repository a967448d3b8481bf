/** Bundle the extension, or with `--test` its unit tests, with esbuild. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build, context } from "esbuild";

const wants = (flag) => process.argv.includes(flag);

/** @type {import("esbuild").BuildOptions} */
const shared = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  logLevel: "warning",
  legalComments: "none",
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

/** Write the licences of the packages that a bundle holds. */
function writeLicences(metafile, target) {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((input) => {
      const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
      return found ? [found[1]] : [];
    }),
  );
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(`${folder}/${file}`, "utf8").trim() : license;
    return `${name} ${version}\n\n${text}\n`;
  });
  writeFileSync(
    target,
    `This extension holds these packages.\n\n${parts.join(`\n${"-".repeat(72)}\n\n`)}`,
  );
}

if (wants("--test")) {
  rmSync("out-test", { recursive: true, force: true });
  const files = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  await build({
    ...shared,
    entryPoints: files.map((name) => `test/${name}`),
    outdir: "out-test",
    alias: { vscode: "./test/vscode.ts" },
    // The stand-in holds only what the tests come to.
    logOverride: { "import-is-undefined": "silent" },
    sourcemap: "inline",
  });
} else if (wants("--watch")) {
  await (await context(extension)).watch();
} else {
  rmSync("dist", { recursive: true, force: true });
  const { metafile } = await build({ ...extension, metafile: true });
  writeLicences(metafile, "dist/LICENSES.txt");
}
