/** The flakiness view: a table of the tests that are flaky or suspected, with the strip of their last outcomes. */
import * as vscode from "vscode";

import { type FlakyRow, page } from "./flakyPage";
import { sentence } from "./log";
import type { FlakyTest } from "./requests";
import type { Session } from "./session";

/** What the page sends. */
interface Click {
  command: "open" | "run" | "rerun";
  id: string;
  workspace: string;
}

/** The view, made when it is first asked for. */
export class FlakyView implements vscode.Disposable {
  #panel: vscode.WebviewPanel | undefined;
  #focus: string | undefined;
  readonly #subscription: vscode.Disposable;
  #drawing = false;
  #again = false;

  constructor(private readonly session: Session) {
    this.#subscription = session.onDidHint(() => void this.#draw());
  }

  /** Shows it; a test that is named is marked. */
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
      const html = await this.#page();
      if (this.#panel.webview.html !== html) {
        this.#panel.webview.html = html;
      }
    } finally {
      this.#drawing = false;
    }
    if (this.#again) {
      this.#again = false;
      await this.#draw();
    }
  }

  async #page(): Promise<string> {
    const rows: FlakyRow[] = [];
    let tracked = 0;
    let problem: string | undefined;
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
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
    return page(rows, { tracked, problem, focus: this.#focus });
  }

  async #clicked({ command, id, workspace }: Click): Promise<void> {
    switch (command) {
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
