import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { SetupFolder } from "../src/setup/folder";
import {
  chooseLock,
  interpreterNames,
  type Machine,
  parsePythonVersion,
  pythonFits,
  stepOf,
  whyUnsupported,
} from "../src/setup/plan";

const LINUX: Machine = { platform: "linux", architecture: "x64", nvidia: false, device: "auto" };

/** Run a check with a folder of its own. */
async function withRoot(check: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), "midfill-setup-"));
  try {
    await check(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test("the requirements follow the GPU, and the setting comes before it", () => {
  assert.equal(chooseLock(LINUX), "cpu");
  assert.equal(chooseLock({ ...LINUX, nvidia: true }), "cuda");
  assert.equal(chooseLock({ ...LINUX, nvidia: true, device: "cpu" }), "cpu");
  assert.equal(chooseLock({ ...LINUX, device: "cuda" }), "cuda");
});

test("a machine that the locks are not made for gets a message before anything is done", () => {
  assert.equal(whyUnsupported(LINUX), undefined);
  assert.match(
    whyUnsupported({ ...LINUX, platform: "darwin", architecture: "arm64" }) ?? "",
    /darwin on arm64/,
  );
});

test("Python is judged by its version", () => {
  assert.deepEqual(parsePythonVersion("Python 3.12.4\n"), [3, 12]);
  assert.equal(parsePythonVersion("python: not found"), undefined);
  assert.deepEqual(
    [
      [3, 10],
      [3, 11],
      [3, 13],
      [3, 14],
    ].map(([major = 0, minor = 0]) => pythonFits([major, minor])),
    [false, true, true, false],
  );
  assert.equal(interpreterNames("/envs/py/bin/python").at(-1), "/envs/py/bin/python");
});

test("the installer's steps become progress, its other lines do not", () => {
  assert.equal(stepOf("==> installing uv"), "Installing uv");
  assert.equal(stepOf("    not there"), undefined);
});

test("an environment counts only when it was set up to its end, and replaces older ones", () =>
  withRoot(async (root) => {
    const old = new SetupFolder(root, "0.0.9");
    await mkdir(old.environment);
    await old.finish("cpu");
    const folder = new SetupFolder(root, "0.1.0");
    await mkdir(folder.environment);
    await writeFile(path.join(folder.environment, "half"), "");
    assert.equal(folder.isReady, false);
    await folder.clear();
    assert.equal(existsSync(folder.environment), false);
    await mkdir(folder.environment);
    await folder.finish("cpu");
    assert.equal(folder.isReady, true);
    assert.deepEqual(await readdir(root), ["0.1.0"]);
  }));

test("one window sets up at a time, and the claim of a window that is gone is void", () =>
  withRoot(async (root) => {
    const folder = new SetupFolder(root, "0.1.0");
    const release = await folder.claim();
    assert.ok(release);
    assert.equal(await folder.claim(), undefined);
    await release();
    const gone = await folder.claim(2 ** 22 + 1);
    assert.ok(gone);
    const next = await folder.claim();
    assert.ok(next);
    await next();
  }));
