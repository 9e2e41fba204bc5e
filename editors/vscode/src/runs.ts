/**
 * VS Code's runs, reduced from the server's notifications. The answer to a request names its run; every other run (on
 * save, from another editor, from the command line) appears as well.
 */
import * as vscode from "vscode";

import type { Folders } from "./folders";
import { itemName, runName } from "./labels";
import { log, type Offer, sentence, tell } from "./log";
import { isFailure, report, reportSubtests } from "./outcomes";
import { heading, summary } from "./print";
import type { Notifications, Notice, RunEnd, TestOutcome } from "./protocol";
import type { RunAnswer, RunOptions, Selection, Server } from "./requests";
import { crlf } from "./text";
import type { Tree } from "./tree";

/** The most tests that are shown as queued: more run soon anyway. */
const MANY = 500;

type RunMethod = Exclude<
  keyof Notifications,
  "pytestLens/inventory" | "pytestLens/flakinessHint" | "pytestLens/staleOutcomes"
>;

/** A notification about a run. */
export type RunEvent = { [M in RunMethod]: { method: M; params: Notifications[M] } }[RunMethod];

/** One of VS Code's runs, over one run of the server's in each folder. */
interface Group {
  run: vscode.TestRun;
  /** The server's runs in progress. */
  open: Map<string, string>;
  /** The number of requests without an answer. */
  starting: number;
  shown: Shown;
  end: () => void;
}

/** The progress of the runs, for the status bar. */
export interface Progress {
  running: number;
  done: number;
  failed: number;
  total: number;
  /** The number of the attempt, for a test that is repeated until it fails. */
  attempt?: number;
  /** No more tests start: running ones may finish. */
  stopping: boolean;
}

/** A run of the server's that was shown. */
interface Live {
  group: Group;
  progress: Progress;
}

/** A profile's request for one folder. */
export type FolderRun = Selection & RunOptions & { workspace: string };

/** Called before a run of VS Code's ends, with the end of the server's run: coverage is fetched then. */
export type Finisher = (run: vscode.TestRun, end: RunEnd & Notice) => Promise<void>;

/** How a run is shown. */
export interface Shown {
  /** Its name, if it differs from the chosen tests. */
  name?: string;
  /** A first line of its output, such as its filter. */
  note?: string;
  isDebugged?: boolean;
  /** The filter, for errors, and the command that clears it. */
  filter?: { text: string; clear: Offer };
}

/** An attempt of a test that is repeated until it fails. */
export interface Attempt {
  runId: string;
  attempt: number;
}

/** All runs. */
export class Runs implements vscode.Disposable {
  readonly #live = new Map<string, Live>();
  readonly #held = new Map<string, RunEvent[]>();
  readonly #asking = new Map<string, number>();
  readonly #stopping = new Set<string>();
  /** Names of runs whose first notification has not arrived yet. */
  readonly #names = new Map<string, string>();
  readonly #finished = new vscode.EventEmitter<RunEnd & Notice>();
  readonly #moved = new vscode.EventEmitter<Progress | undefined>();
  readonly #repeated = new vscode.EventEmitter<Attempt>();
  readonly #lost = new vscode.EventEmitter<void>();
  readonly #stops = new vscode.EventEmitter<string>();
  readonly #finishers = new WeakMap<Group, Finisher>();
  readonly onDidFinish = this.#finished.event;
  readonly onDidMove = this.#moved.event;
  readonly onDidRepeat = this.#repeated.event;
  /** The server ended, and all runs with it. */
  readonly onDidLose = this.#lost.event;
  /** A run was stopped. */
  readonly onDidStop = this.#stops.event;
  /** The requests under which other runs are shown: those of continuous run, by folder. */
  readonly continuous = new Map<string, vscode.TestRunRequest>();
  profile: vscode.TestRunProfile | undefined;

  constructor(
    private readonly controller: vscode.TestController,
    private readonly tree: Tree,
    private readonly folders: Folders,
    private readonly server: Server,
  ) {}

  dispose(): void {
    vscode.Disposable.from(this.#finished, this.#moved, this.#repeated, this.#lost, this.#stops).dispose();
  }

  get isRunning(): boolean {
    return this.#live.size > 0;
  }

  /** Whether a run is in progress. */
  isLive(runId: string): boolean {
    return this.#live.has(runId);
  }

  /** Runs tests of some folders as one run; resolves when the server has accepted or refused them. */
  async start(
    request: vscode.TestRunRequest,
    asked: FolderRun[],
    shown: Shown = {},
    finisher?: Finisher,
  ): Promise<void> {
    const group = this.#group(request, shown);
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
    this.#endIfDone(group);
  }

  /** Shows the run of a folder that `ask` starts, by any command, as the requested one. */
  async claim(
    request: vscode.TestRunRequest,
    workspace: string,
    ask: (run: vscode.TestRun) => Promise<{ runId: string }>,
    shown: Shown = {},
  ): Promise<string | undefined> {
    const group = this.#group(request, shown);
    group.starting = 1;
    return this.#claim(group, workspace, () => ask(group.run));
  }

  /** Starts runs by a command that chooses the folders: those of several are shown as one. */
  async together(name: string | undefined, ask: () => Promise<RunAnswer>): Promise<void> {
    const keys = Array.from(this.folders.all(), ({ uri }) => uri);
    keys.forEach((key) => this.#asking.set(key, (this.#asking.get(key) ?? 0) + 1));
    try {
      const { runId, runs = [] } = await ask();
      if (runs.length > 1) {
        const request = new vscode.TestRunRequest(undefined, undefined, this.profile);
        const group = this.#group(request, { ...(name !== undefined && { name }) });
        runs.forEach(({ workspace, runId, total }) => this.#bind(group, workspace, runId, total));
      } else if (name !== undefined) {
        this.#names.set(runId, name);
      }
    } finally {
      for (const key of keys) {
        this.#asking.set(key, (this.#asking.get(key) ?? 1) - 1);
        this.#release(key);
      }
    }
  }

  async #claim(
    group: Group,
    key: string,
    ask: () => Promise<{ runId: string; total?: number }>,
  ): Promise<string | undefined> {
    this.#asking.set(key, (this.#asking.get(key) ?? 0) + 1);
    try {
      const { runId, total } = await ask();
      this.#bind(group, key, runId, total ?? 0);
      return runId;
    } catch (error) {
      group.run.appendOutput(crlf(`${sentence(error)}\n`));
      const { filter } = group.shown;
      if (filter) {
        tell(`${sentence(error)} (${filter.text})`, filter.clear);
      } else {
        tell(error);
      }
      return undefined;
    } finally {
      group.starting -= 1;
      this.#asking.set(key, (this.#asking.get(key) ?? 1) - 1);
      this.#release(key);
      this.#endIfDone(group);
    }
  }

  /** Applies a notification about a run. */
  take(event: RunEvent): void {
    const { runId, workspace } = event.params;
    const held = this.#held.get(runId);
    if (held) {
      held.push(event);
      return;
    }
    if (!this.#live.has(runId)) {
      if ((this.#asking.get(workspace) ?? 0) > 0) {
        // This is probably the run that was just requested: the answer will tell.
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

  /** Stops all runs; kills those that are stopping already, and those in a debugger. */
  async stop(runIds: Iterable<string> = this.#live.keys()): Promise<void> {
    const all = [...runIds];
    const isKilled = (runId: string): boolean =>
      this.#stopping.has(runId) || this.#live.get(runId)?.group.shown.isDebugged === true;
    const commands = all.map((runId) => [runId, isKilled(runId) ? "pytestLens.kill" : "pytestLens.stop"] as const);
    for (const [runId, command] of commands) {
      const live = this.#live.get(runId);
      if (live && !this.#stopping.has(runId)) {
        const what = command === "pytestLens.kill" ? "Killing it." : "Stopping: running tests may finish.";
        live.group.run.appendOutput(`${what}\r\n`);
      }
      this.#stopping.add(runId);
    }
    this.#tellProgress();
    const done = commands.map(async ([runId, command]) => {
      if (command === "pytestLens.stop") {
        this.#stops.fire(runId);
      }
      try {
        await this.server.execute(command, { runId });
      } catch (error) {
        // The run ended a moment ago.
        log.debug(sentence(error));
      }
    });
    await Promise.all(done);
  }

  /** Kills runs at once. */
  async kill(runIds: Iterable<string> = this.#live.keys()): Promise<void> {
    const all = [...runIds];
    all.forEach((runId) => this.#stopping.add(runId));
    await this.stop(all);
  }

  /** The server has ended, and its runs with it. */
  serverGone(): void {
    this.#held.clear();
    this.#names.clear();
    for (const { group } of this.#live.values()) {
      group.open.clear();
      group.run.appendOutput("The server ended, and this run with it.\r\n");
      group.end();
    }
    this.#live.clear();
    this.#stopping.clear();
    this.#lost.fire();
    this.#tellProgress();
  }

  #group(request: vscode.TestRunRequest, shown: Shown): Group {
    const { name, note } = shown;
    const run = this.controller.createTestRun(request, name ?? this.#nameOf(request), true);
    if (note) {
      run.appendOutput(crlf(`${note}\n`));
    }
    const end = run.end.bind(run);
    const group: Group = { run, open: new Map(), starting: 0, shown, end };
    run.token.onCancellationRequested(() => void this.stop(group.open.keys()));
    // VS Code ends a run itself if it is cancelled a second time: that is a kill.
    run.end = () => {
      void this.kill(group.open.keys());
      end();
    };
    return group;
  }

  #nameOf({ include, profile, continuous }: vscode.TestRunRequest): string {
    const names = include?.map((item) => {
      const data = this.tree.data(item);
      const known = data?.id === undefined ? undefined : this.folders.get(data.folder).inventory.get(data.id);
      return known ? itemName(known) : item.label;
    });
    return runName({ ...(names && { names }), profile: profile?.label, onSave: continuous === true });
  }

  #bind(group: Group, workspace: string, runId: string, total: number): void {
    group.open.set(runId, workspace);
    this.#live.set(runId, { group, progress: { running: 1, done: 0, failed: 0, total, stopping: false } });
    if (group.run.token.isCancellationRequested) {
      void this.stop([runId]);
    }
    const held = this.#held.get(runId) ?? [];
    this.#held.delete(runId);
    held.forEach((event) => this.#apply(event));
  }

  /** Shows the runs of a folder that waited for a request's answer and belong to others. */
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

  /** A run that was not requested here. */
  #adopt({ method, params }: RunEvent): void {
    const ids = method === "pytestLens/runStarted" ? params.ids : undefined;
    const total = method === "pytestLens/runStarted" ? params.total : 0;
    const few = ids && ids.length <= MANY ? ids : [];
    const items = few.map((id) => this.tree.ensure(params.workspace, id)).filter((item) => item !== undefined);
    const include = items.length > 0 ? items : undefined;
    const request =
      this.continuous.get(params.workspace) ?? new vscode.TestRunRequest(include, undefined, this.profile);
    const given = this.#names.get(params.runId);
    this.#names.delete(params.runId);
    const known = few.map((id) => this.folders.get(params.workspace).inventory.get(id));
    const names = known.filter((item) => item !== undefined).map(itemName);
    const what = { ...(names.length > 0 && { names }), ...(ids && { total }), onSave: request.continuous === true };
    const name = given ?? runName(what);
    this.#bind(this.#group(request, { name }), params.workspace, params.runId, total);
  }

  #apply(event: RunEvent): void {
    const live = this.#live.get(event.params.runId);
    if (!live) {
      return;
    }
    const { group, progress } = live;
    const { workspace } = event.params;
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
        this.#outcomes(live, workspace, event.params.runId, event.params.outcomes);
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

  #outcomes({ group, progress }: Live, workspace: string, runId: string, outcomes: readonly TestOutcome[]): void {
    const folder = this.folders.get(workspace);
    const quiet: string[] = [];
    for (const outcome of outcomes) {
      if (outcome.willRerun && outcome.outcome === "passed") {
        // Repeated until it fails: only a counter, or the output would fill with passes.
        progress.attempt = Math.max(progress.attempt ?? 1, outcome.attempt + 1);
        this.#repeated.fire({ runId, attempt: progress.attempt });
        continue;
      }
      const item = this.tree.ensure(workspace, outcome.id);
      if (!outcome.willRerun && outcome.outcome !== "not_run") {
        folder.outcomes.set(outcome.id, { outcome: outcome.outcome, durationMs: outcome.durationMs });
        progress.done += 1;
        progress.failed += isFailure(outcome.outcome) ? 1 : 0;
      }
      if (item) {
        if (!report(group.run, item, outcome, folder.hints.get(outcome.id))) {
          quiet.push(heading(outcome));
        }
        if (outcome.subtests && !outcome.willRerun) {
          reportSubtests(group.run, this.tree.subtests(item, outcome.subtests), outcome);
        }
        this.tree.touch(workspace, outcome.id);
      }
    }
    if (quiet.length > 0) {
      group.run.appendOutput(crlf(quiet.join("")));
    }
  }

  #finish(group: Group, end: RunEnd & Notice): void {
    group.run.appendOutput(crlf(summary(end)));
    this.#stopping.delete(end.runId);
    this.#live.delete(end.runId);
    const done = (): void => {
      group.open.delete(end.runId);
      this.#endIfDone(group);
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

  #endIfDone(group: Group): void {
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
    const sum: Progress = { running: 0, done: 0, failed: 0, total: 0, stopping: this.#live.size > 0 };
    for (const [runId, { progress }] of this.#live) {
      sum.running += 1;
      sum.done += progress.done;
      sum.failed += progress.failed;
      sum.total += progress.total;
      sum.stopping &&= this.#stopping.has(runId);
      if (progress.attempt !== undefined) {
        sum.attempt = Math.max(sum.attempt ?? 0, progress.attempt);
      }
    }
    this.#moved.fire(sum.running > 0 ? sum : undefined);
  }
}
