/** A command line as a person types it. */

/** The words of a command line, with quotes as in a shell. */
export function words(line: string): string[] {
  const found = line.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return found.map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ""),
  );
}

/** Quotes a word for a command line. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./[\]-]+$/.test(word)) {
    return word;
  }
  return word.includes("'") ? `"${word}"` : `'${word}'`;
}
