/** The places of the server's binary that no setting names, and the choice among them. */
import * as path from "node:path";

/** Folders that contain a project's environment. */
export const ENVIRONMENTS = [".venv", "venv", "env", ".env"];

/** The inputs of the choice. */
export interface Surroundings {
  /** The extension's own folder; the packages of a release have the binary in it. */
  extension: string;
  /** The open folders whose files may be executed: none before the workspace is trusted. */
  trusted: readonly string[];
  platform: NodeJS.Platform;
  isFile: (file: string) => boolean;
}

/** The bundled binary, otherwise that of a project's environment, otherwise the name, which the PATH resolves. */
export function chooseServer({ extension, trusted, platform, isFile }: Surroundings): string {
  const windows = platform === "win32";
  const name = windows ? "pytest-lens.exe" : "pytest-lens";
  const inside = (folder: string): string[] =>
    ENVIRONMENTS.map((environment) => path.join(folder, environment, windows ? "Scripts" : "bin", name));
  return [path.join(extension, "bin", name), ...trusted.flatMap(inside)].find(isFile) ?? name;
}
