/** Quick fixes on a failure: run it, debug it, show its output. */
import * as vscode from "vscode";

import type { Test } from "./commands";
import type { Session } from "./session";
import { testAt } from "./places";

/** The `source` of the server's diagnostics. */
export const SOURCE = "pytest-lens";

/** Provides them at the server's diagnostics. */
export class Fixes implements vscode.CodeActionProvider {
  static readonly metadata = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] };

  constructor(private readonly session: Session) {}

  async provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    { diagnostics }: vscode.CodeActionContext,
  ): Promise<vscode.CodeAction[]> {
    const ours = diagnostics.filter(({ source }) => source === SOURCE);
    const test = ours.length > 0 ? await testAt(this.session, document.uri, range.start) : undefined;
    return test ? this.#actions(test, ours) : [];
  }

  #actions({ id, workspace, name }: Test, diagnostics: vscode.Diagnostic[]): vscode.CodeAction[] {
    const offers = [
      [`Run ${name}`, "pytestLens.run", { ids: [id], workspace }],
      [`Debug ${name}`, "pytestLens.debug", { ids: [id], workspace }],
      [`Show Output of ${name}`, "pytestLens.output", { id, workspace }],
    ] as const;
    return offers.map(([title, command, argument]) => {
      const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
      action.command = { title, command, arguments: [argument] };
      action.diagnostics = diagnostics;
      return action;
    });
  }
}
