/**
 * The Python extension's settings for pytest, and the variables of the launch configuration for tests. If a user has
 * some, the extension offers once to follow them. It reads them where they are: nothing is copied or written into the
 * repository.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import { variables } from "./launch";
import { tell } from "./log";
import { taken } from "./taking";
import { expand } from "./settings";

const ASKED = "pytestLens.askedAboutPythonSettings";
const FOLLOWED = "pytestLens.followsPythonSettings";

/** The settings that are taken over from the Python extension. */
export interface PythonSettings {
  arguments: string[];
  envFile: string | undefined;
  env: Record<string, string>;
}

/** The user's choice to follow them or not. */
export class Following {
  constructor(
    private readonly state: vscode.Memento,
    private readonly changed: () => void,
  ) {}

  /** The settings for a folder besides our own. */
  of(folder: vscode.WorkspaceFolder | undefined): Partial<PythonSettings> {
    return folder && this.state.get<boolean>(FOLLOWED) ? read(folder) : {};
  }

  /** Makes the offer if there are such settings, once in a workspace. */
  async offer(): Promise<void> {
    const some = openFolders().find((folder) => sources(folder).length > 0);
    await this.#offerFolder();
    if (!some || this.state.get<boolean>(ASKED) || !vscode.workspace.isTrusted) {
      return;
    }
    await this.state.update(ASKED, true);
    const what = sources(some).join(" and ");
    const choice = await vscode.window.showInformationMessage(
      `pytest-lens can follow what is set for the Python extension here: ${what}.`,
      "Follow",
      "No",
    );
    if (choice === "Follow") {
      await this.state.update(FOLLOWED, true);
      this.changed();
    }
  }

  /** A working directory of the Python extension is a folder of its own here. */
  async #offerFolder(): Promise<void> {
    for (const folder of openFolders()) {
      const cwd = vscode.workspace.getConfiguration("python.testing", folder).get("cwd", "").trim();
      const place = cwd && path.resolve(folder.uri.fsPath, expand(cwd, folder));
      const key = `${ASKED}.cwd`;
      const isOpen = openFolders().some(({ uri }) => uri.fsPath === place);
      if (!place || isOpen || !fs.existsSync(place) || this.state.get<boolean>(key)) {
        continue;
      }
      await this.state.update(key, true);
      const add = "Add Folder";
      const text = `python.testing.cwd is ${cwd}: pytest-lens runs pytest in the folders of the workspace. Add this one?`;
      if ((await vscode.window.showInformationMessage(text, add, "No")) === add) {
        const end = vscode.workspace.workspaceFolders?.length ?? 0;
        vscode.workspace.updateWorkspaceFolders(end, 0, { uri: vscode.Uri.file(place) });
      }
    }
  }

  /** Makes the offer when a setting changes. */
  watch(): vscode.Disposable {
    return vscode.workspace.onDidChangeConfiguration((event) => {
      if (["python.testing", "python.envFile", "launch"].some((name) => event.affectsConfiguration(name))) {
        this.changed();
        this.offer().catch(tell);
      }
    });
  }
}

function read(folder: vscode.WorkspaceFolder): PythonSettings {
  const python = vscode.workspace.getConfiguration("python", folder);
  const isThere = vscode.extensions.getExtension("ms-python.python") !== undefined;
  if (!isThere) {
    return { arguments: [], envFile: undefined, env: {} };
  }
  const own = python.get<string[]>("testing.pytestArgs", []).map((word) => expand(word, folder));
  const isFolder = (word: string): boolean => fs.existsSync(path.resolve(folder.uri.fsPath, word));
  const { env } = variables(folder);
  return {
    arguments: taken(own, isFolder),
    envFile: launchFile(folder) ?? existing(python.get("envFile", "${workspaceFolder}/.env"), folder),
    env,
  };
}

/** The file of variables of the launch configuration for tests: it takes precedence over the one for all programs. */
function launchFile(folder: vscode.WorkspaceFolder): string | undefined {
  return existing(variables(folder).envFile, folder);
}

function existing(written: string, folder: vscode.WorkspaceFolder): string | undefined {
  const file = written && path.resolve(folder.uri.fsPath, expand(written, folder));
  return file && fs.existsSync(file) ? file : undefined;
}

/** The settings that are present, by the names that users know. */
function sources(folder: vscode.WorkspaceFolder): string[] {
  const { arguments: own, envFile, env } = read(folder);
  const launch = launchFile(folder);
  const { name } = variables(folder);
  const file = envFile && path.basename(envFile);
  return [
    ...(own.length > 0 ? ["python.testing.pytestArgs"] : []),
    ...(file !== undefined && launch === undefined ? [`python.envFile (${file})`] : []),
    ...(file !== undefined && launch !== undefined ? [`envFile (${file}) of the launch configuration “${name}”`] : []),
    ...(Object.keys(env).length > 0 ? [`env of the launch configuration “${name}”`] : []),
  ];
}
