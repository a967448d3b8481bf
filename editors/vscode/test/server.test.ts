import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { exitText, failedStart, REMEDY_TITLES, wrongVersion } from "../src/server/failure";
import { ServerProcess } from "../src/server/process";
import { RestartBudget } from "../src/server/restartBudget";
import { lastLine, run } from "../src/server/run";
import { parseVersion, versionsFit } from "../src/server/version";

const launch = (script: string) => ({
  command: process.execPath,
  args: ["-e", script],
  cwd: undefined,
  environment: process.env,
});

/** Whether a process runs; one that has ended but that nobody has asked about does not. */
function isRunning(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^\d+ \(.*\) [ZX] /.test(status);
  } catch {
    return false;
  }
}

/** Wait until a process is over; the kernel takes a moment after its files are closed. */
async function isOver(pid: number): Promise<boolean> {
  const deadline = Date.now() + 5_000;
  while (isRunning(pid) && Date.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return !isRunning(pid);
}

test("a server that ignores every signal but one is ended with all that it started", async () => {
  const script = `
    const { spawn } = require("node:child_process");
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    console.error("child " + child.pid);
    setInterval(() => {}, 1000);`;
  let childPid = 0;
  const started = new Promise<void>((resolve) => {
    const server = new ServerProcess(
      launch(script),
      (line) => {
        childPid = Number(line.replace("child ", ""));
        void server.endWithin(50).then((byItself) => {
          assert.equal(byItself, false);
          resolve();
        });
      },
      () => {},
    );
  });
  await started;
  assert.ok(childPid > 0);
  assert.ok(await isOver(childPid));
});

test("how a server ended is known, with its last words", async () => {
  const server = new ServerProcess(
    launch('console.error("no model"); process.exit(3)'),
    () => {},
    () => {},
  );
  assert.deepEqual(await server.exited, { code: 3, signal: null, spawnError: undefined });
  assert.deepEqual(server.logTail, ["no model"]);
});

test("a server that cannot be run is an end like others", async () => {
  const server = new ServerProcess(
    { ...launch(""), command: "/nowhere/midfill" },
    () => {},
    () => {},
  );
  const exit = await server.exited;
  assert.match(exit.spawnError ?? "", /ENOENT/);
  await server.kill();
});

test("a server is started again a few times, ever later, and then given up", () => {
  const budget = new RestartBudget(4, 180_000);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((second) => budget.next(second * 1_000)),
    [0, 500, 1_000, 2_000, undefined],
  );
  assert.notEqual(budget.next(400_000), undefined);
  budget.reset();
  assert.equal(budget.next(400_001), 0);
});

test("versions fit by what may change between them", () => {
  assert.ok(versionsFit("0.1.7", "0.1.0"));
  assert.ok(!versionsFit("0.2.0", "0.1.0"));
  assert.ok(versionsFit("1.4.0", "1.0.0"));
  assert.ok(!versionsFit("2.0.0", "1.0.0"));
  assert.ok(!versionsFit("", "0.1.0"));
  assert.equal(parseVersion("midfill 0.1.0\n"), "0.1.0");
  assert.equal(parseVersion("something else 1.0"), undefined);
});

test("each failure at the start says what happened and has a button that helps", () => {
  const exit = { code: 1, signal: null, spawnError: undefined };
  const failures = [
    failedStart("/bin/midfill", { kind: "exited", exit, logTail: ["first", "no such model", ""] }),
    failedStart("/bin/midfill", {
      kind: "exited",
      exit: { ...exit, code: null, spawnError: "EACCES" },
      logTail: [],
    }),
    failedStart("/bin/yes", { kind: "silent", garbageBytes: 9_000 }),
    failedStart("/bin/midfill", { kind: "silent", garbageBytes: 0 }),
    failedStart("/bin/midfill", { kind: "refused", message: "no" }),
    wrongVersion("0.2.0", "0.1.0"),
  ];
  const messages = failures.map((failure) => failure.message);
  assert.match(messages[0] ?? "", /exit status 1.*no such model/);
  assert.match(messages[1] ?? "", /cannot run \/bin\/midfill: EACCES/);
  assert.match(messages[2] ?? "", /\/bin\/yes is not Midfill's server/);
  assert.match(messages[3] ?? "", /does not answer/);
  assert.match(messages[5] ?? "", /0\.2\.0.*0\.1\.0/);
  for (const failure of failures) {
    assert.ok(failure.remedies.every((remedy) => REMEDY_TITLES[remedy]));
    assert.ok(failure.message.length < 300);
  }
  assert.equal(
    exitText({ code: null, signal: "SIGKILL", spawnError: undefined }),
    "signal SIGKILL",
  );
});

test("a command that is cancelled is ended, with what it started", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "midfill-run-"));
  const abort = new AbortController();
  const script = `
    const child = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  let childPid = 0;
  const result = await run(process.execPath, ["-e", script], {
    signal: abort.signal,
    cwd: folder,
    onLine: (line) => {
      childPid = Number(line);
      abort.abort();
    },
  });
  assert.equal(result.cancelled, true);
  assert.ok(await isOver(childPid));
  await rm(folder, { recursive: true });
});

test("a command's output, errors and status are returned", async () => {
  const result = await run(process.execPath, [
    "-e",
    'console.log("a"); console.error("b\\nc\\n"); process.exit(2)',
  ]);
  assert.deepEqual(result, { code: 2, stdout: "a\n", stderr: "b\nc\n\n", cancelled: false });
  assert.equal(lastLine(result.stderr), "c");
  assert.equal((await run("/nowhere/at-all", [])).code, null);
});
