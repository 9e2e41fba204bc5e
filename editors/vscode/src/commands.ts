/** The commands: of the palette, of keys, of the explorer's menus and of the server's lenses. */
import * as vscode from "vscode";

import { attach } from "./debug";
import type { FlakyView } from "./flakyView";
import { log, tell } from "./log";
import type { Commands, RunOptions, Selection } from "./requests";
import { rerunUntilFailure } from "./rerun";
import type { Session } from "./session";

/** What a menu of the explorer or of a message hands over. */
type Target = vscode.TestItem | { test?: vscode.TestItem } | undefined;

/** The argument of a lens, which is the server's. */
type Lens = (Selection & RunOptions) | undefined;

/** Registers all. */
export function registerCommands(context: vscode.ExtensionContext, session: Session, flaky: FlakyView): void {
  const { client, runs } = session;
  const output = vscode.window.createOutputChannel("pytest-lens: Test Output");
  const register = (name: string, act: (argument: unknown) => Promise<unknown>): void => {
    const command = vscode.commands.registerCommand(`pytestLens.${name}`, (argument: unknown) =>
      act(argument).catch(tell),
    );
    context.subscriptions.push(command);
  };
  const ask = async <C extends keyof Commands>(command: C, argument: Commands[C][0]): Promise<Commands[C][1]> => {
    await save();
    return client.execute(command, argument);
  };

  register("run", (lens) => ask("pytestLens.run", selection(lens as Lens)));
  register("runFile", () => ask("pytestLens.run", { textDocument: cursor().textDocument }));
  register("runAll", () => ask("pytestLens.run", {}));
  register("runFailed", () => ask("pytestLens.runFailed", {}));
  register("runLast", () => ask("pytestLens.runLast", {}));
  register("debug", async (lens) => {
    await save();
    return attach(session, selection(lens as Lens));
  });
  register("stop", () => runs.stop());
  register("kill", () => client.execute("pytestLens.kill", {}));
  register("collect", () => session.collect(true));
  register("restart", () => client.restart());
  register("showLog", () => {
    log.show();
    return Promise.resolve();
  });
  register("toggleLenses", async () => {
    const config = vscode.workspace.getConfiguration("pytestLens");
    await config.update("codeLens.enable", !config.get("codeLens.enable", false));
  });
  register("output", async (lens) => {
    const { id, workspace } = lens ? (lens as { id: string; workspace?: string }) : await under(session);
    const told = await client.execute("pytestLens.output", { id, ...(workspace && { workspace }) });
    const parts = [told.longrepr ?? told.message, told.stdout, told.stderr, told.log].filter((part) => part);
    output.replace(`${id}: ${told.outcome ?? "not run yet"}\n\n${parts.join("\n")}`);
    output.show(true);
  });
  register("copyNodeId", async (target) => {
    const { id } = await meant(session, target as Target);
    await vscode.env.clipboard.writeText(id);
    vscode.window.setStatusBarMessage(`$(clippy) ${id}`, 3_000);
  });
  register("rerunUntilFailure", async (target) => {
    await save();
    await rerunUntilFailure(session, await meant(session, target as Target));
  });
  register("showFlakiness", async (target) => {
    const item = itemOf(target as Target);
    await flaky.show(item && session.tree.data(item)?.id);
  });
  register("openTest", async (target) => {
    const { id, workspace } = target as { id: string; workspace: string };
    const item = await session.tree.find(workspace, id);
    if (item?.uri) {
      const options = item.range ? { selection: new vscode.Range(item.range.start, item.range.start) } : {};
      await vscode.window.showTextDocument(item.uri, options);
    }
  });
  context.subscriptions.push(output);
}

/** Runs what is on disk: unsaved Python files are saved first. */
async function save(): Promise<void> {
  const dirty = vscode.workspace.textDocuments.filter(({ isDirty, languageId, isUntitled }) => {
    return isDirty && !isUntitled && languageId === "python";
  });
  await Promise.all(dirty.map((document) => document.save()));
}

/** What a lens hands over, or the cursor. */
function selection(lens: Lens): Selection & RunOptions {
  return lens && Object.keys(lens).length > 0 ? lens : cursor();
}

function cursor(): Required<Pick<Selection, "textDocument" | "position">> {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.languageId !== "python") {
    throw new Error("put the cursor into a test first");
  }
  const { line, character } = editor.selection.active;
  return { textDocument: { uri: editor.document.uri.toString() }, position: { line, character } };
}

function itemOf(target: Target): vscode.TestItem | undefined {
  return target && ("children" in target ? target : target.test);
}

/** A test by its id. */
export interface Test {
  id: string;
  workspace: string;
}

/** The test of a menu, or the one under the cursor. */
async function meant(session: Session, target: Target): Promise<Test> {
  const item = itemOf(target);
  const data = item && session.tree.data(item);
  return data?.id === undefined ? under(session) : { id: data.id, workspace: data.folder };
}

/** The innermost shown test at the cursor. */
async function under(session: Session): Promise<Test> {
  const { textDocument, position } = cursor();
  await session.tree.opened(vscode.Uri.parse(textDocument.uri));
  let found: { item: vscode.TestItem; at: number } | undefined;
  const visit = (item: vscode.TestItem): void => {
    const at = item.range?.start.line ?? -1;
    if (item.uri?.toString() === textDocument.uri && at <= position.line && at >= (found?.at ?? 0)) {
      found = { item, at };
    }
    item.children.forEach(visit);
  };
  session.controller.items.forEach(visit);
  const data = found && session.tree.data(found.item);
  if (data?.id === undefined) {
    throw new Error("there is no test at the cursor: put it into one");
  }
  return { id: data.id, workspace: data.folder };
}
