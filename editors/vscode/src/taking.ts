/** Converts arguments that were written for the Python extension. Free of VS Code. */

/** Options whose value is the next word, so that the value is no path. */
const WITH_VALUE = /^(-[kmpcoW]|--(rootdir|deselect|ignore|ignore-glob|override-ini|config-file|cov-config|basetemp))$/;

/**
 * The arguments as ours: paths of tests become `testpaths`, because a run names its own tests, and pytest would run
 * both.
 */
export function taken(words: readonly string[], isPath: (word: string) => boolean): string[] {
  const paths: string[] = [];
  const rest: string[] = [];
  words.forEach((word, at) => {
    const isValue = at > 0 && WITH_VALUE.test(words[at - 1] ?? "");
    if (!isValue && !word.startsWith("-") && isPath(word.split("::")[0] ?? word)) {
      paths.push(word);
    } else {
      rest.push(word);
    }
  });
  // The whole folder is collected anyway.
  const narrowing = paths.filter((path) => path !== "." && path !== "./");
  return narrowing.length > 0 && narrowing.length === paths.length
    ? ["-o", `testpaths=${narrowing.join(" ")}`, ...rest]
    : rest;
}
