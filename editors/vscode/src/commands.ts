/** The commands: of the palette, of keys, of the explorer's menus and of the server's lenses. */
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import type { FlakyView } from "./flakyView";
import { log, tell } from "./log";
import type { Options } from "./options";
import { testAt, testOf } from "./places";
import { plain } from "./print";
import { type Profiles, PROFILES } from "./profiles";
import type { Commands, RunOptions, Selection } from "./requests";
import { rerunUntilFailure } from "./rerun";
import type { Session } from "./session";
import { install, runInTerminal } from "./setup";
import { words } from "./text";

/** The argument that a menu of the explorer or of a message passes. */
type Target = vscode.TestItem | { test?: vscode.TestItem } | undefined;

/** The argument of a lens, which the server made. */
type Lens = (Selection & RunOptions) | undefined;

/** The parts that the commands use. */
export interface Parts {
  session: Session;
  profiles: Profiles;
  options: Options;
  flaky: FlakyView;
}

/** Registers all commands. */
export function registerCommands(context: vscode.ExtensionContext, parts: Parts): void {
  const { session, profiles, options, flaky } = parts;
  const { client, runs } = session;
  const output = vscode.window.createOutputChannel("pytest-lens: Test Output");
  const register = (name: string, act: (argument: unknown, all?: unknown) => Promise<unknown>): void => {
    const command = vscode.commands.registerCommand(`pytestLens.${name}`, (argument: unknown, all: unknown) =>
      act(argument, all).catch(tell),
    );
    context.subscriptions.push(command);
  };
  type Runs = "pytestLens.run" | "pytestLens.runFailed" | "pytestLens.runLast";
  const run = async <C extends Runs>(command: C, argument: Commands[C][0], name?: string): Promise<void> => {
    await save();
    await runs.together(name, () => client.execute(command, argument));
  };

  register("run", (lens) => run("pytestLens.run", selection(lens as Lens)));
  register("runFile", () => {
    const { textDocument } = cursor();
    return run("pytestLens.run", { textDocument }, vscode.Uri.parse(textDocument.uri).path.split("/").at(-1));
  });
  register("runAll", () => run("pytestLens.run", {}, "All tests"));
  register("runFailed", () => run("pytestLens.runFailed", {}, "Failed tests"));
  register("runLast", () => run("pytestLens.runLast", {}));
  register("debug", async (lens) => {
    await save();
    const request = new vscode.TestRunRequest(await itemsOf(session, lens as Lens), undefined, profiles.debug);
    await profiles.debug.runHandler(request, new vscode.CancellationTokenSource().token);
  });
  register("stop", () => runs.stop());
  register("kill", async () => {
    await (runs.isRunning ? runs.kill() : client.execute("pytestLens.kill", {}));
  });
  register("collect", () => session.collect(true));
  register("restart", () => client.restart());
  register("install", (text) => install(session, typeof text === "string" ? text : undefined));
  register("chooseInterpreter", async () => {
    const here = vscode.window.activeTextEditor;
    const own = here && vscode.workspace.getWorkspaceFolder(here.document.uri);
    const lacking = openFolders().find(({ uri }) => session.problems.has(uri.toString()));
    const folder = lacking ?? own ?? openFolders()[0];
    if (folder) {
      await session.interpreter.choose(folder);
    }
  });
  register("clearFilter", async () => {
    await Promise.all(PROFILES.map((name) => options.clear(name)));
  });
  register("runInTerminal", async (target) => {
    await save();
    const { id, workspace } = await meant(session, target as Target);
    runInTerminal(session, workspace, [id]);
  });
  register("showLog", () => {
    log.show();
    return Promise.resolve();
  });
  register("toggleLenses", async () => {
    // Writes the user's own settings, because those of the workspace may be in a repository.
    const config = vscode.workspace.getConfiguration("pytestLens");
    const isOn = config.get<boolean>("codeLens.enable", false);
    await config.update("codeLens.enable", !isOn, vscode.ConfigurationTarget.Global);
    if (vscode.workspace.getConfiguration("pytestLens").get<boolean>("codeLens.enable", false) === isOn) {
      throw new Error("pytestLens.codeLens.enable is set in the settings of this workspace: change it there");
    }
  });
  register("output", async (lens) => {
    const { id, workspace } = lens ? (lens as { id: string; workspace?: string }) : await under(session);
    const told = await client.execute("pytestLens.output", { id, ...(workspace && { workspace }) });
    const sections = [told.longrepr ?? told.message, told.stdout, told.stderr, told.log].filter((part) => part);
    const heading = `${id}: ${told.outcome ? words(told.outcome) : "not run yet"}`;
    output.replace(plain(`${heading}\n\n${sections.join("\n")}`));
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

/** Runs the files on disk: unsaved Python files are saved first. */
async function save(): Promise<void> {
  const dirty = vscode.workspace.textDocuments.filter(({ isDirty, languageId, isUntitled }) => {
    return isDirty && !isUntitled && languageId === "python";
  });
  await Promise.all(dirty.map((document) => document.save()));
}

/** The argument of a lens, or the cursor. */
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

/** The items that a lens names, or the one at the cursor. */
async function itemsOf(session: Session, lens: Lens): Promise<vscode.TestItem[]> {
  const { ids, workspace } = lens ?? {};
  const named = ids && workspace !== undefined ? ids.map((id) => ({ id, workspace })) : [await under(session)];
  const items = await Promise.all(named.map(({ id, workspace }) => session.tree.find(workspace, id)));
  const found = items.filter((item) => item !== undefined);
  if (found.length === 0) {
    throw new Error(`${named[0]?.id ?? "the test"} is not known: collect the tests again`);
  }
  return found;
}

function itemOf(target: Target): vscode.TestItem | undefined {
  return target && ("children" in target ? target : target.test);
}

/** A test by its id. */
export interface Test {
  id: string;
  workspace: string;
  /** As a person calls it. */
  name: string;
}

/** The test of a menu, or the one at the cursor. */
async function meant(session: Session, target: Target): Promise<Test> {
  const item = itemOf(target);
  return (item && testOf(session, item)) ?? under(session);
}

/** The innermost shown test at the cursor. */
async function under(session: Session): Promise<Test> {
  const { textDocument, position } = cursor();
  const at = new vscode.Position(position.line, position.character);
  const found = await testAt(session, vscode.Uri.parse(textDocument.uri), at);
  if (!found) {
    throw new Error("there is no test at the cursor: put it into one");
  }
  return found;
}
