/**
 * The inventory of one folder: a pure fold over the server's deltas, free of VS Code. The tree asks it for the children
 * of items that a person opens, and for nothing else.
 */
import type { InventoryDelta, TestItem } from "./protocol";

/** The change that a delta makes. */
export interface Changes {
  /** New and changed items, parents before children. */
  upserts: TestItem[];
  /** Removed ids, each with all items below it. */
  removed: string[];
  /** Ids whose place among their siblings may have changed. */
  moved: string[];
}

/** The parts of a delta that are read. */
export type Delta = Pick<InventoryDelta, "upserts" | "removed" | "order" | "wholeFiles">;

export function isOutline(item: TestItem): boolean {
  return item.kind === "dir" || item.kind === "file";
}

const TOP = "";

/** Every item of a folder, and its parent. */
export class Inventory {
  readonly #items = new Map<string, TestItem>();
  readonly #children = new Map<string, Set<string>>();
  readonly #order = new Map<string, number>();
  readonly #told = new Set<string>();
  #next = 0;

  get size(): number {
    return this.#items.size;
  }

  get(id: string): TestItem | undefined {
    return this.#items.get(id);
  }

  /** Every item, parents before children. */
  all(): TestItem[] {
    return Array.from(this.#items.values());
  }

  ids(): IterableIterator<string> {
    return this.#items.keys();
  }

  /** Files whose tests the server has sent. */
  get told(): ReadonlySet<string> {
    return this.#told;
  }

  /** The number of the item among its siblings: they arrive in source order, or with an order. */
  order(id: string): number {
    return this.#order.get(id) ?? 0;
  }

  /** The children of an item, or of the folder itself. */
  children(parent?: string): TestItem[] {
    const ids = this.#children.get(parent ?? TOP) ?? [];
    return Array.from(ids, (id) => this.#items.get(id)).filter((item) => item !== undefined);
  }

  /** Whether an item has children, as far as is known; a file whose tests were not requested counts as one that has. */
  mayHaveChildren(id: string): boolean {
    const unasked = this.#items.get(id)?.kind === "file" && !this.#told.has(id);
    return unasked || (this.#children.get(id)?.size ?? 0) > 0;
  }

  apply(delta: Delta): Changes {
    const removed = delta.removed.filter((id) => this.#items.has(id));
    const present = new Set(delta.upserts.map(({ id }) => id));
    for (const file of delta.wholeFiles ?? []) {
      this.#told.add(file);
      removed.push(...this.#without(file, present));
    }
    for (const id of removed) {
      this.#remove(id);
    }
    for (const item of delta.upserts) {
      const old = this.#items.get(item.id);
      if (old && old.parent !== item.parent) {
        this.#children.get(old.parent ?? TOP)?.delete(item.id);
      }
      this.#items.set(item.id, item);
      this.#order.set(item.id, this.#order.get(item.id) ?? this.#next++);
      const siblings = this.#children.get(item.parent ?? TOP);
      if (siblings) {
        siblings.add(item.id);
      } else {
        this.#children.set(item.parent ?? TOP, new Set([item.id]));
      }
    }
    // A file that arrives whole arrives in order.
    const families = new Map<string, string[]>();
    for (const { id, parent = TOP } of delta.wholeFiles ? delta.upserts : []) {
      const family = families.get(parent);
      if (family) {
        family.push(id);
      } else {
        families.set(parent, [id]);
      }
    }
    for (const { parent, ids } of delta.order ?? []) {
      families.set(parent, ids);
    }
    const moved = Array.from(families, ([parent, ids]) => this.#arrange(parent, ids)).flat();
    return { upserts: delta.upserts, removed, moved };
  }

  /** The outermost items in an item that are not among some. */
  #without(id: string, present: ReadonlySet<string>): string[] {
    const children = Array.from(this.#children.get(id) ?? []);
    return children.flatMap((child) => (present.has(child) ? this.#without(child, present) : [child]));
  }

  /** Sorts children; those that are not named come last. */
  #arrange(parent: string, ids: readonly string[]): string[] {
    const children = this.#children.get(parent);
    if (!children) {
      return [];
    }
    const named = ids.filter((id) => children.has(id));
    const ordered = new Set([...named, ...children]);
    this.#children.set(parent, ordered);
    Array.from(ordered).forEach((id, place) => this.#order.set(id, place));
    return Array.from(ordered);
  }

  /** The ids to run for these items without those: an item stands for all within it, unless one of them is left out. */
  select(included: Iterable<string>, excluded: ReadonlySet<string>): string[] {
    const spoiled = new Set<string>();
    for (const id of excluded) {
      for (let at = this.#items.get(id)?.parent; at !== undefined; at = this.#items.get(at)?.parent) {
        spoiled.add(at);
      }
    }
    const found: string[] = [];
    const visit = (id: string): void => {
      if (excluded.has(id)) {
        return;
      }
      if (spoiled.has(id)) {
        this.children(id).forEach((child) => visit(child.id));
      } else {
        found.push(id);
      }
    };
    for (const id of included) {
      visit(id);
    }
    return found;
  }

  #remove(id: string): void {
    const item = this.#items.get(id);
    for (const child of [...(this.#children.get(id) ?? [])]) {
      this.#remove(child);
    }
    this.#children.delete(id);
    this.#items.delete(id);
    this.#order.delete(id);
    this.#told.delete(id);
    this.#children.get(item?.parent ?? TOP)?.delete(id);
  }
}
