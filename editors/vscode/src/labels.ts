/** Names of tests and runs, for sighted users and for screen readers. Free of VS Code. */
import type { TestItem } from "./protocol";

/** The parts of an item that make its name. */
type Named = Pick<TestItem, "id" | "kind" | "label" | "parent">;

/**
 * Decodes the escapes that pytest puts into the id of a case: `caf\xe9` is `café`. Characters that can't be shown stay
 * escaped.
 */
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

/** An item's name: for a case with that of its test, because it may be no more than `1`. */
export function itemName({ kind, label, parent }: Named): string {
  if (kind !== "case") {
    return label;
  }
  const test = parent?.split("::").at(-1) ?? "";
  return `${test}[${decoded(label)}]`;
}

/**
 * An item's label: its name and remarks. It is one text, because VS Code has a screen reader read the description of an
 * item instead of its label.
 */
export function itemLabel(item: Named, remarks: string): string {
  return remarks ? `${itemName(item)} · ${remarks}` : itemName(item);
}

/** The subject of a run. */
export interface RunOf {
  /** Names of the requested tests; none for all. */
  names?: readonly string[];
  /** The number of tests, if more run than are named. */
  total?: number;
  /** The profile, if it is not the usual one. */
  profile?: string | undefined;
  /** The filter of a run of all tests. */
  filter?: string;
  /** The run repeats by itself. */
  onSave?: boolean;
}

/** The name of a run. */
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
