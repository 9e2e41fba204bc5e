/** How tests and runs are named for a reader, and for a listener: free of VS Code. */
import type { TestItem } from "./protocol";

/** What of an item makes its name. */
type Named = Pick<TestItem, "id" | "kind" | "label" | "parent">;

/** What pytest escaped in the id of a case, as it reads: `caf\xe9` is `café`. Signs that can't be shown stay escaped. */
export function decoded(text: string): string {
  return text.replace(
    /\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))/g,
    (all, slash: string | undefined, ...codes: (string | undefined)[]) => {
      if (slash !== undefined) {
        return slash;
      }
      const code = parseInt(codes.slice(0, 3).find((each) => each !== undefined) ?? "", 16);
      const isShown = code >= 0xa0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
      return isShown ? String.fromCodePoint(code) : all;
    },
  );
}

/** An item's name: of a case with that of its test, since alone it may be no more than `1`. */
export function itemName({ kind, label, parent }: Named): string {
  if (kind !== "case") {
    return label;
  }
  const test = parent?.split("::").at(-1) ?? "";
  return `${test}[${decoded(label)}]`;
}

/**
 * An item's label: its name and what there is to say of it. In one text, as VS Code has a screen reader read the
 * description of an item instead of its label.
 */
export function itemLabel(item: Named, remarks: string): string {
  return remarks ? `${itemName(item)} · ${remarks}` : itemName(item);
}

/** What a run is of. */
export interface RunOf {
  /** Names of what was asked for; none for everything. */
  names?: readonly string[];
  /** The number of tests, where more run than are named. */
  total?: number;
  /** The profile, where it is not the usual one. */
  profile?: string | undefined;
  /** What narrows a run of everything. */
  filter?: string;
  /** It repeats by itself. */
  onSave?: boolean;
}

/** The name of a run: what it is of. */
export function runName({ names, total, profile, filter, onSave }: RunOf): string {
  let what = "All tests";
  if (names && names.length > 0) {
    const [first = ""] = names;
    what = names.length === 1 ? first : names.length <= 3 ? names.join(", ") : `${first} and ${names.length - 1} more`;
  } else if (total !== undefined) {
    what = total === 1 ? "1 test" : `${total} tests`;
  } else if (filter) {
    what = `All tests, ${filter}`;
  }
  return `${profile && profile !== "Run" ? `${profile}: ` : ""}${what}${onSave ? " (on save)" : ""}`;
}
