/** Runs the tests inside the extension host: one window for each kind of workspace. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

import { DEADLINE_MS, finished, places, scratch, VSCode } from "./vscode";
import { largeProject, sampleProject, secondProject } from "./projects";

/** A window, and the suites that run in it. */
interface Window {
  suite: string;
  make: (folder: string) => string;
}

const WINDOWS: Window[] = [
  { suite: "single", make: sampleProject },
  {
    suite: "multi",
    make: (folder) => {
      sampleProject(path.join(folder, "cafe"));
      secondProject(path.join(folder, "second"));
      const file = path.join(folder, "both.code-workspace");
      fs.writeFileSync(file, JSON.stringify({ folders: [{ path: "cafe" }, { path: "second" }] }));
      return file;
    },
  },
  { suite: "large", make: largeProject },
];

async function runWindow({ suite, make }: Window): Promise<number> {
  const folder = scratch(suite);
  const target = make(folder);
  const vscode = await VSCode.start({ vsix: [await debuggerVsix()], env: { LENS_SUITE: suite, CAFE_STATE: folder } });
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
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The stand-in for the Python Debugger extension, packaged. */
let packaged: Promise<string> | undefined;
function debuggerVsix(): Promise<string> {
  packaged ??= (async () => {
    const vsix = path.join(places.extension, "out/debugger.vsix");
    const vsce = path.join(places.extension, "node_modules/@vscode/vsce/vsce");
    const flags = ["--no-dependencies", "--skip-license", "--allow-missing-repository", "--out", vsix];
    const cwd = path.join(places.extension, "test/debugger");
    await finished(spawn(process.execPath, [vsce, "package", ...flags], { cwd }));
    return vsix;
  })();
  return packaged;
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
