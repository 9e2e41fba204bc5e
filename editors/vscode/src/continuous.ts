/**
 * Continuous run. For everything, the server itself runs what a save affects; for a selection, each save repeats the
 * selection.
 */
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import type { Session } from "./session";

/** Several files saved at once are one save. */
const TOGETHER_MS = 30;

type Start = (request: vscode.TestRunRequest) => Promise<void>;

/** The continuous runs that are on. */
export class Continuous implements vscode.Disposable {
  readonly #subscriptions = new Set<vscode.Disposable>();

  constructor(private readonly session: Session) {}

  /** Of the profile Run. */
  async run(request: vscode.TestRunRequest, token: vscode.CancellationToken, start: Start): Promise<void> {
    if (request.include) {
      await this.repeat(request, token, start);
      return;
    }
    const folders = openFolders().map(({ uri }) => uri.toString());
    for (const folder of folders) {
      this.session.runs.continuous.set(folder, request);
      this.session.setRunOnSave(folder, "affected");
    }
    token.onCancellationRequested(() => {
      for (const folder of folders) {
        if (this.session.runs.continuous.get(folder) === request) {
          this.session.runs.continuous.delete(folder);
          this.session.setRunOnSave(folder, undefined);
        }
      }
    });
  }

  /** Repeats the request at each save of a file of the workspace: tests read data as well as code. */
  async repeat(request: vscode.TestRunRequest, token: vscode.CancellationToken, start: Start): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const saved = vscode.workspace.onDidSaveTextDocument(({ uri }) => {
      if (vscode.workspace.getWorkspaceFolder(uri)) {
        clearTimeout(timer);
        timer = setTimeout(() => void start(request), TOGETHER_MS);
      }
    });
    this.#subscriptions.add(saved);
    token.onCancellationRequested(() => {
      clearTimeout(timer);
      saved.dispose();
      this.#subscriptions.delete(saved);
    });
    await start(request);
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}
