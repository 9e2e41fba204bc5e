/** The extension's own output channel, with levels, and messages to the user besides it. */
import * as vscode from "vscode";

import { brief, sentence } from "./errors";
import { installation } from "./text";

export { sentence } from "./errors";

export const log = vscode.window.createOutputChannel("pytest-lens", { log: true });

/** A way out that an error offers. */
export interface Offer {
  label: string;
  act: () => unknown;
}

const SHOW_LOG: Offer = { label: "Show Log", act: () => log.show() };

/** Shows an error to the user, with buttons for the log and for a way out: to install a package, to trust. */
export function tell(error: unknown, ...offers: Offer[]): void {
  const text = sentence(error);
  log.error(text);
  const all = [...offers];
  const missing = installation(text);
  if (missing && offers.length === 0) {
    const act = (): unknown => vscode.commands.executeCommand("pytestLens.install", text);
    all.push({ label: `Install ${missing.what}`, act });
  }
  if (!vscode.workspace.isTrusted) {
    all.push({ label: "Manage Trust", act: () => vscode.commands.executeCommand("workbench.trust.manage") });
  }
  show(vscode.window.showErrorMessage, `pytest-lens: ${brief(text)}`, [...all, SHOW_LOG]);
}

/** The severity of the server's message. */
export type Loudness = "error" | "warning" | "info";

/** Shows a message of the server. */
export function relay(loudness: Loudness, text: string): void {
  const [write, say] = {
    error: [log.error.bind(log), vscode.window.showErrorMessage] as const,
    warning: [log.warn.bind(log), vscode.window.showWarningMessage] as const,
    info: [log.info.bind(log), vscode.window.showInformationMessage] as const,
  }[loudness];
  write(text);
  show(say, `pytest-lens: ${brief(text)}`, [SHOW_LOG]);
}

type Say = (text: string, ...choices: string[]) => Thenable<string | undefined>;

function show(say: Say, text: string, offers: Offer[]): void {
  void say(text, ...offers.map(({ label }) => label)).then((choice) => {
    return offers.find(({ label }) => label === choice)?.act();
  });
}
