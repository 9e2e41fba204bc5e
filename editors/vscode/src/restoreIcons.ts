/**
 * Replacing text over several lines (a file changed outside and read again, a formatter, undo) moves VS Code's icons to
 * wrong lines: the tests of the file are set again, which moves the icons back.
 */
import * as vscode from "vscode";

import { log, sentence } from "./log";
import type { Server } from "./requests";
import type { Tree } from "./tree";

/** Replacements often come many at a time. */
const QUIET_MS = 60;

/** Moves the icons of changed documents back to their tests. */
export function restoreIcons(server: Server, tree: Tree): vscode.Disposable {
  const timers = new Map<string, NodeJS.Timeout>();
  const restore = async (uri: vscode.Uri): Promise<void> => {
    timers.delete(uri.toString());
    const file = tree.fileOf(uri);
    if (file) {
      await server.execute("pytestLens.resolve", { workspace: file.folder, ids: [file.id] });
    }
  };
  const changed = vscode.workspace.onDidChangeTextDocument(({ document: { uri, languageId }, contentChanges }) => {
    if (languageId === "python" && contentChanges.some(({ range }) => !range.isSingleLine)) {
      clearTimeout(timers.get(uri.toString()));
      const act = (): unknown => restore(uri).catch((error: unknown) => log.debug(sentence(error)));
      timers.set(uri.toString(), setTimeout(act, QUIET_MS));
    }
  });
  const end = new vscode.Disposable(() => timers.forEach((timer) => clearTimeout(timer)));
  return vscode.Disposable.from(changed, end);
}
