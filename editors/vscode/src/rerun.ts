/** "Rerun until it fails", for a suspected test: one run, which the engine repeats, each time in a fresh process. */
import * as vscode from "vscode";

import type { Test } from "./commands";
import { runName } from "./labels";
import type { Notice, RunEnd } from "./protocol";
import type { Session } from "./session";

/** The most repeats. */
const MOST = 1_000;

/** Runs a test again and again until it does not pass, or the user stops it. */
export async function rerunUntilFailure(session: Session, test: Test): Promise<void> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Rerunning ${test.name} until it fails`,
    cancellable: true,
  };
  const told = await vscode.window.withProgress(options, (progress, token) => repeat(session, test, progress, token));
  if (told === undefined) {
    return;
  }
  const choice = await vscode.window.showInformationMessage(told, "Show Flakiness");
  if (choice) {
    await vscode.commands.executeCommand("pytestLens.showFlakiness");
  }
}

/** Waits for the end of the run; returns the message for the user, if the user has not seen it yet. */
async function repeat(
  session: Session,
  { id, workspace, name }: Test,
  progress: vscode.Progress<{ message: string }>,
  token: vscode.CancellationToken,
): Promise<string | undefined> {
  const { runs, client } = session;
  const ends = new Map<string, RunEnd & Notice>();
  let attempt = 1;
  let wanted: string | undefined;
  let done: (end: RunEnd | undefined) => void = () => undefined;
  const over = new Promise<RunEnd | undefined>((resolve) => (done = resolve));
  const listeners = vscode.Disposable.from(
    runs.onDidRepeat((step) => {
      if (wanted === undefined || step.runId === wanted) {
        attempt = step.attempt;
        progress.report({ message: `attempt ${attempt}` });
      }
    }),
    runs.onDidFinish((end) => {
      ends.set(end.runId, end);
      if (end.runId === wanted) {
        done(end);
      }
    }),
    runs.onDidLose(() => done(undefined)),
    token.onCancellationRequested(() => wanted !== undefined && void runs.stop([wanted])),
  );
  try {
    const item = await session.tree.find(workspace, id);
    const request = new vscode.TestRunRequest(item && [item], undefined, runs.profile);
    const shown = { name: `${runName({ names: [name] })}, until it fails` };
    const ask = { ids: [id], workspace, untilFailure: MOST };
    wanted = await runs.claim(request, workspace, () => client.execute("pytestLens.run", ask), shown);
    if (wanted === undefined) {
      return undefined;
    }
    if (token.isCancellationRequested) {
      await runs.stop([wanted]);
    }
    const end = ends.get(wanted) ?? (await over);
    if (!end) {
      return `${name} passed ${attempt - 1} times, then the server ended.`;
    }
    switch (end.status) {
      case "stopped":
      case "killed":
        return `${name} passed ${end.counts.passed > 0 ? attempt : attempt - 1} times, then you stopped it.`;
      case "passed":
        return end.counts.passed > 0 ? `${name} passed ${MOST} times.` : `${name} was skipped.`;
      default:
        return `${name} failed at attempt ${attempt}.`;
    }
  } finally {
    listeners.dispose();
  }
}
