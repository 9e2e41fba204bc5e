/** "Rerun until it fails": for a test that is suspected. Each repetition is a run of its own, so no state leaks. */
import * as vscode from "vscode";

import type { Test } from "./commands";
import type { Notice, RunEnd } from "./protocol";
import type { Session } from "./session";

/** No more often than this. */
const MOST = 500;

/** Runs a test again and again until it does not pass, or the user has enough. */
export async function rerunUntilFailure(session: Session, { id, workspace }: Test): Promise<void> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Rerunning ${id}`,
    cancellable: true,
  };
  const told = await vscode.window.withProgress(options, async (progress, token) => {
    for (let attempt = 1; attempt <= MOST; attempt++) {
      progress.report({ message: `attempt ${attempt}`, increment: 100 / MOST });
      const end = await once(session, { id, workspace }, token);
      if (token.isCancellationRequested) {
        return `${id} passed ${attempt - 1} times, then you stopped it.`;
      }
      if (end.status !== "passed") {
        return `${id} ${end.status === "failed" ? "failed" : "ended as " + end.status} at attempt ${attempt}.`;
      }
    }
    return `${id} passed ${MOST} times.`;
  });
  const choice = await vscode.window.showInformationMessage(told, "Show Flakiness");
  if (choice) {
    await vscode.commands.executeCommand("pytestLens.showFlakiness");
  }
}

/** One run, to its end. */
async function once(session: Session, { id, workspace }: Test, token: vscode.CancellationToken): Promise<RunEnd> {
  const ends = new Map<string, RunEnd & Notice>();
  let wanted: string | undefined;
  let done: (end: RunEnd) => void;
  const over = new Promise<RunEnd>((resolve) => (done = resolve));
  const finished = session.runs.onDidFinish((end) => {
    ends.set(end.runId, end);
    if (end.runId === wanted) {
      done(end);
    }
  });
  const cancelled = token.onCancellationRequested(() => wanted && void session.runs.stop([wanted]));
  try {
    wanted = (await session.client.execute("pytestLens.run", { ids: [id], workspace, rerun: false })).runId;
    return ends.get(wanted) ?? (await over);
  } finally {
    finished.dispose();
    cancelled.dispose();
  }
}
