/**
 * Runs as VS Code shows them, reduced from the server's notifications. A run that was asked for here is claimed by the
 * answer to its request; every other (on save, from another editor, from the command line) appears as well.
 */
import * as vscode from "vscode";

import type { Folders } from "./folders";
import { log, sentence, tell } from "./log";
import { isFailure, report, reportSubtests } from "./outcomes";
import type { Notifications, Notice, RunEnd } from "./protocol";
import type { RunAnswer, RunOptions, Selection, Server } from "./requests";
import { crlf, duration } from "./text";
import type { Tree } from "./tree";

/** More tests than this are not shown as queued one by one: they soon run. */
const MANY = 500;

type RunMethod = Exclude<keyof Notifications, "pytestLens/inventory" | "pytestLens/flakinessHint">;

/** A notification that speaks of a run. */
export type RunEvent = { [M in RunMethod]: { method: M; params: Notifications[M] } }[RunMethod];

/** One run of VS Code's, over one run of the server's in each folder. */
interface Group {
  run: vscode.TestRun;
  /** The server's runs that go on. */
  open: Map<string, string>;
  /** Requests that are not answered yet. */
  starting: number;
  end: () => void;
}

/** How far the runs are, for the status bar. */
export interface Progress {
  running: number;
  done: number;
  failed: number;
  total: number;
}

/** A run of the server's that was shown. */
interface Live {
  group: Group;
  progress: Progress;
}

/** What a profile asks for in one folder. */
export type FolderRun = Selection & RunOptions & { workspace: string };

/** Called before a run of VS Code's ends, with the end of the server's run: coverage is fetched then. */
export type Finisher = (run: vscode.TestRun, end: RunEnd & Notice) => Promise<void>;

/** All runs. */
export class Runs implements vscode.Disposable {
  readonly #live = new Map<string, Live>();
  readonly #held = new Map<string, RunEvent[]>();
  readonly #asking = new Map<string, number>();
  readonly #stopping = new Set<string>();
  readonly #finished = new vscode.EventEmitter<RunEnd & Notice>();
  readonly #moved = new vscode.EventEmitter<Progress | undefined>();
  readonly #finishers = new WeakMap<Group, Finisher>();
  readonly onDidFinish = this.#finished.event;
  readonly onDidMove = this.#moved.event;
  /** The request that runs nobody asked for are shown under: that of continuous run, by folder. */
  readonly continuous = new Map<string, vscode.TestRunRequest>();
  profile: vscode.TestRunProfile | undefined;

  constructor(
    private readonly controller: vscode.TestController,
    private readonly tree: Tree,
    private readonly folders: Folders,
    private readonly server: Server,
  ) {}

  dispose(): void {
    this.#finished.dispose();
    this.#moved.dispose();
  }

  get isRunning(): boolean {
    return this.#live.size > 0;
  }

  /** Runs tests of some folders as one run; resolves when the server has accepted or refused them. */
  async start(request: vscode.TestRunRequest, asked: FolderRun[], finisher?: Finisher): Promise<void> {
    const group = this.#group(request);
    group.starting = asked.length;
    if (finisher) {
      this.#finishers.set(group, finisher);
    }
    await Promise.all(
      asked.map((argument) => {
        const ask = (): Promise<RunAnswer> => this.server.execute("pytestLens.run", argument);
        return this.#claim(group, argument.workspace, ask);
      }),
    );
  }

  /** Shows the run of a folder that `ask` starts, whatever its command, as the one that was requested. */
  async claim(request: vscode.TestRunRequest, workspace: string, ask: () => Promise<{ runId: string }>): Promise<void> {
    const group = this.#group(request);
    group.starting = 1;
    await this.#claim(group, workspace, ask);
  }

  async #claim(group: Group, key: string, ask: () => Promise<{ runId: string; total?: number }>): Promise<void> {
    this.#asking.set(key, (this.#asking.get(key) ?? 0) + 1);
    try {
      const { runId, total } = await ask();
      this.#bind(group, key, runId, total ?? 0);
    } catch (error) {
      group.run.appendOutput(crlf(`${sentence(error)}\n`));
      tell(error);
    } finally {
      group.starting -= 1;
      this.#asking.set(key, (this.#asking.get(key) ?? 1) - 1);
      this.#release(key);
      this.#settle(group);
    }
  }

  /** Takes in what the server tells of a run. */
  take(event: RunEvent): void {
    const { runId, workspace } = event.params;
    const held = this.#held.get(runId);
    if (held) {
      held.push(event);
      return;
    }
    if (!this.#live.has(runId)) {
      if ((this.#asking.get(workspace) ?? 0) > 0) {
        // Most likely the run that was just asked for: its answer tells.
        this.#held.set(runId, [event]);
        return;
      }
      if (event.method === "pytestLens/runFinished") {
        this.#finished.fire(event.params);
        return;
      }
      this.#adopt(event);
    }
    this.#apply(event);
  }

  /** Stops all runs; those that are being stopped already are killed. */
  async stop(runIds: Iterable<string> = this.#live.keys()): Promise<void> {
    for (const runId of [...runIds]) {
      const command = this.#stopping.has(runId) ? "pytestLens.kill" : "pytestLens.stop";
      this.#stopping.add(runId);
      try {
        await this.server.execute(command, { runId });
      } catch (error) {
        // It ended a moment ago.
        log.debug(sentence(error));
      }
    }
  }

  /** The server is gone, and its runs with it. */
  serverGone(): void {
    this.#held.clear();
    for (const { group } of this.#live.values()) {
      group.open.clear();
      group.run.appendOutput("The server ended, and this run with it.\r\n");
      group.end();
    }
    this.#live.clear();
    this.#stopping.clear();
    this.#tellProgress();
  }

  #group(request: vscode.TestRunRequest): Group {
    const run = this.controller.createTestRun(request, undefined, true);
    const end = run.end.bind(run);
    const group: Group = { run, open: new Map(), starting: 0, end };
    run.token.onCancellationRequested(() => void this.stop(group.open.keys()));
    // VS Code ends a run itself where it is cancelled a second time: that is a kill.
    run.end = () => {
      void this.stop(group.open.keys());
      end();
    };
    return group;
  }

  #bind(group: Group, workspace: string, runId: string, total: number): void {
    group.open.set(runId, workspace);
    this.#live.set(runId, { group, progress: { running: 1, done: 0, failed: 0, total } });
    if (group.run.token.isCancellationRequested) {
      void this.stop([runId]);
    }
    const held = this.#held.get(runId) ?? [];
    this.#held.delete(runId);
    held.forEach((event) => this.#apply(event));
  }

  /** Shows the runs of a folder that were held back for a request and are not its. */
  #release(workspace: string): void {
    if ((this.#asking.get(workspace) ?? 0) > 0) {
      return;
    }
    for (const [runId, events] of [...this.#held]) {
      if (events[0]?.params.workspace === workspace) {
        this.#held.delete(runId);
        events.forEach((event) => this.take(event));
      }
    }
  }

  /** A run that nobody asked for here. */
  #adopt({ method, params }: RunEvent): void {
    const ids = method === "pytestLens/runStarted" ? params.ids : undefined;
    const total = method === "pytestLens/runStarted" ? params.total : 0;
    const few = ids && ids.length <= MANY ? ids : [];
    const items = few.map((id) => this.tree.ensure(params.workspace, id)).filter((item) => item !== undefined);
    const include = items.length > 0 ? items : undefined;
    const request =
      this.continuous.get(params.workspace) ?? new vscode.TestRunRequest(include, undefined, this.profile);
    this.#bind(this.#group(request), params.workspace, params.runId, total);
  }

  #apply(event: RunEvent): void {
    const live = this.#live.get(event.params.runId);
    if (!live) {
      return;
    }
    const { group, progress } = live;
    const { workspace } = event.params;
    const folder = this.folders.get(workspace);
    switch (event.method) {
      case "pytestLens/runStarted":
        progress.total = event.params.total;
        if (event.params.ids && event.params.ids.length <= MANY) {
          this.#each(workspace, event.params.ids, (item) => group.run.enqueued(item));
        }
        break;
      case "pytestLens/testStarted":
        this.#each(workspace, event.params.ids, (item) => group.run.started(item));
        break;
      case "pytestLens/testOutcome":
        for (const outcome of event.params.outcomes) {
          const item = this.tree.ensure(workspace, outcome.id);
          if (!outcome.willRerun && outcome.outcome !== "not_run") {
            folder.outcomes.set(outcome.id, { outcome: outcome.outcome, durationMs: outcome.durationMs });
            progress.done += 1;
            progress.failed += isFailure(outcome.outcome) ? 1 : 0;
          }
          if (item) {
            report(group.run, item, outcome, folder.hints.get(outcome.id));
            if (outcome.subtests && !outcome.willRerun) {
              reportSubtests(group.run, this.tree.subtests(item, outcome.subtests), outcome);
            }
            this.tree.touch(workspace, outcome.id);
          }
        }
        break;
      case "pytestLens/output": {
        const item = event.params.id === undefined ? undefined : this.tree.ensure(workspace, event.params.id);
        group.run.appendOutput(crlf(event.params.text), undefined, item);
        break;
      }
      case "pytestLens/runFinished":
        this.#finish(group, event.params);
        break;
    }
    this.#tellProgress();
  }

  #finish(group: Group, end: RunEnd & Notice): void {
    const { counts } = end;
    const parts = [
      [counts.failed, "failed"],
      [counts.errors, counts.errors === 1 ? "error" : "errors"],
      [counts.passed, "passed"],
      [counts.skipped, "skipped"],
      [counts.notRun, "not run"],
    ] as const;
    const told = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
    const why = end.message ? `\r\n${crlf(end.message)}` : "";
    group.run.appendOutput(`${told.join(", ") || "no tests ran"} in ${duration(end.durationMs)}${why}\r\n`);
    this.#stopping.delete(end.runId);
    this.#live.delete(end.runId);
    const done = (): void => {
      group.open.delete(end.runId);
      this.#settle(group);
      this.#finished.fire(end);
    };
    const finisher = this.#finishers.get(group);
    if (finisher) {
      finisher(group.run, end).then(done, (error: unknown) => {
        group.run.appendOutput(crlf(`${sentence(error)}\n`));
        tell(error);
        done();
      });
    } else {
      done();
    }
  }

  #settle(group: Group): void {
    if (group.starting === 0 && group.open.size === 0) {
      group.end();
    }
  }

  #each(workspace: string, ids: readonly string[], act: (item: vscode.TestItem) => void): void {
    for (const id of ids) {
      const item = this.tree.ensure(workspace, id);
      if (item) {
        act(item);
      }
    }
  }

  #tellProgress(): void {
    const sum: Progress = { running: 0, done: 0, failed: 0, total: 0 };
    for (const { progress } of this.#live.values()) {
      sum.running += 1;
      sum.done += progress.done;
      sum.failed += progress.failed;
      sum.total += progress.total;
    }
    this.#moved.fire(sum.running > 0 ? sum : undefined);
  }
}
