/** Runs the tests inside the extension host: one window for each kind of workspace. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

import { DEADLINE_MS, finished, places, remove, scratch, VSCode } from "./vscode";
import { largeProject, ownEnvironment, sampleProject, secondProject, severalProjects, withoutPytest } from "./projects";

/** A window, and the suite that runs in it. */
interface Window {
  suite: string;
  /** Creates the project; returns the path to open. */
  make: (folder: string) => string;
  /** Further extensions: stand-ins for Microsoft's. */
  beside?: string[];
  /** With an engine that it shares with the command line. */
  daemon?: boolean;
  settings?: Record<string, unknown>;
}

const WINDOWS: Window[] = [
  { suite: "single", make: sampleProject, beside: ["debugger"] },
  {
    suite: "multi",
    make: (folder) => {
      sampleProject(folder);
      secondProject(`${folder}-second`);
      const file = `${folder}.code-workspace`;
      fs.writeFileSync(
        file,
        JSON.stringify({ folders: [{ path: folder }, { path: `${folder}-second`, name: "second" }] }),
      );
      return file;
    },
  },
  { suite: "mono", make: severalProjects },
  {
    suite: "shared",
    make: ownEnvironment,
    beside: ["python"],
    daemon: true,
    settings: { "pytestLens.pythonPath": "" },
  },
  { suite: "bare", make: withoutPytest, settings: { "pytestLens.pythonPath": "" } },
  { suite: "large", make: largeProject },
];

async function runWindow({ suite, make, beside = [], daemon, settings }: Window): Promise<number> {
  const folder = scratch(suite);
  const state = scratch("state");
  const target = make(path.join(folder, "cafe"));
  const env = {
    LENS_SUITE: suite,
    CAFE_STATE: state,
    XDG_STATE_HOME: `${state}/state`,
    XDG_CACHE_HOME: `${state}/cache`,
  };
  const socket = path.join(state, "engine.sock");
  const engine = daemon
    ? spawn(places.binary, ["daemon", "--socket", socket], { env: { ...process.env, ...env }, stdio: "ignore" })
    : undefined;
  const vscode = await VSCode.start({
    vsix: await Promise.all(beside.map(standIn)),
    env,
    settings: { ...settings, ...(daemon && { "pytestLens.daemonSocket": socket }) },
  });
  try {
    const { page, origin } = vscode;
    const over = new Promise<number>((done) => {
      void page.exposeFunction("codeAutomationExit", (code: number) => done(code));
    });
    await page.exposeFunction("codeAutomationLog", (_: string, words: unknown[]) => {
      const text = words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" ");
      if (text.startsWith("LENS ")) {
        console.log(text.slice("LENS ".length));
      } else if (process.env["LENS_VERBOSE"]) {
        console.log(`  | ${text}`);
      }
    });
    const remote = (file: string): string => `vscode-remote://${origin}${file}`;
    await page.goto(
      vscode.url(target, [
        ["extensionDevelopmentPath", remote(places.extension)],
        ["extensionTestsPath", remote(path.join(places.extension, "out/test/host.js"))],
      ]),
    );
    const late = new Promise<number>((done) => setTimeout(() => done(124), 4 * DEADLINE_MS).unref());
    const code = await Promise.race([over, late]);
    if (code !== 0) {
      const picture = path.join(places.extension, "out", `failed-${suite}.png`);
      await page.screenshot({ path: picture });
      console.log(`the window of ${suite} ended with ${code}; its last picture is ${picture}`);
    }
    return code;
  } finally {
    await vscode.close();
    engine?.kill();
    await remove(state);
    await remove(folder);
  }
}

/** A stand-in for one of Microsoft's extensions, packaged. */
async function standIn(name: string): Promise<string> {
  const vsix = path.join(places.extension, `out/${name}.vsix`);
  const vsce = path.join(places.extension, "node_modules/@vscode/vsce/vsce");
  const flags = ["--no-dependencies", "--skip-license", "--allow-missing-repository", "--out", vsix];
  const cwd = path.join(places.extension, "test/stand-ins", name);
  await finished(spawn(process.execPath, [vsce, "package", ...flags], { cwd }));
  return vsix;
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  let worst = 0;
  for (const window of WINDOWS.filter(({ suite }) => wanted.length === 0 || wanted.includes(suite))) {
    console.log(`-- ${window.suite}`);
    worst = Math.max(worst, await runWindow(window));
  }
  process.exit(worst);
}

void main();
