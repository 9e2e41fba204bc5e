/**
 * The state of each folder: its inventory, last outcomes, flakiness and errors. Reduced from the notifications; the
 * tree and the views read it.
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
  /** The number of the next notification. */
  #expected = 1;
  /** Ids that came or went while folders and files are read again. */
  #marks: Map<string, boolean> | undefined;

  constructor(readonly uri: string) {}

  /** Records a notification's number; false if some were missed. */
  inSequence(seq: number): boolean {
    const good = seq === this.#expected;
    this.#expected = seq + 1;
    return good;
  }

  /** A new server counts from 1; the state is kept until the server changes it. */
  newServer(): void {
    this.#expected = 1;
  }

  /** Folders and files are about to be read again. */
  beginSync(): void {
    this.#marks = new Map();
  }

  /** Adds ids that came or went to a read in progress. */
  mark(present: Iterable<string>, gone: Iterable<string>): void {
    for (const id of gone) {
      this.#marks?.set(id, false);
    }
    for (const id of present) {
      this.#marks?.set(id, true);
    }
  }

  /** The read is over: returns the ids that the server did not name. */
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

/** Every folder, by the server's URI for it. */
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
