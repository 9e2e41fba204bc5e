/** One folder: the suites that share its window, in the order in which they run. */
import { around } from "./single/around";
import { debug } from "./single/debug";
import { run } from "./single/run";
import { server } from "./single/server";
import { tree } from "./single/tree";
import { open } from "./single/window";

export function single(): void {
  before(open);
  tree();
  run();
  around();
  debug();
  server();
}
