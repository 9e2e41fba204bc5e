/** Whether files or tests are in a selection of tests. Free of VS Code. */

/** Whether an id is that of a file, class or test in which another one is. */
function covers(id: string, other: string): boolean {
  return other === id || ["/", "::", "["].some((end) => other.startsWith(id + end));
}

/** Whether one of the reached ids is, contains or is in one of the selected ids; without these all tests are selected. */
export function touches(reached: readonly string[], ids: readonly string[] | undefined): boolean {
  if (!ids) {
    return reached.length > 0;
  }
  return reached.some((one) => ids.some((id) => covers(one, id) || covers(id, one)));
}
