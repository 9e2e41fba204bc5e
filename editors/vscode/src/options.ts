/** A profile's options for pytest: set by its configure button, kept for the workspace. */
import * as vscode from "vscode";

import { type Chosen, effective, filterText, withoutFilter } from "./filters";
import type { RunOptions } from "./requests";

const QUESTIONS: { key: keyof Chosen; label: string; prompt: string; placeHolder: string }[] = [
  {
    key: "marker",
    label: "Marker filter (-m)",
    prompt: "“Run all” runs only tests whose markers match; empty for all. Tests that you choose always run.",
    placeHolder: "smoke and not slow",
  },
  {
    key: "keyword",
    label: "Keyword filter (-k)",
    prompt: "“Run all” runs only tests whose names match; empty for all. Tests that you choose always run.",
    placeHolder: "login and not admin",
  },
  {
    key: "arguments",
    label: "Arguments",
    prompt: "Further arguments for pytest, as in a shell",
    placeHolder: "--strict-markers -p no:randomly",
  },
  { key: "workers", label: "Workers", prompt: "Runners at a time; empty as in the settings", placeHolder: "4" },
  {
    key: "maxfail",
    label: "Stop after failures",
    prompt: "Stop after this many failures; empty for never",
    placeHolder: "1",
  },
];

function keyOf(profile: string): string {
  return `pytestLens.options.${profile}`;
}

/** The options of the profiles, kept for the workspace. */
export class Options implements vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;

  constructor(private readonly state: vscode.Memento) {}

  /** The options of a run of a profile: of all tests, or of tests that were chosen. */
  of(profile: string, everything: boolean): RunOptions {
    return effective(this.#get(profile), everything);
  }

  /** The filter of the profile's runs of all tests, as on a command line; empty if there is none. */
  filter(profile: string): string {
    return filterText(this.#get(profile));
  }

  /** Removes the filter of a profile. */
  async clear(profile: string): Promise<void> {
    await this.#set(profile, withoutFilter(this.#get(profile)));
  }

  /** Asks for one option after the other, until the user ends it. */
  async configure(profile: string): Promise<void> {
    for (;;) {
      const chosen = this.#get(profile);
      const picks = QUESTIONS.map((question) => ({ ...question, description: chosen[question.key] ?? "" }));
      const title = `pytest: options of “${profile}” in this workspace`;
      const pick = await vscode.window.showQuickPick(picks, { title, placeHolder: "Choose an option" });
      if (!pick) {
        return;
      }
      const value = await vscode.window.showInputBox({
        title: `${title}: ${pick.label}`,
        prompt: pick.prompt,
        placeHolder: pick.placeHolder,
        value: chosen[pick.key] ?? "",
        validateInput: (text) => complaint(pick.key, text.trim()),
      });
      if (value !== undefined) {
        await this.#set(profile, { ...chosen, [pick.key]: value.trim() });
      }
    }
  }

  /** Sets options of a profile; for tests. */
  async set(profile: string, chosen: Chosen): Promise<void> {
    await this.#set(profile, chosen);
  }

  #get(profile: string): Chosen {
    return this.state.get<Chosen>(keyOf(profile), {});
  }

  async #set(profile: string, chosen: Chosen): Promise<void> {
    await this.state.update(keyOf(profile), chosen);
    this.#changed.fire();
  }

  dispose(): void {
    this.#changed.dispose();
  }
}

function complaint(key: keyof Chosen, text: string): string | undefined {
  const isNumber = key === "workers" || key === "maxfail";
  return isNumber && text && !/^[1-9]\d*$/.test(text) ? "a number of at least 1, or nothing" : undefined;
}
