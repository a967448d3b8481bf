// Exports what Microsoft's Python extension exports of environments, as @vscode/python-extension
// declares it. The environment that is selected is the one whose interpreter the file
// `selected-python.txt` of the workspace names; without the file none is.
"use strict";
const { readFileSync } = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");

exports.activate = async () => ({
  environments: {
    getActiveEnvironmentPath(resource) {
      const file = path.join((resource ?? vscode.workspace.workspaceFolders[0].uri).fsPath, "selected-python.txt");
      let named = "python";
      try {
        named = readFileSync(file, "utf8").trim();
      } catch {
        // Nothing is selected: the real one names the command then.
      }
      return { id: named, path: named };
    },
    async resolveEnvironment(environment) {
      if (!path.isAbsolute(environment.path)) return undefined;
      const uri = vscode.Uri.file(environment.path);
      return { id: environment.path, path: environment.path, executable: { uri, bitness: "64-bit", sysPrefix: path.dirname(path.dirname(environment.path)) } };
    },
  },
});
