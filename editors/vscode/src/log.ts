/** The extension's own output channel, with levels, and how errors become sentences. */
import * as vscode from "vscode";

export const log = vscode.window.createOutputChannel("pytest-lens", { log: true });

/** What an error says. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows an error to the user, with the log a click away. */
export function tell(error: unknown): void {
  const text = sentence(error);
  log.error(text);
  void vscode.window.showErrorMessage(`pytest-lens: ${text}`, "Show Log").then((choice) => choice && log.show());
}
