/** The flakiness view: a table of the tests that are flaky or suspected, with the strip of their last outcomes. */
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import { content, type FlakyRow, page } from "./flakyPage";
import { sentence } from "./log";
import type { FlakyTest } from "./requests";
import type { Session } from "./session";

/** The messages that the page sends. */
interface Click {
  command: "ready" | "open" | "run" | "rerun";
  id: string;
  workspace: string;
}

/** The view, created on first use. */
export class FlakyView implements vscode.Disposable {
  #panel: vscode.WebviewPanel | undefined;
  #focus: string | undefined;
  readonly #subscription: vscode.Disposable;
  #drawing = false;
  /** The content of the page. */
  #told: string | undefined;
  #again = false;

  constructor(private readonly session: Session) {
    this.#subscription = session.onDidHint(() => void this.#draw());
  }

  /** Shows the view; highlights a test if one is named. */
  async show(focus?: string): Promise<void> {
    this.#focus = focus;
    if (!this.#panel) {
      const options = { enableScripts: true, retainContextWhenHidden: false };
      this.#panel = vscode.window.createWebviewPanel(
        "pytestLens.flaky",
        "Flaky Tests",
        vscode.ViewColumn.Active,
        options,
      );
      this.#panel.iconPath = new vscode.ThemeIcon("pulse") as unknown as vscode.Uri;
      this.#panel.onDidDispose(() => (this.#panel = undefined));
      this.#panel.webview.onDidReceiveMessage((click: Click) => void this.#clicked(click));
      this.#panel.webview.html = page();
    } else {
      this.#panel.reveal();
    }
    await this.#draw();
  }

  async #draw(): Promise<void> {
    if (!this.#panel) {
      return;
    }
    if (this.#drawing) {
      this.#again = true;
      return;
    }
    this.#drawing = true;
    try {
      const told = await this.#content();
      if (this.#told !== told) {
        this.#told = told;
        await this.#panel.webview.postMessage({ content: told });
      }
    } finally {
      this.#drawing = false;
    }
    if (this.#again) {
      this.#again = false;
      await this.#draw();
    }
  }

  async #content(): Promise<string> {
    const rows: FlakyRow[] = [];
    let tracked = 0;
    let problem: string | undefined;
    for (const folder of openFolders()) {
      const workspace = folder.uri.toString();
      try {
        const report = await this.session.client.execute("pytestLens.flakiness", { workspace });
        tracked += report.totalTracked;
        const row = (isFlaky: boolean) => (test: FlakyTest) => {
          const recent = this.session.folders.get(workspace).hints.get(test.id)?.recentOutcomes ?? [];
          return { ...test, workspace, isFlaky, recent };
        };
        rows.push(...report.flaky.map(row(true)), ...report.unstable.map(row(false)));
      } catch (error) {
        problem = sentence(error);
      }
    }
    return content(rows, { tracked, problem, focus: this.#focus });
  }

  async #clicked({ command, id, workspace }: Click): Promise<void> {
    switch (command) {
      case "ready":
        // The page was created, or created again after it was hidden: it is empty.
        this.#told = undefined;
        await this.#draw();
        break;
      case "open":
        await vscode.commands.executeCommand("pytestLens.openTest", { id, workspace });
        break;
      case "run":
        await vscode.commands.executeCommand("pytestLens.run", { ids: [id], workspace });
        break;
      case "rerun":
        const item = await this.session.tree.find(workspace, id);
        await vscode.commands.executeCommand("pytestLens.rerunUntilFailure", item);
        break;
    }
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#panel?.dispose();
  }
}
