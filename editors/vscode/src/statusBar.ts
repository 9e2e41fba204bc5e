/** The status bar: how far the run is or how the last one ended, and in which mode the engine works. */
import * as vscode from "vscode";

import type { RunEnd } from "./protocol";
import type { Progress } from "./runs";
import type { Session } from "./session";
import { duration } from "./text";

/** Keeps the status bar's entry. */
export class StatusBar implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("pytestLens", vscode.StatusBarAlignment.Left, 5);
  readonly #subscriptions: vscode.Disposable[];
  #progress: Progress | undefined;
  #last: RunEnd | undefined;

  constructor(private readonly session: Session) {
    this.#item.name = "pytest-lens";
    this.#item.command = "workbench.view.testing.focus";
    this.#subscriptions = [
      session.runs.onDidMove((progress) => {
        this.#progress = progress;
        this.#draw();
      }),
      session.runs.onDidFinish((end) => {
        this.#last = end;
        this.#draw();
      }),
      session.onDidHint(() => this.#draw()),
    ];
    this.#draw();
    this.#item.show();
  }

  /** What it says; for tests. */
  get text(): string {
    return this.#item.text;
  }

  #draw(): void {
    const modes = new Set(Array.from(this.session.status.values(), ({ mode }) => mode));
    const mode = modes.size > 0 ? ` · ${[...modes].join(", ")}` : "";
    this.#item.text = this.#progress
      ? running(this.#progress)
      : `${this.#last ? ended(this.#last) : "$(beaker) pytest"}${mode}`;
    this.#item.tooltip = this.#tooltip();
  }

  #tooltip(): vscode.MarkdownString {
    const text = new vscode.MarkdownString(undefined, true);
    if (this.#last) {
      text.appendMarkdown(`Last run: ${duration(this.#last.durationMs)}\n\n`);
    }
    for (const status of this.session.status.values()) {
      const { mode, modeReason, pythonVersion, pytestVersion, pythonPath } = status;
      text.appendMarkdown(`**${mode}** — ${modeReason}\n\npytest ${pytestVersion}, Python ${pythonVersion}\n\n`);
      text.appendMarkdown(`\`${pythonPath}\`\n\n`);
      status.hazards.forEach((hazard) => text.appendMarkdown(`$(warning) ${hazard}\n\n`));
    }
    return text;
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
    this.#item.dispose();
  }
}

function running({ done, failed, total }: Progress): string {
  const wrong = failed > 0 ? ` $(testing-failed-icon) ${failed}` : "";
  return `$(beaker)\u00a0$(sync~spin) ${done}/${total}${wrong}`;
}

function ended({ status, counts }: RunEnd): string {
  const wrong = counts.failed + counts.errors;
  const parts = [
    wrong > 0 ? `$(error) ${wrong}` : "",
    counts.passed > 0 || wrong === 0 ? `$(pass) ${counts.passed}` : "",
    counts.skipped > 0 ? `$(debug-step-over) ${counts.skipped}` : "",
  ];
  const how = status === "stopped" || status === "killed" ? ` ${status}` : "";
  return `$(beaker)\u00a0${parts.filter((part) => part).join(" ")}${how}`;
}
