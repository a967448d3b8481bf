// Checks what Midfill's extension offers other code in the extension host, and writes one
// JSON line for each check into `api-results.jsonl` of the workspace: by a command, since the
// window is that of other tests, too.
"use strict";
const assert = require("node:assert/strict");
const { appendFileSync } = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");

const ID = "midfill.midfill";
const TIMEOUT_MS = 20_000;

/** Resolve when an event has made a condition true. */
function until(what, subscribe, holds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} did not come`)), TIMEOUT_MS);
    const look = () => {
      if (!holds()) return;
      clearTimeout(timer);
      subscription.dispose();
      resolve();
    };
    const subscription = subscribe(look);
    look();
  });
}

const manifest = () => vscode.extensions.getExtension(ID).packageJSON;

/** Ask for a completion behind `NAME = `, take it, and return the line. */
async function complete(name) {
  const editor = vscode.window.activeTextEditor;
  const { document } = editor;
  const end = document.lineAt(document.lineCount - 1).range.end;
  await editor.edit((edit) => edit.insert(end, `\n    ${name} = `));
  const cursor = document.lineAt(document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(cursor, cursor);
  const length = document.getText().length;
  // Nothing tells an extension that ghost text is there: it is taken as soon as it can be.
  const again = setInterval(() => vscode.commands.executeCommand("editor.action.inlineSuggest.commit"), 100);
  try {
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    await until("the completion", (look) => vscode.workspace.onDidChangeTextDocument(look), () => document.getText().length > length);
  } finally {
    clearInterval(again);
  }
  return document.lineAt(document.lineCount - 1).text;
}

const checks = {
  async activation() {
    const extension = vscode.extensions.getExtension(ID);
    await extension.activate();
    assert.equal(extension.isActive, true);
    assert.equal(extension.extensionKind, vscode.ExtensionKind.Workspace);
  },
  async commands() {
    const known = new Set(await vscode.commands.getCommands(true));
    const declared = manifest().contributes.commands.map(({ command }) => command);
    for (const command of declared) assert.ok(known.has(command), command);
    for (const command of ["toggle", "toggleLanguage", "toggleFile", "snooze", "endSnooze", "restart", "chooseModel", "showLog", "showTrace", "runDoctor", "openSettings", "showMenu", "installServer", "openWalkthrough"]) {
      assert.ok(declared.includes(`midfill.${command}`), command);
    }
  },
  async settings() {
    const configuration = vscode.workspace.getConfiguration("midfill");
    const sections = manifest().contributes.configuration;
    const keys = sections.flatMap(({ properties }) => Object.entries(properties));
    assert.ok(keys.length > 30);
    for (const [key, schema] of keys) {
      const seen = configuration.inspect(key.slice("midfill.".length));
      assert.deepEqual(seen.defaultValue, schema.default, key);
      assert.ok((schema.markdownDescription ?? schema.description).length > 10, key);
    }
  },
  async trust() {
    const { supported, restrictedConfigurations } = manifest().capabilities.untrustedWorkspaces;
    assert.equal(supported, "limited");
    for (const key of ["server.path", "server.arguments", "server.environment", "model.path", "engine.kind", "registry.hub"]) {
      assert.ok(restrictedConfigurations.includes(`midfill.${key}`), key);
    }
    // Trusted as this workspace is, it cannot say where code is sent, or with whose key.
    const configuration = vscode.workspace.getConfiguration("midfill");
    for (const [key, value] of [["server.environment", { A: "b" }], ["server.arguments", ["--config", "x"]]]) {
      await assert.rejects(configuration.update(key, value, vscode.ConfigurationTarget.Workspace), key);
    }
  },
  async provider() {
    assert.equal(await complete("x"), "    x = sum(items)");
  },
  async restart() {
    await vscode.commands.executeCommand("midfill.restart");
    assert.equal(await complete("y"), "    y = sum(items)");
  },
  async toggle() {
    const enabled = () => vscode.workspace.getConfiguration("midfill").get("enable");
    for (const expected of [false, true]) {
      await vscode.commands.executeCommand("midfill.toggle");
      await until("the setting", vscode.workspace.onDidChangeConfiguration, () => enabled() === expected);
    }
  },
};

async function runAll() {
  const folder = vscode.workspace.workspaceFolders[0].uri.fsPath;
  const document = await vscode.workspace.openTextDocument(path.join(folder, "a.py"));
  await vscode.window.showTextDocument(document);
  for (const [name, check] of Object.entries(checks)) {
    let error = null;
    try {
      await check();
    } catch (problem) {
      error = String(problem.stack ?? problem);
    }
    appendFileSync(path.join(folder, "api-results.jsonl"), `${JSON.stringify({ event: "check", name, error })}\n`);
  }
}

exports.activate = (context) => {
  context.subscriptions.push(vscode.commands.registerCommand("midfill-tests.run", runAll));
};
