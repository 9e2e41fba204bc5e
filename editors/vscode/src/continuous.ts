/**
 * Continuous run. For all tests, the server itself runs those that a save affects; a selection is repeated by each save
 * that can reach a test of it.
 */
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import { log, sentence } from "./log";
import { touches } from "./reach";
import type { Session } from "./session";

/** Several files saved at once are one save. */
const TOGETHER_MS = 30;

type Start = (request: vscode.TestRunRequest) => Promise<void>;

/** The continuous runs that are on. */
export class Continuous implements vscode.Disposable {
  readonly #subscriptions = new Set<vscode.Disposable>();

  constructor(private readonly session: Session) {}

  /** Continuous runs of the profile Run. */
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

  /** Repeats the request when files are saved that its tests can reach: code, and data that they read. */
  async repeat(request: vscode.TestRunRequest, token: vscode.CancellationToken, start: Start): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const uris = new Set<string>();
    const repeat = async (): Promise<void> => {
      const together = [...uris];
      uris.clear();
      if ((await this.#isReached(request, together)) && !token.isCancellationRequested) {
        await start(request);
      }
    };
    const saved = vscode.workspace.onDidSaveTextDocument(({ uri }) => {
      if (vscode.workspace.getWorkspaceFolder(uri)) {
        uris.add(uri.toString());
        clearTimeout(timer);
        timer = setTimeout(() => void repeat(), TOGETHER_MS);
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

  /** Whether saved files can reach a selection. The engine decides; if it can't answer, they may. */
  async #isReached(request: vscode.TestRunRequest, uris: string[]): Promise<boolean> {
    try {
      const { folders } = await this.session.client.execute("pytestLens.affected", { uris });
      return folders.some(({ workspace, ids }) => touches(ids, this.#selected(request, workspace)));
    } catch (error) {
      log.debug(sentence(error));
      return true;
    }
  }

  /** The ids that a request selects in a folder; empty if it selects the whole folder. */
  #selected({ include }: vscode.TestRunRequest, workspace: string): string[] | undefined {
    const all = include?.map((item) => this.session.tree.data(item)).filter((data) => data?.folder === workspace);
    const ids = all?.map((data) => data?.id);
    return ids?.includes(undefined) ? undefined : ids?.filter((id) => id !== undefined);
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}
