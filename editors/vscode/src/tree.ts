/**
 * The Test Explorer's tree. Folders and files are always there, the tests in a file when a person (or an outcome) needs
 * them; small projects are shown whole. Items are changed in place and never replaced, so that nothing flickers.
 */
import * as vscode from "vscode";

import type { Folder, Folders } from "./folders";
import { type Changes, isOutline } from "./inventory";
import { itemLabel } from "./labels";
import type { CollectError, ItemKind, Subtest, TestItem } from "./protocol";
import { remarks } from "./text";

/** The item of the inventory behind an item of the tree. */
export interface Data {
  /** Its folder's URI. */
  folder: string;
  /** Its id for running it; undefined for the folder itself. */
  id?: string;
  kind: ItemKind | "root" | "subtest" | "broken";
}

/** The most items of a folder that is shown whole: filters then find everything. */
const SMALL = 5_000;

/** The most files that are resolved at a time without a person waiting. */
const CHUNK = 50;

/** The items of one folder. */
interface View {
  folder: Folder;
  /** At the top, below an item of its own, or hidden: then the view shows the problem. */
  shape: "top" | "root" | "hidden";
  root: vscode.TestItem | undefined;
  nodes: Map<string, vscode.TestItem>;
  resolved: Set<string>;
  erroneous: Set<vscode.TestItem>;
  collecting: boolean;
  filling: boolean;
}

/** The tree of all folders. */
export class Tree {
  readonly #data = new WeakMap<vscode.TestItem, Data>();
  readonly #views = new Map<string, View>();
  readonly #tags = new Map<string, vscode.TestTag>();
  readonly #problems = new Map<string, vscode.MarkdownString>();
  #open: readonly vscode.WorkspaceFolder[] = [];

  constructor(
    private readonly controller: vscode.TestController,
    private readonly folders: Folders,
    /** Requests the tests of a file; resolves when they have arrived. */
    private readonly ask: (folder: string, file: string) => Promise<void>,
  ) {}

  /**
   * Shows these folders: a single one directly, several each below an item of its own. Folders that stay are not
   * touched.
   */
  setFolders(folders: readonly vscode.WorkspaceFolder[]): void {
    this.#open = folders;
    const shapeOf = (key: string): View["shape"] =>
      folders.length > 1 ? "root" : this.#problems.has(key) ? "hidden" : "top";
    const keys = new Set(folders.map(({ uri }) => uri.toString()));
    for (const [key, view] of this.#views) {
      if (keys.has(key) && view.shape === shapeOf(key)) {
        continue;
      }
      if (view.shape === "root" && view.root) {
        this.controller.items.delete(view.root.id);
      } else if (view.shape === "top") {
        this.controller.items.replace([]);
      }
      this.#views.delete(key);
    }
    for (const { uri, name } of folders) {
      const key = uri.toString();
      if (!this.#views.has(key)) {
        this.#show(key, shapeOf(key), uri, name);
      }
    }
  }

  #show(key: string, shape: View["shape"], uri: vscode.Uri, name: string): void {
    const folder = this.folders.get(key);
    const root = shape === "top" ? undefined : this.controller.createTestItem(key, name, uri);
    if (root) {
      root.canResolveChildren = true;
      root.error = this.#problems.get(key);
      this.#data.set(root, { folder: key, kind: "root" });
    }
    if (root && shape === "root") {
      this.controller.items.add(root);
    }
    const view = { folder, shape, root, nodes: new Map<string, vscode.TestItem>(), resolved: new Set<string>() };
    this.#views.set(key, { ...view, erroneous: new Set(), collecting: false, filling: false });
    this.apply(key, { upserts: folder.inventory.all(), removed: [], moved: [] });
    this.showErrors(key, folder.errors);
  }

  /**
   * Shows why a folder can't run tests: of several folders at its item, of a single one in the view's welcome.
   */
  setProblem(key: string, problem: vscode.MarkdownString | undefined): void {
    if (this.#problems.get(key)?.value === problem?.value) {
      return;
    }
    if (problem) {
      this.#problems.set(key, problem);
    } else {
      this.#problems.delete(key);
    }
    const root = this.#views.get(key)?.root;
    if (root) {
      root.error = problem;
    }
    this.setFolders(this.#open);
  }

  data(item: vscode.TestItem): Data | undefined {
    return this.#data.get(item);
  }

  /** The number of a folder's items that VS Code knows. */
  shown(folder: string): number {
    return this.#views.get(folder)?.nodes.size ?? 0;
  }

  /** The shown item of an id, if it is shown. */
  peek(folder: string, id: string): vscode.TestItem | undefined {
    return this.#views.get(folder)?.nodes.get(id);
  }

  /** Applies a change of a folder's inventory. */
  apply(key: string, changes: Changes): void {
    const view = this.#views.get(key);
    if (!view) {
      return;
    }
    changes.removed.forEach((id) => this.#detach(view, id));
    for (const item of changes.upserts) {
      const shown = view.nodes.get(item.id);
      if (shown && shown.parent === this.#parent(view, item) && shown.uri?.toString() === asUri(item).toString()) {
        this.#refresh(view, shown, item);
        continue;
      }
      if (shown) {
        this.#detach(view, item.id);
      }
      const isThere = item.parent === undefined || view.nodes.has(item.parent);
      if (isThere && (isOutline(item) || view.resolved.has(item.parent ?? ""))) {
        this.#attach(view, item);
      } else if (item.parent !== undefined) {
        const parent = view.nodes.get(item.parent);
        if (parent && !view.resolved.has(item.parent)) {
          parent.canResolveChildren = true;
        }
      }
    }
    for (const id of changes.moved) {
      const [shown, item] = [view.nodes.get(id), view.folder.inventory.get(id)];
      if (shown && item) {
        this.#refresh(view, shown, item);
      }
    }
    this.#fill(view);
  }

  /** Shows the children of an item; with `deep` those of its children as well. */
  async resolve(item: vscode.TestItem, deep = false): Promise<void> {
    const data = this.#data.get(item);
    const view = data && this.#views.get(data.folder);
    if (!view || data.id === undefined || data.kind === "subtest" || data.kind === "broken") {
      return;
    }
    this.#resolve(view, data.id, item, deep);
    if (data.kind === "file" && !view.folder.inventory.told.has(data.id)) {
      await this.ask(data.folder, data.id);
      this.#resolve(view, data.id, item, deep);
    }
  }

  /** The item of an id, shown with all its parents; undefined if the id is unknown. */
  ensure(key: string, id: string): vscode.TestItem | undefined {
    const view = this.#views.get(key);
    const item = view?.folder.inventory.get(id);
    if (!view || !item) {
      return undefined;
    }
    const shown = view.nodes.get(id);
    if (shown) {
      return shown;
    }
    if (item.parent === undefined) {
      return this.#attach(view, item);
    }
    const parent = this.ensure(key, item.parent);
    if (parent) {
      this.#resolve(view, item.parent, parent, false);
    }
    return view.nodes.get(id);
  }

  /** The item of an id, which is requested if that was not done yet; undefined if the id is unknown. */
  async find(key: string, id: string): Promise<vscode.TestItem | undefined> {
    const file = this.ensure(key, id.split("::")[0] ?? id);
    if (file) {
      await this.resolve(file);
    }
    return this.ensure(key, id);
  }

  /** A document is open: its tests are shown, so that the editor has their icons. */
  async opened(uri: vscode.Uri): Promise<void> {
    const show = async (view: View): Promise<void> => {
      const id = relative(view.folder.uri, uri.toString());
      const item = id === undefined ? undefined : this.ensure(view.folder.uri, id);
      if (item) {
        await this.resolve(item, true);
      }
    };
    await Promise.all(Array.from(this.#views.values(), show));
  }

  /** The file of the tree for a document, by folder and id. */
  fileOf(uri: vscode.Uri): { folder: string; id: string } | undefined {
    for (const { folder, nodes } of this.#views.values()) {
      const id = relative(folder.uri, uri.toString());
      if (id !== undefined && nodes.has(id)) {
        return { folder: folder.uri, id };
      }
    }
    return undefined;
  }

  /** A test's outcome or flakiness has changed. */
  touch(key: string, id: string): void {
    const view = this.#views.get(key);
    const shown = view?.nodes.get(id);
    const item = view?.folder.inventory.get(id);
    if (view && shown && item) {
      this.#describe(view, shown, item);
    }
  }

  /**
   * The outcomes of these tests are older than a change that can reach them: VS Code dims their icons. It can't take that
   * back, so a change that was taken back leaves them dim until they run.
   */
  invalidate(key: string, ids: readonly string[]): void {
    const items = ids.map((id) => this.peek(key, id)).filter((item) => item !== undefined);
    if (items.length > 0) {
      this.controller.invalidateTestResults(items);
    }
  }

  /** Collecting began or ended: meanwhile, files that pytest has not confirmed yet are busy. */
  setCollecting(key: string, collecting: boolean): void {
    const view = this.#views.get(key);
    if (!view || view.collecting === collecting) {
      return;
    }
    view.collecting = collecting;
    if (view.root) {
      view.root.busy = collecting;
    }
    for (const [id, shown] of view.nodes) {
      const item = view.folder.inventory.get(id);
      if (item?.kind === "file") {
        shown.busy = collecting && item.provisional === true;
      }
    }
    this.#fill(view);
  }

  /** Shows which files could not be collected, and why. */
  showErrors(key: string, errors: readonly CollectError[]): void {
    const view = this.#views.get(key);
    if (!view) {
      return;
    }
    const messages = new Map<string, string>();
    for (const error of errors) {
      const before = messages.get(error.uri);
      messages.set(error.uri, before === undefined ? error.message : `${before}\n\n${error.message}`);
    }
    const erroneous = new Set<vscode.TestItem>();
    for (const [uri, message] of messages) {
      const id = relative(key, uri) ?? uri;
      const item = this.ensure(key, id) ?? this.#broken(view, id, uri);
      if (item.error !== message) {
        item.error = message;
      }
      erroneous.add(item);
    }
    for (const item of view.erroneous) {
      if (erroneous.has(item)) {
        continue;
      }
      item.error = undefined;
      const data = this.#data.get(item);
      if (data?.kind === "broken" && view.nodes.get(item.id) === undefined) {
        (item.parent?.children ?? this.#top(view)).delete(item.id);
      }
    }
    view.erroneous = erroneous;
  }

  /** The subtests of a test, as they appear. */
  subtests(test: vscode.TestItem, subtests: readonly Subtest[]): vscode.TestItem[] {
    const data = this.#data.get(test);
    if (!data) {
      return [];
    }
    return subtests.map(({ label }, index) => {
      const id = `${test.id} » ${index} ${label}`;
      let item = test.children.get(id);
      if (!item) {
        item = this.controller.createTestItem(id, label, test.uri);
        item.range = test.range;
        item.sortText = String(index).padStart(6, "0");
        this.#data.set(item, { ...data, kind: "subtest" });
        test.children.add(item);
      }
      return item;
    });
  }

  #top(view: View): vscode.TestItemCollection {
    return view.root?.children ?? this.controller.items;
  }

  #parent(view: View, item: TestItem): vscode.TestItem | undefined {
    return item.parent === undefined ? view.root : view.nodes.get(item.parent);
  }

  #resolve(view: View, id: string, shown: vscode.TestItem, deep: boolean): void {
    if (!view.resolved.has(id)) {
      view.resolved.add(id);
      for (const child of view.folder.inventory.children(id)) {
        if (!view.nodes.has(child.id)) {
          this.#attach(view, child);
        }
      }
    }
    shown.canResolveChildren = this.#data.get(shown)?.kind === "file" && !view.folder.inventory.told.has(id);
    if (deep) {
      for (const child of view.folder.inventory.children(id)) {
        const item = view.nodes.get(child.id);
        if (item) {
          this.#resolve(view, child.id, item, true);
        }
      }
    }
  }

  #attach(view: View, item: TestItem): vscode.TestItem {
    const shown = this.controller.createTestItem(item.id, item.label, asUri(item));
    this.#data.set(shown, { folder: view.folder.uri, id: item.id, kind: item.kind });
    view.nodes.set(item.id, shown);
    shown.canResolveChildren = view.folder.inventory.mayHaveChildren(item.id);
    this.#refresh(view, shown, item);
    (this.#parent(view, item)?.children ?? this.#top(view)).add(shown);
    // A folder may arrive, or come back, after its children.
    for (const child of view.folder.inventory.children(item.id)) {
      if (isOutline(child) && !view.nodes.has(child.id)) {
        this.#attach(view, child);
      }
    }
    return shown;
  }

  #detach(view: View, id: string): void {
    const shown = view.nodes.get(id);
    if (!shown) {
      return;
    }
    (shown.parent?.children ?? this.#top(view)).delete(shown.id);
    const forget = (item: vscode.TestItem): void => {
      item.children.forEach(forget);
      view.nodes.delete(item.id);
      view.resolved.delete(item.id);
    };
    forget(shown);
  }

  /** Updates the shown items; does not touch equal ones. */
  #refresh(view: View, shown: vscode.TestItem, item: TestItem): void {
    const range = item.range && asRange(item.range);
    // Sets equal ranges, too: VS Code moves icons with the text, and moves them back only when the range is set.
    if (range ? !shown.range?.isEqual(range) || this.#isOpen(item.uri) : shown.range) {
      shown.range = range;
    }
    const place = sortText(item, view.folder.inventory.order(item.id));
    if (shown.sortText !== place) {
      shown.sortText = place;
    }
    const busy = view.collecting && item.kind === "file" && item.provisional === true;
    if (shown.busy !== busy) {
      shown.busy = busy;
    }
    this.#describe(view, shown, item);
  }

  #describe(view: View, shown: vscode.TestItem, item: TestItem): void {
    const hint = view.folder.hints.get(item.id);
    const label = itemLabel(item, remarks(view.folder.outcomes.get(item.id), hint, item.caseCount));
    if (shown.label !== label) {
      shown.label = label;
    }
    const names = [...item.markers];
    for (const [name, holds] of [
      ["skip", item.skip],
      ["xfail", item.xfail],
      ["flaky", hint?.isFlaky === true],
    ] as const) {
      if (holds && !names.includes(name)) {
        names.push(name);
      }
    }
    if (shown.tags.map((tag) => tag.id).join("\n") !== names.join("\n")) {
      shown.tags = names.map((name) => this.#tag(name));
    }
  }

  #isOpen(uri: string): boolean {
    return vscode.workspace.textDocuments.some((document) => document.uri.toString() === uri);
  }

  #tag(name: string): vscode.TestTag {
    let tag = this.#tags.get(name);
    if (!tag) {
      tag = new vscode.TestTag(name);
      this.#tags.set(name, tag);
    }
    return tag;
  }

  /** A file that was never collected is no item of the inventory. */
  #broken(view: View, id: string, uri: string): vscode.TestItem {
    let parent = view.root;
    for (let end = id.indexOf("/"); end >= 0; end = id.indexOf("/", end + 1)) {
      parent = view.nodes.get(id.slice(0, end)) ?? parent;
    }
    const around = parent?.children ?? this.controller.items;
    const known = around.get(id);
    if (known) {
      return known;
    }
    const item = this.controller.createTestItem(id, id.slice(id.lastIndexOf("/") + 1), vscode.Uri.parse(uri));
    item.sortText = `1${item.label}`;
    this.#data.set(item, { folder: view.folder.uri, id, kind: "broken" });
    around.add(item);
    return item;
  }

  /** Shows a small folder whole, piece by piece. */
  #fill(view: View): void {
    if (view.filling || view.collecting || view.folder.inventory.size > SMALL) {
      return;
    }
    view.filling = true;
    setImmediate(() => {
      view.filling = false;
      if (view.folder.inventory.size > SMALL || this.#views.get(view.folder.uri) !== view) {
        return;
      }
      const { told } = view.folder.inventory;
      const isKnown = (id: string, item: vscode.TestItem): boolean =>
        this.#data.get(item)?.kind !== "file" || told.has(id);
      const open = Array.from(view.nodes).filter(
        ([id, item]) => !view.resolved.has(id) && item.canResolveChildren && isKnown(id, item),
      );
      for (const [id, item] of open.slice(0, CHUNK)) {
        this.#resolve(view, id, item, true);
      }
      if (open.length > CHUNK) {
        this.#fill(view);
      }
    });
  }
}

/** Source order where positions do not decide it: folders before files, cases as they arrive. */
function sortText(item: TestItem, order: number): string {
  switch (item.kind) {
    case "dir":
      return `0${item.label}`;
    case "file":
      return `1${item.label}`;
    default:
      return `2${String(item.kind === "case" ? 0 : (item.range?.start.line ?? 0)).padStart(7, "0")}${String(order).padStart(9, "0")}`;
  }
}

function asUri(item: TestItem): vscode.Uri {
  return vscode.Uri.parse(item.uri);
}

export function asRange(range: { start: vscode.Position | Point; end: vscode.Position | Point }): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}

interface Point {
  line: number;
  character: number;
}

/** A file's path relative to its folder, as node ids have it. */
function relative(folder: string, uri: string): string | undefined {
  const prefix = folder.endsWith("/") ? folder : `${folder}/`;
  const path = (text: string): string => vscode.Uri.parse(text).path;
  return path(uri).startsWith(path(prefix)) ? path(uri).slice(path(prefix).length) : undefined;
}
