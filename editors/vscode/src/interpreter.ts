/**
 * The interpreter of a folder without a setting for it: the Python extension's choice, or, if that is not installed,
 * the choice in our own picker. A choice is kept for the workspace, never in a file of the repository.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { log, sentence } from "./log";
import { ENVIRONMENTS } from "./serverPlaces";

/** The part of the Python extension's API that is used. */
interface PythonApi {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    updateActiveEnvironmentPath?(environment: string, resource?: vscode.Uri): Promise<void>;
    onDidChangeActiveEnvironmentPath(listener: () => void): vscode.Disposable;
  };
}

function keyOf(folder: vscode.WorkspaceFolder): string {
  return `pytestLens.interpreter.${folder.uri.toString()}`;
}

/** The interpreters that run the tests. */
export class Interpreter implements vscode.Disposable {
  #api: PythonApi["environments"];
  #subscription: vscode.Disposable | undefined;
  #looking: Promise<boolean> = Promise.resolve(false);
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;

  constructor(private readonly state: vscode.Memento) {}

  /** Looks for the Python extension; returns whether it was found just now. */
  follow(): Promise<boolean> {
    // One call after the other: the extension is followed once, even if it starts slowly.
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<boolean> {
    const extension = vscode.extensions.getExtension<PythonApi>("ms-python.python");
    if (!extension || !vscode.workspace.isTrusted || this.#api) {
      return false;
    }
    try {
      this.#api = (await extension.activate()).environments;
      this.#subscription = this.#api?.onDidChangeActiveEnvironmentPath(() => this.#changed.fire());
    } catch (error) {
      log.warn(`the Python extension's interpreter is not followed: ${sentence(error)}`);
    }
    return this.#api !== undefined;
  }

  /** The interpreter of a folder; undefined if none was chosen, as `python` alone names none. */
  of(folder: vscode.WorkspaceFolder | undefined): string | undefined {
    const own = folder && this.state.get<string>(keyOf(folder));
    if (own && fs.existsSync(own)) {
      return own;
    }
    const path = this.#api?.getActiveEnvironmentPath(folder?.uri).path;
    return path?.includes("/") || path?.includes("\\") ? path : undefined;
  }

  /** Uses an interpreter from now on, in the Python extension as well. */
  async use(folder: vscode.WorkspaceFolder, python: string): Promise<void> {
    if (this.#api?.updateActiveEnvironmentPath) {
      await this.#api.updateActiveEnvironmentPath(python, folder.uri);
    } else {
      await this.state.update(keyOf(folder), python);
      this.#changed.fire();
    }
  }

  /** Lets the user choose one for a folder. */
  async choose(folder: vscode.WorkspaceFolder): Promise<void> {
    const named = vscode.workspace.getConfiguration("pytestLens", folder).get<string>("pythonPath", "");
    if (named) {
      // The setting takes precedence over any choice: the user has to change it there.
      await vscode.commands.executeCommand("workbench.action.openSettings", "pytestLens.pythonPath");
      return;
    }
    if (this.#api) {
      await vscode.commands.executeCommand("python.setInterpreter");
      return;
    }
    const browse = "Browse…";
    const found: vscode.QuickPickItem[] = (await interpreters(folder)).map((label) => ({ label }));
    const title = `The interpreter that runs the tests of ${folder.name}`;
    const pick = await vscode.window.showQuickPick([...found, { label: browse }], { title });
    let python = pick?.label;
    if (python === browse) {
      const options = { title, canSelectFiles: true, defaultUri: folder.uri, openLabel: "Use It" };
      python = (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
    }
    if (python !== undefined) {
      await this.use(folder, python);
    }
  }

  dispose(): void {
    this.#subscription?.dispose();
    this.#changed.dispose();
  }
}

/** The interpreters of the folder's environments, and those on the PATH. */
async function interpreters(folder: vscode.WorkspaceFolder): Promise<string[]> {
  const windows = process.platform === "win32";
  const inside = windows ? ["Scripts", "python.exe"] : ["bin", "python"];
  const own = ENVIRONMENTS.map((name) => path.join(folder.uri.fsPath, name, ...inside));
  const names = windows ? ["python.exe"] : ["python3", "python"];
  const around = (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .flatMap((place) => names.map((name) => path.join(place, name)));
  const all = await Promise.all(
    [...new Set([...own, ...around])].map(async (file) => {
      const isThere = await fs.promises.access(file, fs.constants.X_OK).then(
        () => true,
        () => false,
      );
      return isThere ? file : undefined;
    }),
  );
  return all.filter((file) => file !== undefined);
}
