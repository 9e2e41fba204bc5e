/** The status bar: the progress of the runs, or how the last one of each folder ended, and the filter in force. */
import * as vscode from "vscode";

import type { Options } from "./options";
import { PROFILES } from "./profiles";
import type { Notice, RunCounts, RunEnd } from "./protocol";
import type { Progress } from "./runs";
import type { Session } from "./session";
import { duration, modeWords } from "./text";

/** Keeps the status bar's entry. */
export class StatusBar implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("pytestLens", vscode.StatusBarAlignment.Left, 5);
  readonly #subscriptions: vscode.Disposable[];
  #progress: Progress | undefined;
  /** The last end of each folder: one folder's passes must not hide another's failures. */
  readonly #last = new Map<string, RunEnd>();

  constructor(
    private readonly session: Session,
    private readonly options: Options,
  ) {
    this.#item.name = "pytest-lens";
    this.#subscriptions = [
      session.runs.onDidMove((progress) => {
        this.#progress = progress;
        this.#draw();
      }),
      session.runs.onDidFinish((end: RunEnd & Notice) => {
        this.#last.set(end.workspace, end);
        this.#draw();
      }),
      session.onDidHint(() => this.#draw()),
      session.onDidChangeState(() => this.#draw()),
      options.onDidChange(() => this.#draw()),
    ];
    this.#draw();
  }

  /** Its text; for tests. */
  get text(): string {
    return this.#item.text;
  }

  /** Whether it is shown; for tests. */
  get isShown(): boolean {
    return this.#isShown;
  }

  #isShown = false;

  #draw(): void {
    const known = new Set(Array.from(this.session.folders.all(), ({ uri }) => uri));
    const ends = [...this.#last].filter(([folder]) => known.has(folder)).map(([, end]) => end);
    const filter = this.options.filter("Run");
    const narrowed = filter ? ` $(filter) ${filter}` : "";
    if (this.#progress) {
      this.#item.text = running(this.#progress);
      this.#item.command = this.#progress.stopping ? "pytestLens.kill" : "workbench.view.testing.focus";
    } else {
      this.#item.text = `${ends.length > 0 ? ended(ends) : "$(beaker) pytest"}${narrowed}`;
      this.#item.command = "workbench.view.testing.focus";
    }
    this.#item.tooltip = this.#tooltip(ends);
    // A folder without tests is left alone.
    this.#isShown = this.session.state !== "idle" || ends.length > 0 || this.#progress !== undefined;
    if (this.#isShown) {
      this.#item.show();
    } else {
      this.#item.hide();
    }
  }

  #tooltip(ends: RunEnd[]): vscode.MarkdownString {
    const text = new vscode.MarkdownString(undefined, true);
    text.isTrusted = { enabledCommands: ["pytestLens.clearFilter"] };
    if (this.#progress?.stopping) {
      text.appendMarkdown("Running tests may finish. Click to kill them.\n\n");
    }
    if (ends.length > 0) {
      text.appendMarkdown(`Last run: ${duration(Math.max(...ends.map(({ durationMs }) => durationMs)))}\n\n`);
    }
    for (const name of PROFILES) {
      const filter = this.options.filter(name);
      if (filter) {
        text.appendMarkdown(`$(filter) “${name}” of all tests runs only those that match `);
        text.appendText(filter);
        text.appendMarkdown(" ([clear](command:pytestLens.clearFilter))\n\n");
      }
    }
    for (const status of this.session.status.values()) {
      const { mode, modeReason, pythonVersion, pytestVersion, pythonPath } = status;
      text.appendMarkdown(
        `**${modeWords(mode)}** (${modeReason})\n\npytest ${pytestVersion}, Python ${pythonVersion}\n\n`,
      );
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

function running({ done, failed, total, attempt, stopping }: Progress): string {
  const wrong = failed > 0 ? ` $(testing-failed-icon) ${failed}` : "";
  const time = attempt === undefined ? `${done}/${total}` : `attempt ${attempt}`;
  return `$(beaker)\u00a0$(sync~spin) ${stopping ? "stopping…" : time}${wrong}`;
}

/** The results of the last runs. */
function ended(ends: readonly RunEnd[]): string {
  const sum = (name: keyof RunCounts): number => ends.reduce((all, { counts }) => all + counts[name], 0);
  const [wrong, passed, skipped] = [sum("failed") + sum("errors"), sum("passed"), sum("skipped")];
  const cut = ends.find(({ status }) => status === "stopped" || status === "killed" || status === "timed_out");
  // Not green although nothing failed: a file could not be collected, or the engine failed.
  const isBroken = wrong === 0 && ends.some(({ status }) => status === "failed" || status === "internal_error");
  const parts = [
    wrong > 0 ? `$(error) ${wrong}` : isBroken ? "$(error) incomplete" : "",
    passed > 0 || (wrong === 0 && !isBroken && !cut) ? `$(pass) ${passed}` : "",
    skipped > 0 ? `$(debug-step-over) ${skipped}` : "",
    cut ? `$(circle-slash) ${cut.status.replace("_", " ")}` : "",
  ];
  return `$(beaker)\u00a0${parts.filter((part) => part).join(" ")}`;
}
