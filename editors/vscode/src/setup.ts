/** Installs missing packages at the user's request, then collects the tests again. Runs tests in a terminal. */
import { spawn } from "node:child_process";
import * as path from "node:path";
import * as readline from "node:readline";
import * as vscode from "vscode";

import { openFolders } from "./enabled";
import { log, tell } from "./log";
import type { Session } from "./session";
import { installation, managed } from "./text";

/** Installs a package for the interpreter that lacks it; `text` is the sentence that names both. */
export async function install(session: Session, text: string | undefined): Promise<void> {
  const problem = [...session.problems].find(([, { text }]) => installation(text) ?? managed(text));
  const said = text ?? problem?.[1].text;
  const folder = openFolders().find(({ uri }) => uri.toString() === problem?.[0]) ?? openFolders()[0];
  if (said === undefined || !folder) {
    throw new Error("nothing is missing: collect the tests again");
  }
  const system = managed(said);
  if (system !== undefined) {
    await makeEnvironment(session, folder, system);
    return;
  }
  const missing = installation(said);
  if (!missing) {
    throw new Error("the missing package is not known: see the log");
  }
  const [python = "python3", ...words] = missing.words;
  await carryOut(folder, `Installing ${missing.what}`, python, words);
  await session.collect(false);
}

/** For a Python that the system manages, an environment is created, in which packages can be installed. */
async function makeEnvironment(session: Session, folder: vscode.WorkspaceFolder, python: string): Promise<void> {
  const make = "Make .venv";
  const detail = `${python} is managed by the system, and pip refuses to install into it.`;
  const question = `Make an environment .venv in ${folder.name}, with pytest in it?`;
  if ((await vscode.window.showInformationMessage(question, { modal: true, detail }, make)) !== make) {
    return;
  }
  const own = path.join(folder.uri.fsPath, ".venv", "bin", "python");
  await carryOut(folder, "Making .venv", python, ["-m", "venv", ".venv"]);
  await carryOut(folder, "Installing pytest", own, ["-m", "pip", "install", "pytest"]);
  await session.interpreter.use(folder, own);
  await session.collect(false);
}

/** Runs a program to its end, and logs its output. */
async function carryOut(
  folder: vscode.WorkspaceFolder,
  title: string,
  program: string,
  words: string[],
): Promise<void> {
  log.info(`${title}: ${[program, ...words].join(" ")}`);
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  const code = await vscode.window.withProgress(options, async (_, token) => {
    const child = spawn(program, words, { cwd: folder.uri.fsPath, stdio: ["ignore", "pipe", "pipe"] });
    token.onCancellationRequested(() => child.kill());
    for (const pipe of [child.stdout, child.stderr]) {
      readline.createInterface(pipe).on("line", (line) => log.info(line));
    }
    return new Promise<number | null>((done, failed) => child.once("error", failed).once("close", done));
  });
  if (code !== 0) {
    throw new Error(`“${title}” failed: the log says why`);
  }
}

/** Runs tests in a terminal, by pytest itself: its real output, colors and debugger. */
export function runInTerminal(session: Session, workspace: string, ids: readonly string[]): void {
  const folder = openFolders().find(({ uri }) => uri.toString() === workspace);
  const python = session.status.get(workspace)?.pythonPath;
  if (!folder || python === undefined) {
    tell(new Error("which Python runs the tests is not known yet: collect them first"));
    return;
  }
  const { env, arguments: own } = session.testSettings(folder);
  const name = "pytest";
  const known = vscode.window.terminals.find((terminal) => terminal.name === name && terminal.exitStatus === undefined);
  const terminal = known ?? vscode.window.createTerminal({ name, cwd: folder.uri, env: { ...env } });
  terminal.show();
  const words = [python, "-m", "pytest", ...own, ...ids];
  terminal.sendText(words.map(inShell).join(" "));
}

/** A word as a shell takes it literally. */
function inShell(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) {
    return word;
  }
  return process.platform === "win32" ? `"${word.replaceAll('"', '`"')}"` : `'${word.replaceAll("'", "'\\''")}'`;
}
