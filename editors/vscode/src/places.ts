/** The test at a position in a file, as the tree shows it. */
import * as vscode from "vscode";

import type { Test } from "./commands";
import { itemName } from "./labels";
import type { Session } from "./session";

/** The innermost shown test at a position. */
export async function testAt(session: Session, uri: vscode.Uri, at: vscode.Position): Promise<Test | undefined> {
  await session.tree.opened(uri);
  let found: vscode.TestItem | undefined;
  const visit = (item: vscode.TestItem): void => {
    const line = item.range?.start.line ?? -1;
    const isHere = item.uri?.toString() === uri.toString() && line >= 0 && line <= at.line;
    // Cases share the line of their test, which represents all of them.
    if (isHere && line > (found?.range?.start.line ?? -1)) {
      found = item;
    }
    item.children.forEach(visit);
  };
  session.controller.items.forEach(visit);
  return found && testOf(session, found);
}

/** The test that an item stands for. */
export function testOf(session: Session, item: vscode.TestItem): Test | undefined {
  const data = session.tree.data(item);
  if (data?.id === undefined) {
    return undefined;
  }
  const known = session.folders.get(data.folder).inventory.get(data.id);
  return { id: data.id, workspace: data.folder, name: known ? itemName(known) : item.label };
}
