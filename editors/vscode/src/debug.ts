/** Debugging: the server starts the program under debugpy, which waits; VS Code's debugger attaches to it. */
import * as vscode from "vscode";

import { log, sentence } from "./log";
import type { DebugAnswer, RunOptions, Selection } from "./requests";
import type { FolderRun } from "./runs";
import type { Session } from "./session";

/** The extension that contributes the debug type `debugpy`. */
const DEBUGGER = "ms-python.debugpy";

/** Debugs what a profile was asked for. */
export async function debugTests(session: Session, request: vscode.TestRunRequest, asked: FolderRun[]): Promise<void> {
  const [first, ...others] = asked;
  if (!first) {
    return;
  }
  if (others.length > 0) {
    throw new Error("tests of several folders can't be debugged at once: choose those of one folder");
  }
  // Continuous: the session of the save before makes room.
  const before = waiting.get(request);
  if (before !== undefined) {
    await session.client
      .execute("pytestLens.kill", { runId: before })
      .catch((error: unknown) => log.debug(sentence(error)));
  }
  await session.runs.claim(request, first.workspace, async () => {
    const answer = await attach(session, first);
    waiting.set(request, answer.runId);
    return answer;
  });
}

/** The server's run that was started last for a request. */
const waiting = new WeakMap<vscode.TestRunRequest, string>();

/** Debugs a selection; answers with the server's run. */
export async function attach(session: Session, selection: Selection & RunOptions): Promise<DebugAnswer> {
  if (!(await debuggerThere())) {
    throw new Error("the Python Debugger extension is needed to debug tests: install it and try again");
  }
  const answer = await session.client.execute("pytestLens.debug", selection);
  const folder = folderOf(selection);
  const { host, port } = answer;
  const justMyCode = vscode.workspace.getConfiguration("pytestLens", folder).get("debug.justMyCode", true);
  log.info(`debugpy listens on ${host}:${port}`);
  const started = await vscode.debug.startDebugging(
    folder,
    {
      type: "debugpy",
      request: "attach",
      name: "pytest",
      connect: { host, port },
      justMyCode,
      subProcess: true,
    },
    { suppressSaveBeforeStart: true },
  );
  if (!started) {
    await session.client.execute("pytestLens.kill", { runId: answer.runId });
    throw new Error("the debugger did not start: see the Debug Console");
  }
  return answer;
}

/** Whether there is a debugger for Python; offers to install one where there is none. */
async function debuggerThere(): Promise<boolean> {
  const contributes = vscode.extensions.all.some((extension) => {
    const { contributes } = extension.packageJSON as { contributes?: { debuggers?: { type: string }[] } };
    return contributes?.debuggers?.some(({ type }) => type === "debugpy");
  });
  if (contributes) {
    return true;
  }
  const install = "Install";
  const choice = await vscode.window.showWarningMessage(
    "To debug tests, the Python Debugger extension is needed.",
    install,
  );
  if (choice === install) {
    await vscode.commands.executeCommand("workbench.extensions.installExtension", DEBUGGER);
    return vscode.extensions.getExtension(DEBUGGER) !== undefined;
  }
  return false;
}

function folderOf({ workspace, textDocument }: Selection): vscode.WorkspaceFolder | undefined {
  const uri = workspace ?? textDocument?.uri;
  return uri === undefined ? undefined : vscode.workspace.getWorkspaceFolder(vscode.Uri.parse(uri));
}
