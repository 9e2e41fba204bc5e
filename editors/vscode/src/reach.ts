/** Whether files lie in a selection of tests. Free of VS Code. */

/** Whether any of some files is one of the selected ids, holds one, or lies in one; without ids everything is selected. */
export function touches(files: readonly string[], ids: readonly string[] | undefined): boolean {
  if (!ids) {
    return files.length > 0;
  }
  const places = ids.map((id) => id.split("::")[0] ?? id);
  return files.some((file) => places.some((place) => file === place || file.startsWith(`${place}/`)));
}
