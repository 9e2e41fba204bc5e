/** While a stop takes effect: shows that at once, and offers to kill tests that do not end. */
import * as vscode from "vscode";

import type { Session } from "./session";

/** A run that ends sooner needs no notification: the status bar shows it. */
const SOON_MS = 400;

/** Shows a notification for each run that is slow to stop; its Cancel kills the run. */
export function offerToKill({ runs }: Session): vscode.Disposable {
  return runs.onDidStop((runId) => {
    const over = new Promise<void>((done) => {
      const all = vscode.Disposable.from(
        runs.onDidFinish((end) => end.runId === runId && finish()),
        runs.onDidLose(() => finish()),
      );
      const finish = (): void => {
        all.dispose();
        done();
      };
    });
    const timer = setTimeout(() => {
      const options = {
        location: vscode.ProgressLocation.Notification,
        title: "Stopping: waiting for the running tests to finish. Cancel kills them.",
        cancellable: true,
      };
      void vscode.window.withProgress(options, async (_, token) => {
        token.onCancellationRequested(() => void runs.kill([runId]));
        await over;
      });
    }, SOON_MS);
    void over.then(() => clearTimeout(timer));
  });
}
