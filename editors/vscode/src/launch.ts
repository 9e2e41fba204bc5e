/** The user's launch configuration for tests (`"purpose": ["debug-test"]`), as the Python extension has it. */
import * as vscode from "vscode";

/** The keys that say how to debug, and not what. */
const TAKEN = [
  "justMyCode",
  "subProcess",
  "redirectOutput",
  "showReturnValue",
  "django",
  "jinja",
  "pyramid",
  "gevent",
  "rules",
  "pathMappings",
  "logToFile",
  "autoStartBrowser",
];

/** The configuration, as it is written. */
function ofTests(folder: vscode.WorkspaceFolder | undefined): Record<string, unknown> {
  const all = vscode.workspace.getConfiguration("launch", folder).get<Record<string, unknown>[]>("configurations", []);
  const own = all.find(({ type, purpose }) => {
    return (type === "debugpy" || type === "python") && [purpose].flat().includes("debug-test");
  });
  return own ?? {};
}

/** The keys that say how to debug. */
export function debugging(folder: vscode.WorkspaceFolder | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(ofTests(folder)).filter(([name]) => TAKEN.includes(name)));
}

/** Its variables for tests. */
export interface Variables {
  /** The configuration's name. */
  name: string;
  env: Record<string, string>;
  envFile: string;
}

/** Its variables, placeholders as they are written. */
export function variables(folder: vscode.WorkspaceFolder | undefined): Variables {
  const { name, env, envFile } = ofTests(folder);
  const pairs = Object.entries(typeof env === "object" && env !== null ? env : {}) as [string, unknown][];
  const told = pairs.filter((pair): pair is [string, string | number | boolean] => isPlain(pair[1]));
  return {
    name: typeof name === "string" ? name : "",
    env: Object.fromEntries(told.map(([variable, value]) => [variable, String(value)])),
    envFile: typeof envFile === "string" ? envFile : "",
  };
}

/** Null removes a variable; our settings can't do that. */
function isPlain(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}
