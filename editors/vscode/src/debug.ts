/** Debugging: the server starts the program under debugpy, which waits; VS Code's debugger attaches to it. */
import * as vscode from "vscode";

import { debugging } from "./launch";
import { log, sentence, tell } from "./log";
import type { DebugAnswer, RunOptions, Selection } from "./requests";
import type { FolderRun, Runs } from "./runs";
import type { Session } from "./session";

/** The extension that contributes the debug type `debugpy`. */
const DEBUGGER = "ms-python.debugpy";

/** Debugs the tests of a profile's request. */
export async function debugTests(session: Session, request: vscode.TestRunRequest, asked: FolderRun[]): Promise<void> {
  const [first, ...others] = asked;
  if (!first) {
    return;
  }
  if (others.length > 0) {
    throw new Error("tests of several folders can't be debugged at once: choose those of one folder");
  }
  if (!isDebuggerThere()) {
    offerDebugger();
    return;
  }
  // Continuous run: the session of the last save ends first.
  const before = waiting.get(request);
  if (before !== undefined) {
    await session.client
      .execute("pytestLens.kill", { runId: before })
      .catch((error: unknown) => log.debug(sentence(error)));
  }
  const ask = async (run: vscode.TestRun): Promise<DebugAnswer> => {
    const answer = await attach(session, first, run);
    waiting.set(request, answer.runId);
    return answer;
  };
  await session.runs.claim(request, first.workspace, ask, { isDebugged: true });
}

/** The server's last run for a request. */
const waiting = new WeakMap<vscode.TestRunRequest, string>();

/** Debugs a selection as one of VS Code's runs, which a restart repeats; answers with the server's run. */
async function attach(
  session: Session,
  selection: Selection & RunOptions,
  testRun: vscode.TestRun,
): Promise<DebugAnswer> {
  const answer = await session.client.execute("pytestLens.debug", selection);
  const folder = folderOf(selection);
  const { host, port, runId } = answer;
  const justMyCode = vscode.workspace.getConfiguration("pytestLens", folder).get("debug.justMyCode", true);
  log.info(`debugpy listens on ${host}:${port}`);
  const configuration = {
    justMyCode,
    subProcess: true,
    ...debugging(folder),
    type: "debugpy",
    request: "attach",
    name: "pytest",
    connect: { host, port },
    pytestLensRun: runId,
  };
  const started = await vscode.debug.startDebugging(folder, configuration, { suppressSaveBeforeStart: true, testRun });
  if (!started) {
    await session.client.execute("pytestLens.kill", { runId });
    throw new Error("the debugger did not start: see the Debug Console");
  }
  return answer;
}

/** A debugger disconnects while its test runs: the user wants to end the test. */
export function followDebuggers(runs: Runs): vscode.Disposable {
  return vscode.debug.registerDebugAdapterTrackerFactory("debugpy", {
    createDebugAdapterTracker: ({ configuration, parentSession }) => {
      const runId: unknown = configuration["pytestLensRun"];
      if (typeof runId !== "string" || parentSession) {
        return undefined;
      }
      let isOver = false;
      return {
        onWillReceiveMessage: ({ command }: { command?: string }) => {
          if ((command === "disconnect" || command === "terminate") && !isOver && runs.isLive(runId)) {
            void runs.kill([runId]);
          }
        },
        onDidSendMessage: ({ event }: { event?: string }) => {
          isOver ||= event === "terminated" || event === "exited";
        },
      };
    },
  });
}

/** Whether a debugger for Python is installed. */
function isDebuggerThere(): boolean {
  return vscode.extensions.all.some((extension) => {
    const { contributes } = extension.packageJSON as { contributes?: { debuggers?: { type: string }[] } };
    return contributes?.debuggers?.some(({ type }) => type === "debugpy");
  });
}

function offerDebugger(): void {
  const install = "Install";
  void vscode.window
    .showWarningMessage("To debug tests, the Python Debugger extension is needed.", install)
    .then((choice) => choice && vscode.commands.executeCommand("workbench.extensions.installExtension", DEBUGGER))
    .then(undefined, tell);
}

function folderOf({ workspace, textDocument }: Selection): vscode.WorkspaceFolder | undefined {
  const uri = workspace ?? textDocument?.uri;
  return uri === undefined ? undefined : vscode.workspace.getWorkspaceFolder(vscode.Uri.parse(uri));
}
