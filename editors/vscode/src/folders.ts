/**
 * What is known of each folder: its inventory, last outcomes, flakiness and errors. Reduced from the notifications;
 * the tree and the views read it.
 */
import { Inventory, isOutline } from "./inventory";
import type { CollectError, Hint } from "./protocol";

/** A test's last outcome. */
export interface LastOutcome {
  outcome: string;
  durationMs: number;
}

/** One folder. */
export class Folder {
  readonly inventory = new Inventory();
  readonly outcomes = new Map<string, LastOutcome>();
  readonly hints = new Map<string, Hint>();
  errors: CollectError[] = [];
  /** The number of the notification that comes next. */
  #expected = 1;
  /** Ids that came or went while folders and files are read anew. */
  #marks: Map<string, boolean> | undefined;

  constructor(readonly uri: string) {}

  /** Takes a notification's number; false where some were missed. */
  inSequence(seq: number): boolean {
    const good = seq === this.#expected;
    this.#expected = seq + 1;
    return good;
  }

  /** A new server counts from 1; what is known is kept until it says otherwise. */
  newServer(): void {
    this.#expected = 1;
  }

  /** Folders and files are about to be read anew. */
  beginSync(): void {
    this.#marks = new Map();
  }

  /** Ids that came or went, for a synchronisation under way. */
  mark(present: Iterable<string>, gone: Iterable<string>): void {
    for (const id of gone) {
      this.#marks?.set(id, false);
    }
    for (const id of present) {
      this.#marks?.set(id, true);
    }
  }

  /** They were read: returns the ids of those that nobody named. */
  endSync(): string[] {
    const marks = this.#marks;
    this.#marks = undefined;
    if (!marks) {
      return [];
    }
    const outline = this.inventory.all().filter(isOutline);
    return outline.map(({ id }) => id).filter((id) => marks.get(id) !== true);
  }
}

/** Every folder, by the URI that the server names it with. */
export class Folders {
  readonly #all = new Map<string, Folder>();

  get(uri: string): Folder {
    let folder = this.#all.get(uri);
    if (!folder) {
      folder = new Folder(uri);
      this.#all.set(uri, folder);
    }
    return folder;
  }

  has(uri: string): boolean {
    return this.#all.has(uri);
  }

  delete(uri: string): void {
    this.#all.delete(uri);
  }

  all(): IterableIterator<Folder> {
    return this.#all.values();
  }
}
