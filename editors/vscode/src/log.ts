/** The extension's own output channel, with levels, and how errors become sentences. */
import * as vscode from "vscode";

import { installation } from "./text";

export const log = vscode.window.createOutputChannel("pytest-lens", { log: true });

/** What an error says. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows an error to the user, with the log a click away, and what helps: to install what is missing, to trust. */
export function tell(error: unknown): void {
  const text = sentence(error);
  log.error(text);
  const missing = installation(text);
  const install = missing && `Install ${missing.what}`;
  const trust = vscode.workspace.isTrusted ? undefined : "Manage Trust";
  const choices = [install, trust, "Show Log"].filter((choice) => choice !== undefined);
  void vscode.window.showErrorMessage(`pytest-lens: ${text}`, ...choices).then((choice) => {
    if (missing && choice === install) {
      const terminal = vscode.window.createTerminal("pytest-lens: Install");
      terminal.show();
      terminal.sendText(missing.command);
    } else if (choice && choice === trust) {
      void vscode.commands.executeCommand("workbench.trust.manage");
    } else if (choice) {
      log.show();
    }
  });
}
