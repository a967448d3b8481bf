import * as vscode from "vscode";
import type { FoundServer } from "../server/find";
import { lastLine, run } from "../server/run";
import { writeSetting } from "../settings/read";
import { settingsEnvironment } from "../settings/wire";
import { type ListedModel, modelDetail, parseModels } from "../ui/modelList";
import { withProgress } from "../ui/progress";
import type { MidfillWindow } from "../window";

interface Choice extends vscode.QuickPickItem {
  readonly model?: ListedModel;
}

/** Let the user choose the model, and fetch it where it is not on this machine. */
export async function chooseModel(window: MidfillWindow): Promise<void> {
  const server = await window.findOrTell();
  if (server === undefined) return;
  const current = window.modelName;
  const chosen = await pick(listedModels(window, server), current);
  if (chosen === undefined) return;
  const path = chosen.model ? await available(window, server, chosen.model) : await askFolder();
  if (path === undefined || path === current) return;
  await writeSetting("model.path", path);
}

/** Show the list, which takes a moment to come; it closes by itself where none comes. */
async function pick(
  listed: Promise<readonly ListedModel[] | undefined>,
  current: string,
): Promise<Choice | undefined> {
  const closing = new vscode.CancellationTokenSource();
  const choices = listed.then((models): Choice[] => {
    if (models === undefined) closing.cancel();
    const named = (models ?? []).map((model) => ({
      label: model.name === current ? `$(check) ${model.name}` : model.name,
      detail: modelDetail(model),
      model,
    }));
    return [...named, { label: "$(folder-opened) A model folder…", alwaysShow: true }];
  });
  const options = {
    title: "Midfill's Model",
    placeHolder: "The server is restarted with the model that you choose",
    matchOnDetail: true,
  };
  try {
    return await vscode.window.showQuickPick(choices, options, closing.token);
  } finally {
    closing.dispose();
  }
}

async function listedModels(
  window: MidfillWindow,
  server: FoundServer,
): Promise<readonly ListedModel[] | undefined> {
  const result = await run(server.command, ["models", "list", "--json"], {
    environment: commandEnvironment(window, server),
  });
  const models = result.code === 0 ? parseModels(result.stdout) : undefined;
  if (models === undefined) {
    const why = lastLine(result.stderr) || "it printed no list";
    void vscode.window.showErrorMessage(`Midfill's server cannot list its models: ${why}`);
  }
  return models;
}

/** Return the name of a model that is on this machine, fetched now if the user wants it. */
async function available(
  window: MidfillWindow,
  server: FoundServer,
  model: ListedModel,
): Promise<string | undefined> {
  if (model.shipped) return model.name;
  const environment = commandEnvironment(window, server);
  const there = await run(server.command, ["models", "pull", "--offline", model.name], {
    environment,
  });
  if (there.code === 0) return model.name;
  const size =
    model.weightsBytes === undefined ? "" : ` (${(model.weightsBytes / 1e9).toFixed(1)} GB)`;
  const fetch = "Fetch";
  const answer = await vscode.window.showInformationMessage(
    `${model.name} is not on this machine yet. Fetch it now${size}?`,
    { modal: true },
    fetch,
  );
  if (answer !== fetch) return undefined;
  const result = await withProgress(`Fetching ${model.name}`, (say, signal) =>
    run(server.command, ["models", "pull", model.name], { environment, onLine: say, signal }),
  );
  if (result.code === 0) return model.name;
  if (!result.cancelled) {
    void vscode.window.showErrorMessage(
      lastLine(result.stderr) || `${model.name} could not be fetched.`,
    );
  }
  return undefined;
}

async function askFolder(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    title: "A folder with a manifest.json",
    openLabel: "Use this model",
  });
  return chosen?.[0]?.fsPath;
}

function commandEnvironment(window: MidfillWindow, server: FoundServer): NodeJS.ProcessEnv {
  return {
    ...window.launchOf(server).environment,
    ...settingsEnvironment(window.switches.settings.wire),
  };
}
