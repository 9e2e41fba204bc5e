/** Whether files are in a selection of tests. Free of VS Code. */

/**
 * Whether one of the files is one of the selected ids, contains one, or is in one; without ids all tests are selected.
 */
export function touches(files: readonly string[], ids: readonly string[] | undefined): boolean {
  if (!ids) {
    return files.length > 0;
  }
  const places = ids.map((id) => id.split("::")[0] ?? id);
  return files.some((file) => places.some((place) => file === place || file.startsWith(`${place}/`)));
}
