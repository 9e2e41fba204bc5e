/** Shared by the tests of the extension host: the extension's parts, and a record of VS Code's runs. */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import type { Api } from "../../src/extension";

const DEADLINE_MS = 45_000;

/** One call on a run. */
export interface Told {
  what: "enqueued" | "started" | "passed" | "failed" | "errored" | "skipped" | "output" | "coverage" | "end";
  id?: string;
  message?: vscode.TestMessage;
  durationMs?: number | undefined;
  text?: string;
  file?: vscode.FileCoverage;
}

/** A run, with all calls on it. */
export interface Recorded {
  request: vscode.TestRunRequest;
  name: string | undefined;
  run: vscode.TestRun;
  told: Told[];
}

/** The extension under test. */
export interface Lab {
  api: Api;
  recorded: Recorded[];
}

/** The awaited value, or undefined as long as it is not there. */
type Wanted<T> = T | undefined | false;

/** Waits until something is there, and checks again after each event; never for longer than the deadline. */
export async function until<T>(what: string, look: () => Wanted<T> | Promise<Wanted<T>>): Promise<T> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > end) {
      throw new assert.AssertionError({ message: `timed out before ${what}` });
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

let lab: Promise<Lab> | undefined;

/** Activates the extension, once, and records all runs from then on. */
export function enter(): Promise<Lab> {
  lab ??= activate();
  return lab;
}

async function activate(): Promise<Lab> {
  const extension = vscode.extensions.all.find(({ id }) => id.endsWith(".pytest-lens"));
  assert.ok(extension, "the extension is there");
  const api = (await extension.activate()) as Api;
  const { controller } = api.session;
  const recorded: Recorded[] = [];
  const create = controller.createTestRun.bind(controller);
  controller.createTestRun = (request, name, persist) => {
    const run = create(request, name, persist);
    recorded.push({ request, name, run, told: record(run) });
    return run;
  };
  return { api, recorded };
}

/** Records the calls on a run. */
function record(run: vscode.TestRun): Told[] {
  const told: Told[] = [];
  const original = { ...run };
  for (const what of ["enqueued", "started", "skipped"] as const) {
    run[what] = (test) => {
      told.push({ what, id: test.id });
      original[what](test);
    };
  }
  run.passed = (test, durationMs) => {
    told.push({ what: "passed", id: test.id, durationMs });
    original.passed(test, durationMs);
  };
  for (const what of ["failed", "errored"] as const) {
    run[what] = (test, message, durationMs) => {
      const [first] = [message].flat();
      told.push({ what, id: test.id, durationMs, ...(first && { message: first }) });
      original[what](test, message, durationMs);
    };
  }
  run.appendOutput = (text, location, test) => {
    told.push({ what: "output", text, ...(test && { id: test.id }) });
    original.appendOutput(text, location, test);
  };
  run.addCoverage = (file) => {
    told.push({ what: "coverage", file });
    original.addCoverage(file);
  };
  run.end = () => {
    told.push({ what: "end" });
    original.end();
  };
  return told;
}

/** The text of a message or an error. */
export function plain(text: string | vscode.MarkdownString | undefined): string {
  return typeof text === "string" ? text : (text?.value ?? "");
}

/** The only folder's key. */
export function folder(index = 0): string {
  const found = vscode.workspace.workspaceFolders?.[index];
  assert.ok(found);
  return found.uri.toString();
}

/** A file of the folder. */
export function file(name: string, index = 0): vscode.Uri {
  return vscode.Uri.joinPath(vscode.Uri.parse(folder(index)), name);
}

/** Waits until pytest itself has confirmed a file's tests. */
export async function confirmed({ api }: Lab, id: string, index = 0): Promise<vscode.TestItem> {
  const { session } = api;
  const key = folder(index);
  await until(`${id} is confirmed`, () => {
    const item = session.folders.get(key).inventory.get(id);
    return item && !item.provisional;
  });
  const item = session.tree.ensure(key, id);
  assert.ok(item);
  return item;
}

/** Runs items by a profile and waits for the end of the run. */
export async function runItems(lab: Lab, ids: string[], profile = lab.api.profiles.run): Promise<Recorded> {
  const items = await Promise.all(ids.map((id) => confirmed(lab, id)));
  const request = new vscode.TestRunRequest(items, undefined, profile);
  const source = new vscode.CancellationTokenSource();
  await profile.runHandler(request, source.token);
  return ended(lab, request);
}

/** The run of a request, when it is over. */
export async function ended({ recorded }: Lab, request: vscode.TestRunRequest): Promise<Recorded> {
  return until("the run has ended", () =>
    recorded.findLast((run) => run.request === request && run.told.some(({ what }) => what === "end")),
  );
}

/** The outcome of a test. */
export function verdict({ told }: Recorded, id: string): Told | undefined {
  return told.findLast((each) => each.id === id && ["passed", "failed", "errored", "skipped"].includes(each.what));
}

/** Replaces a file of the folder by way of an editor that saves. */
export async function rewrite(uri: vscode.Uri, change: (text: string) => string): Promise<void> {
  const document = await vscode.workspace.openTextDocument(uri);
  const edit = new vscode.WorkspaceEdit();
  const whole = new vscode.Range(0, 0, document.lineCount, 0);
  edit.replace(uri, whole, change(document.getText()));
  assert.ok(await vscode.workspace.applyEdit(edit));
  assert.ok(await document.save());
}
