import assert from "node:assert/strict";
import { test } from "node:test";
import manifest from "../package.json";
import { isOwn, misfit, SETTINGS } from "../src/settings/schema";
import {
  needsRestart,
  problemsText,
  settingsEnvironment,
  wireSettings,
  withNulls,
} from "../src/settings/wire";

const wireOf = (set: Readonly<Record<string, unknown>>) => wireSettings((key) => set[key]);

test("only what somebody has set is sent, by section and in camel case", () => {
  const { values, problems } = wireOf({
    "model.path": "m",
    "completion.maxLineTokens": 32,
    "server.path": "/bin/midfill",
    enable: false,
  });
  assert.deepEqual(values, { model: { path: "m" }, completion: { maxLineTokens: 32 } });
  assert.deepEqual(problems, []);
  assert.deepEqual(wireOf({}).values, {});
});

test("a change names every setting of the server, with null for what is not set", () => {
  const sent = withNulls({ completion: { maxLineTokens: 32 } });
  assert.equal(sent.completion?.maxLineTokens, 32);
  assert.equal(sent.completion?.deadlineMs, null);
  assert.ok("path" in (sent.model ?? {}));
  assert.ok(!("server" in sent));
});

test("a value of the wrong type or out of range is not sent, and reported with what is accepted", () => {
  const { values, problems } = wireOf({
    "completion.maxLineTokens": "many",
    "completion.temperature": 3,
    "engine.device": "tpu",
    "completion.enabled": 1,
    "model.path": null,
  });
  assert.deepEqual(values, {});
  assert.deepEqual(Object.fromEntries(problems.map(({ key, accepted }) => [key, accepted])), {
    "completion.maxLineTokens": "a whole number from 1 to 1000000000",
    "completion.temperature": "a number from 0 to 2",
    "engine.device": "one of auto, cpu, cuda",
    "completion.enabled": "true or false",
    "model.path": "a string",
  });
  assert.match(problemsText(problems), /^Midfill runs without some settings: midfill\.\S+ takes /);
});

test("the extension's own settings are checked too", () => {
  const accepts = (key: string, value: unknown) =>
    misfit(SETTINGS.get(key) ?? { type: "none" }, value) === undefined;
  assert.ok(accepts("languages", { "*": true }));
  assert.ok(!accepts("languages", { python: "yes" }));
  assert.ok(!accepts("languages", ["python"]));
  assert.ok(accepts("server.arguments", ["--config", "x"]));
  assert.ok(!accepts("server.arguments", "--config"));
  assert.ok(!accepts("server.environment", { A: 1 }));
});

test("model and engine need a restart, completion does not", () => {
  const model = { model: { path: "m" } };
  assert.ok(needsRestart({}, model));
  assert.ok(needsRestart(model, {}));
  assert.ok(!needsRestart(model, { ...model, completion: { maxLineTokens: 8 } }));
});

test("commands read the settings from variables, as TOML", () => {
  const values = {
    model: { path: "a b" },
    completion: { maxLineTokens: 8 },
    engine: { enforceEager: true },
  };
  assert.deepEqual(settingsEnvironment(values), {
    MIDFILL_MODEL_PATH: '"a b"',
    MIDFILL_COMPLETION_MAX_LINE_TOKENS: "8",
    MIDFILL_ENGINE_ENFORCE_EAGER: "true",
  });
});

test("every setting is described, has a default that fits, and a scope", () => {
  for (const section of manifest.contributes.configuration) {
    for (const [key, schema] of Object.entries<Record<string, unknown>>(section.properties)) {
      assert.equal(typeof schema.markdownDescription, "string", key);
      assert.equal(typeof schema.scope, "string", key);
      const accepted = misfit(
        SETTINGS.get(key.slice("midfill.".length)) ?? { type: "none" },
        schema.default,
      );
      assert.equal(accepted, undefined, key);
    }
  }
});

const RESTRICTED = new Set([
  "server",
  "model",
  "engine",
  "scripted",
  "registry",
  "daemon",
  "privacy",
  "telemetry",
]);

test("an untrusted workspace decides neither what is run, loaded and kept, nor what is private", () => {
  const restricted = new Set(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations);
  for (const key of SETTINGS.keys()) {
    const section = key.split(".")[0] ?? "";
    assert.equal(restricted.has(`midfill.${key}`), RESTRICTED.has(section), key);
  }
  assert.ok(isOwn("server.path"));
});
