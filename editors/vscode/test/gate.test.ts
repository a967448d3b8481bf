import assert from "node:assert/strict";
import { test } from "node:test";
import { languageOn, SCHEMES, toggledLanguage, whyOff } from "../src/state/gate";

const FILE = { uri: "file:///w/a.py", scheme: "file", languageId: "python" };
const ON = { enabled: true, languages: {}, filesOff: new Set<string>() };

test("a language's own entry comes before that of every other language", () => {
  assert.equal(languageOn({ "*": false, python: true }, "python"), true);
  assert.equal(languageOn({ "*": false, python: true }, "go"), false);
  assert.equal(languageOn({}, "go"), true);
});

test("switching a language off and on again leaves the other languages alone", () => {
  const off = toggledLanguage({ "*": true, go: false }, "python");
  assert.deepEqual(off, { "*": true, go: false, python: false });
  assert.equal(languageOn(toggledLanguage(off, "python"), "python"), true);
});

test("switching a language on where all are off names that language alone", () => {
  assert.deepEqual(toggledLanguage({ "*": false }, "python"), { "*": false, python: true });
});

test("a document is refused for each reason, the general one first", () => {
  assert.equal(whyOff(ON, FILE), undefined);
  assert.match(whyOff({ ...ON, enabled: false }, FILE) ?? "", /switched off\.$/);
  assert.match(whyOff({ ...ON, languages: { python: false } }, FILE) ?? "", /for python/);
  assert.match(whyOff({ ...ON, filesOff: new Set([FILE.uri]) }, FILE) ?? "", /in this file/);
});

test("logs, differences and output are no files to complete in", () => {
  for (const scheme of ["output", "git", "midfill", "vscode-scm"]) {
    assert.equal(SCHEMES.includes(scheme), false);
    assert.match(whyOff(ON, { ...FILE, scheme }) ?? "", /not a file/);
  }
});
