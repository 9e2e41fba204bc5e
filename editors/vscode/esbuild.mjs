// Bundles the extension into dist/extension.js; with --tests the tests and their drivers into out/ as well.
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
};
const tests = process.argv.includes("--tests");
const jobs = [
  build({
    ...common,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    external: ["vscode"],
    minify: !tests,
    sourcemap: tests,
  }),
];
if (tests) {
  const outside = ["vscode", "mocha", "playwright-core"];
  const entryPoints = {
    unit: "test/unit/all.ts",
    host: "test/host/index.ts",
    "run-host": "test/driver/host.ts",
    "run-browser": "test/driver/browser.ts",
  };
  jobs.push(build({ ...common, entryPoints, outdir: "out/test", external: outside }));
}
await Promise.all(jobs);
