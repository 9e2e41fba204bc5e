/**
 * Connects the parts: the server's notifications go to the inventory, the tree, the runs and the views, and a folder
 * that missed some is read again.
 */
import * as vscode from "vscode";

import { Client, type Host } from "./client";
import { hasToDoWithPytest, SIGNS } from "./configuration";
import { setState, type WelcomeState } from "./context";
import { openFolders } from "./enabled";
import { type Folder, Folders } from "./folders";
import { Interpreter } from "./interpreter";
import { log, type Loudness, relay, sentence, tell } from "./log";
import { plain, summary } from "./print";
import { isEnvironment, type Problem, problemOf, wayOut } from "./problems";
import type { Notifications, RunOnSave, TestItem } from "./protocol";
import { Following } from "./pythonSettings";
import type { FolderStatus } from "./requests";
import { Resolver } from "./resolver";
import { type RunEvent, Runs } from "./runs";
import { type FolderSettings, folderSettings } from "./settings";
import { restoreIcons } from "./restoreIcons";
import { modeWords } from "./text";
import { Tree } from "./tree";

/** Everything that lives as long as the extension is active. */
export class Session implements Host, vscode.Disposable {
  readonly folders = new Folders();
  readonly tree: Tree;
  readonly runs: Runs;
  readonly client: Client;
  readonly interpreter: Interpreter;
  readonly #following: Following;
  readonly #resolver: Resolver;
  readonly #hinted = new vscode.EventEmitter<void>();
  readonly #collected = new vscode.EventEmitter<string>();
  readonly #syncs = new Map<string, Promise<void>>();
  /** The tests that a save runs while continuous run is on. */
  readonly #onSave = new Map<string, RunOnSave>();
  readonly #states = new vscode.EventEmitter<void>();
  /** The reasons why folders can't run tests. */
  readonly problems = new Map<string, Problem>();
  /** The documents that the server knows as open. */
  #opened: readonly vscode.WorkspaceFolder[] = [];
  #collecting: Promise<void> = Promise.resolve();
  /** How many times pytest has sent tests of a folder: shows whether an answer is outdated. */
  readonly #heard = new Map<string, number>();
  /** How each folder's tests run, as far as is known. */
  readonly status = new Map<string, FolderStatus>();
  /** Fires when flakiness changed. */
  readonly onDidHint = this.#hinted.event;
  /** Fires when the tests of a folder are complete. */
  readonly onDidCollect = this.#collected.event;
  readonly onDidChangeState = this.#states.event;
  /** The reason for an empty tree. */
  state: WelcomeState = "starting";
  #wasRunning = false;

  constructor(
    context: vscode.ExtensionContext,
    readonly controller: vscode.TestController,
  ) {
    this.interpreter = new Interpreter(context.workspaceState);
    this.#following = new Following(context.workspaceState, () => void this.client.settingsChanged());
    this.client = new Client(context, this);
    this.#resolver = new Resolver(this.client, this.folders);
    this.tree = new Tree(controller, this.folders, (folder, file) => this.#resolver.ask(folder, file));
    this.runs = new Runs(controller, this.tree, this.folders, this.client);
    this.#opened = openFolders();
    this.tree.setFolders(this.#opened);
    controller.resolveHandler = (item) => item && this.tree.resolve(item);
    controller.refreshHandler = () => this.collect(true);
    context.subscriptions.push(
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.#foldersChanged()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.#trusted()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("pytestLens.enable")) {
          this.#foldersChanged();
        }
        if (event.affectsConfiguration("pytestLens.diagnostics")) {
          this.client.showDiagnostics();
        }
        if (event.affectsConfiguration("pytestLens")) {
          this.#settingsChanged();
        }
      }),
      vscode.workspace.onDidOpenTextDocument(({ uri }) => void this.tree.opened(uri)),
      vscode.extensions.onDidChange(() => void this.#followLate()),
      this.runs.onDidFinish((end) => {
        log.info(`run of ${nameOf(end.workspace)}: ${plain(summary(end)).trim()}`);
        void this.#askStatus();
      }),
      this.interpreter.onDidChange(() => this.#settingsChanged()),
      this.#following.watch(),
      this.#watchForSigns(),
      restoreIcons(this.client, this.tree),
    );
  }

  /** A folder that did not use pytest gets its first test. */
  #watchForSigns(): vscode.Disposable {
    const watcher = vscode.workspace.createFileSystemWatcher(SIGNS, false, false, true);
    const judge = (): unknown => this.problems.size > 0 && this.#judge().catch(tell);
    watcher.onDidCreate(judge);
    watcher.onDidChange(judge);
    return watcher;
  }

  /** The server requests the settings; tests that could not be collected may be collected now. */
  #settingsChanged(): void {
    void this.client.settingsChanged().then(() => (this.problems.size > 0 ? this.collect(false) : undefined));
  }

  async start(): Promise<void> {
    this.#setState("starting");
    await this.interpreter.follow();
    try {
      await this.client.start();
      void this.#following.offer().catch(tell);
    } catch (error) {
      this.#setState("noServer");
      tell(
        `the server could not be started: ${sentence(error)}. Set pytestLens.serverPath to the pytest-lens binary, or ` +
          "reinstall the extension.",
      );
    }
  }

  /** The Python extension may have been installed just now. */
  async #followLate(): Promise<void> {
    if (await this.interpreter.follow()) {
      this.#settingsChanged();
      this.#following.offer().catch(tell);
    }
  }

  settings(folder: vscode.WorkspaceFolder | undefined): unknown {
    const runOnSave = folder && this.#onSave.get(folder.uri.toString());
    return this.#settings(folder, runOnSave);
  }

  #settings(folder: vscode.WorkspaceFolder | undefined, runOnSave?: RunOnSave): FolderSettings {
    const pythonPath = this.interpreter.of(folder);
    return folderSettings(folder, { pythonPath, ...this.#following.of(folder), ...(runOnSave && { runOnSave }) });
  }

  /** The command line of pytest itself in a folder. */
  testSettings(folder: vscode.WorkspaceFolder): { arguments: string[]; env: Record<string, string> } {
    const { defaults, arguments: own = defaults.arguments ?? [], env } = this.#settings(folder);
    return { arguments: own, env: { ...defaults.env, ...env } };
  }

  said(loudness: Loudness, text: string): void {
    this.#hear(loudness, text).catch(tell);
  }

  /** A problem that prevents all tests is shown in the view; other errors are messages. */
  async #hear(loudness: Loudness, text: string): Promise<void> {
    if (loudness === "error" && (await this.#isEnvironment(text))) {
      log.info(text);
      return;
    }
    relay(loudness, text);
  }

  async #isEnvironment(text: string): Promise<boolean> {
    await this.#collecting;
    const known = (): boolean => [...this.problems.values()].some((each) => isEnvironment(each) && each.text === text);
    if (known()) {
      return true;
    }
    for (const { uri } of openFolders()) {
      const workspace = uri.toString();
      try {
        await this.client.execute("pytestLens.status", { workspace });
      } catch (error) {
        this.#note(workspace, problemOf(error));
      }
    }
    if (known()) {
      await this.#judge();
      return true;
    }
    return false;
  }

  /** Lets a save run tests of a folder regardless of its settings, or ends that. */
  setRunOnSave(folder: string, mode: RunOnSave | undefined): void {
    if (mode) {
      this.#onSave.set(folder, mode);
    } else {
      this.#onSave.delete(folder);
    }
    void this.client.settingsChanged();
  }

  running(): void {
    log.info("the server runs");
    for (const folder of this.folders.all()) {
      folder.newServer();
    }
    void this.client.catchUp();
    // Folders may have been added or removed while the server started.
    this.#opened = this.client.told;
    void this.#tellFolders();
    if (this.#wasRunning) {
      for (const { uri } of this.folders.all()) {
        void this.#resolver.again(uri);
      }
    }
    // The tree survives a restart; items that are gone are removed when all has been read again.
    void this.collect(false, this.#wasRunning);
    this.#wasRunning = true;
  }

  gone(): void {
    this.runs.serverGone();
    this.#resolver.stopWaiting();
  }

  gaveUp(): void {
    this.#setState("noServer");
    const text = "pytest-lens: the server ended again and again, and is not started any more.";
    log.error(text);
    void vscode.window.showErrorMessage(text, "Start It Again", "Show Log").then((choice) => {
      if (choice === "Show Log") {
        log.show();
      } else if (choice) {
        this.client.restart().catch(tell);
      }
    });
  }

  /** Updates the tests of all folders; shows the result if the tree is empty. */
  async collect(force: boolean, reread = false): Promise<void> {
    const next = this.#collecting.then(() => this.#collectAll(force, reread));
    this.#collecting = next.catch(() => undefined);
    await next;
  }

  async #collectAll(force: boolean, reread: boolean): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      this.#setState("untrusted");
      return;
    }
    if (this.state !== "ready" && this.problems.size === 0) {
      this.#setState("starting");
    }
    const all = openFolders().map(({ uri }) => uri.toString());
    const found = await Promise.all(all.map((folder) => this.#collectFolder(folder, force, reread)));
    await this.#judge(found.some((count) => count));
    await this.#askStatus();
  }

  /** Shows the state in the view and its welcome. */
  async #judge(hasTests = false): Promise<void> {
    const all = openFolders().filter((folder) => this.problems.has(folder.uri.toString()));
    const wanting = await Promise.all(
      all.map(async (folder) => ((await this.#wantsTests(folder)) ? folder : undefined)),
    );
    for (const folder of openFolders()) {
      const problem = this.problems.get(folder.uri.toString());
      const shown = problem && isEnvironment(problem) && wanting.includes(folder) ? wayOut(problem) : undefined;
      this.tree.setProblem(folder.uri.toString(), shown);
    }
    const [first] = wanting.filter((folder) => folder !== undefined);
    const problem = first && this.problems.get(first.uri.toString());
    // Tests may have arrived in the meantime.
    hasTests ||= Array.from(this.folders.all()).some(isConfirmed);
    if (hasTests && (openFolders().length > 1 || !problem)) {
      this.#setState("ready");
    } else if (problem) {
      this.#setState(isEnvironment(problem) ? (problem.lacks ?? "noPython") : "failed");
    } else {
      // Nothing is shown for a folder that does not use pytest.
      this.#setState(all.length > 0 ? "idle" : "empty");
    }
  }

  /** Whether a folder uses pytest: tests in its sources, or configuration. */
  async #wantsTests(folder: vscode.WorkspaceFolder): Promise<boolean> {
    const { inventory, errors } = this.folders.get(folder.uri.toString());
    return inventory.size > 0 || errors.length > 0 || hasToDoWithPytest(folder);
  }

  /** Whether a folder can't run tests, and nobody expects it to. */
  isIdle(workspace: string): boolean {
    const problem = this.problems.get(workspace);
    return problem !== undefined && isEnvironment(problem) && this.folders.get(workspace).inventory.size === 0;
  }

  #note(workspace: string, problem: Problem | undefined): void {
    if (problem) {
      this.problems.set(workspace, problem);
    } else {
      this.problems.delete(workspace);
    }
  }

  async #collectFolder(workspace: string, force: boolean, reread: boolean): Promise<number | undefined> {
    this.tree.setCollecting(workspace, true);
    const heard = this.#heard.get(workspace);
    try {
      const { nodeCount } = await this.client.execute("pytestLens.collect", { force, workspace });
      this.#note(workspace, undefined);
      log.info(`${nameOf(workspace)}: ${nodeCount} ${nodeCount === 1 ? "test" : "tests"}`);
      if (reread) {
        await this.#resync(workspace);
      }
      this.#collected.fire(workspace);
      return nodeCount;
    } catch (error) {
      log.info(`${nameOf(workspace)}: ${sentence(error)}`);
      // The error is outdated if settings or trust changed, or pytest has sent tests since.
      if (this.#heard.get(workspace) === heard) {
        this.#note(workspace, problemOf(error));
      }
      return undefined;
    } finally {
      this.tree.setCollecting(workspace, false);
    }
  }

  take<M extends keyof Notifications>(method: M, params: Notifications[M]): void {
    const folder = this.folders.get(params.workspace);
    if (!folder.inSequence(params.seq)) {
      log.warn(`notifications of ${params.workspace} were missed: its tests are read again`);
      void this.#resync(params.workspace);
    }
    const event = { method, params } as RunEvent | Inventory | Flakiness | Staleness;
    switch (event.method) {
      case "pytestLens/inventory": {
        const changes = folder.inventory.apply(event.params);
        const gone = changes.removed;
        folder.mark(
          changes.upserts.map((item) => item.id),
          gone,
        );
        this.tree.apply(folder.uri, changes);
        this.#resolver.told(folder.uri, event.params.wholeFiles ?? []);
        this.#showOpenDocuments(changes.upserts);
        if (changes.upserts.some((item) => item.kind !== "dir" && !item.provisional)) {
          this.#confirmed(folder.uri);
        }
        folder.errors = event.params.errors;
        this.tree.showErrors(folder.uri, folder.errors);
        break;
      }
      case "pytestLens/flakinessHint":
        for (const hint of event.params.hints) {
          folder.hints.set(hint.id, hint);
          this.tree.touch(folder.uri, hint.id);
        }
        this.#hinted.fire();
        break;
      case "pytestLens/staleOutcomes":
        this.tree.invalidate(folder.uri, event.params.stale);
        break;
      default:
        if (event.method === "pytestLens/testStarted") {
          // Running tests prove that the problem is over.
          this.#confirmed(folder.uri);
        }
        this.runs.take(event);
    }
  }

  /** Files that are new in the tree may be open already. */
  #showOpenDocuments(items: readonly TestItem[]): void {
    const files = new Set(items.filter(({ kind }) => kind === "file").map(({ uri }) => uri));
    for (const { uri } of vscode.workspace.textDocuments) {
      if (files.has(uri.toString())) {
        void this.tree.opened(uri);
      }
    }
  }

  /** Reads the known part of a folder's inventory again: one read after the other. */
  #resync(workspace: string): Promise<void> {
    const next = (this.#syncs.get(workspace) ?? Promise.resolve()).then(() => this.#read(workspace));
    this.#syncs.set(workspace, next);
    return next;
  }

  /** Reads folders and files, removes those that are gone, and requests the tests of known files again. */
  async #read(workspace: string): Promise<void> {
    const folder = this.folders.get(workspace);
    folder.beginSync();
    try {
      let cursor: string | undefined;
      do {
        const ask = { workspace, outline: true, ...(cursor && { cursor }) };
        const page = await this.client.execute("pytestLens.tests", ask);
        this.tree.apply(workspace, folder.inventory.apply({ upserts: page.items, removed: [] }));
        folder.mark(
          page.items.map((item) => item.id),
          [],
        );
        cursor = page.next;
      } while (cursor !== undefined);
      this.tree.apply(workspace, folder.inventory.apply({ upserts: [], removed: folder.endSync() }));
      this.#resolver.stopWaiting(workspace);
      await this.#resolver.again(workspace);
    } catch (error) {
      folder.endSync();
      log.warn(`the tests of ${workspace} could not be read again: ${sentence(error)}`);
    }
  }

  /** pytest has sent tests: any problem of the folder is over. */
  #confirmed(workspace: string): void {
    this.#heard.set(workspace, (this.#heard.get(workspace) ?? 0) + 1);
    const problem = this.problems.get(workspace);
    if (problem && isEnvironment(problem)) {
      this.#note(workspace, undefined);
      this.tree.setProblem(workspace, undefined);
    }
    if (this.state !== "ready" && !this.problems.has(workspace)) {
      this.#setState("ready");
    }
  }

  /** Folders were added, removed or switched. */
  #foldersChanged(): void {
    void this.#tellFolders().then(() => this.collect(false));
  }

  /** Shows the present folders, and reports added and removed ones to the server. */
  #tellFolders(): Promise<void> {
    const now = openFolders();
    const isIn = (all: readonly vscode.WorkspaceFolder[], { uri }: vscode.WorkspaceFolder): boolean =>
      all.some((other) => other.uri.toString() === uri.toString());
    const added = now.filter((folder) => !isIn(this.#opened, folder));
    const removed = this.#opened.filter((folder) => !isIn(now, folder));
    this.#opened = now;
    for (const { uri } of removed) {
      this.folders.delete(uri.toString());
      this.status.delete(uri.toString());
      this.problems.delete(uri.toString());
    }
    this.tree.setFolders(now);
    return this.client.foldersChanged(added, removed);
  }

  async #trusted(): Promise<void> {
    await this.interpreter.follow();
    await this.client.trustChanged();
    // A server that is still starting receives them then, and is asked for its tests.
    if (this.client.isRunning) {
      await this.collect(false);
      await this.#following.offer();
    }
  }

  async #askStatus(): Promise<void> {
    try {
      const { folders } = await this.client.execute("pytestLens.status", {});
      for (const status of folders) {
        const { workspace, pythonPath, pythonVersion, pytestVersion, mode, modeReason } = status;
        const before = this.status.get(workspace);
        if (before?.pythonPath !== pythonPath || before.mode !== mode || before.pytestVersion !== pytestVersion) {
          const how = `${modeWords(mode)} (${modeReason})`;
          log.info(`${nameOf(workspace)}: Python ${pythonVersion} (${pythonPath}), pytest ${pytestVersion}. ${how}`);
        }
        this.status.set(workspace, status);
      }
      this.#hinted.fire();
    } catch (error) {
      log.debug(`status: ${sentence(error)}`);
    }
  }

  #setState(state: WelcomeState): void {
    this.state = state;
    setState(state);
    this.#states.fire();
  }

  async stop(): Promise<void> {
    await this.client.stop();
  }

  dispose(): void {
    this.runs.dispose();
    this.client.dispose();
    vscode.Disposable.from(this.interpreter, this.#hinted, this.#collected, this.#states).dispose();
  }
}

function isConfirmed({ inventory }: Folder): boolean {
  return inventory.all().some((item) => item.kind !== "dir" && !item.provisional);
}

/** A folder's name for users. */
function nameOf(workspace: string): string {
  return vscode.workspace.getWorkspaceFolder(vscode.Uri.parse(workspace))?.name ?? workspace;
}

interface Inventory {
  method: "pytestLens/inventory";
  params: Notifications["pytestLens/inventory"];
}

interface Staleness {
  method: "pytestLens/staleOutcomes";
  params: Notifications["pytestLens/staleOutcomes"];
}

interface Flakiness {
  method: "pytestLens/flakinessHint";
  params: Notifications["pytestLens/flakinessHint"];
}
