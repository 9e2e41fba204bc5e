/** The interpreter that was chosen in the Python extension, where that is installed: it is followed. */
import * as vscode from "vscode";

import { log, sentence } from "./log";

/** The part of the Python extension's API that is used. */
interface PythonApi {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    onDidChangeActiveEnvironmentPath(listener: () => void): vscode.Disposable;
  };
}

/** Follows the Python extension's choice. */
export class Interpreter implements vscode.Disposable {
  #api: PythonApi["environments"];
  #subscription: vscode.Disposable | undefined;

  /** Looks for the Python extension, and calls back whenever the choice changes; whether it was found just now. */
  async follow(changed: () => void): Promise<boolean> {
    const extension = vscode.extensions.getExtension<PythonApi>("ms-python.python");
    if (!extension || !vscode.workspace.isTrusted || this.#api) {
      return false;
    }
    try {
      this.#api = (await extension.activate()).environments;
      this.#subscription = this.#api?.onDidChangeActiveEnvironmentPath(changed);
    } catch (error) {
      log.warn(`the Python extension's interpreter is not followed: ${sentence(error)}`);
    }
    return this.#api !== undefined;
  }

  /** The interpreter of a folder; none where none was chosen, as `python` alone says nothing. */
  of(folder: vscode.WorkspaceFolder | undefined): string | undefined {
    const path = this.#api?.getActiveEnvironmentPath(folder?.uri).path;
    return path?.includes("/") || path?.includes("\\") ? path : undefined;
  }

  dispose(): void {
    this.#subscription?.dispose();
  }
}
