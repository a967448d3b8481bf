import assert from "node:assert/strict";
import { test } from "node:test";
import { expandPath, findServer, type Places } from "../src/server/find";

const PLACES: Places = {
  configured: "",
  ownEnvironment: "/store/server/0.1.0",
  pathVariable: "/usr/bin:relative:/opt/bin",
  selectedPython: "/envs/py/bin/python",
  workspaceFolders: ["/project"],
  trusted: true,
  home: "/home/me",
  windows: false,
};

const only =
  (...files: readonly string[]) =>
  async (file: string) =>
    files.includes(file);

test("every place is looked at, in its order", async () => {
  const seen: string[] = [];
  const search = await findServer(PLACES, async (file) => {
    seen.push(file);
    return false;
  });
  assert.equal(search.kind, "missing");
  assert.deepEqual(seen, [
    "/store/server/0.1.0/bin/midfill",
    "/usr/bin/midfill",
    "/opt/bin/midfill",
    "/envs/py/bin/midfill",
    "/project/.venv/bin/midfill",
  ]);
});

test("the first server that can be run is taken, with where it was", async () => {
  const search = await findServer(
    PLACES,
    only("/envs/py/bin/midfill", "/project/.venv/bin/midfill"),
  );
  assert.deepEqual(search, {
    kind: "found",
    server: { command: "/envs/py/bin/midfill", origin: "Python environment" },
  });
});

test("the setting comes first, with the home and workspace folders put in", async () => {
  const configured = "$" + "{workspaceFolder}/.venv/bin/midfill";
  const search = await findServer(
    { ...PLACES, configured },
    only("/project/.venv/bin/midfill", "/usr/bin/midfill"),
  );
  assert.deepEqual(search, {
    kind: "found",
    server: { command: "/project/.venv/bin/midfill", origin: "setting" },
  });
  assert.equal(expandPath("~/bin/midfill", PLACES), "/home/me/bin/midfill");
  assert.equal(expandPath(configured, { ...PLACES, workspaceFolders: [] }), undefined);
});

test("a setting that leads nowhere is a problem, not a reason to look elsewhere", async () => {
  for (const configured of ["/nowhere/midfill", "midfill"]) {
    const search = await findServer({ ...PLACES, configured }, only("/usr/bin/midfill"));
    assert.equal(search.kind, "bad setting");
  }
});

test("nothing inside of an untrusted workspace is run", async () => {
  const places = {
    ...PLACES,
    trusted: false,
    pathVariable: "/project/bin:/usr/bin",
    selectedPython: "/project/.venv/bin/python",
  };
  assert.equal(
    (await findServer(places, async (file) => file.startsWith("/project/"))).kind,
    "missing",
  );
  const configured = "$" + "{workspaceFolder}/.venv/bin/midfill";
  assert.equal((await findServer({ ...places, configured }, async () => true)).kind, "bad setting");
  assert.equal((await findServer(places, only("/usr/bin/midfill"))).kind, "found");
});
