/** The tree: what is in it, in which order, and how it follows the files. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";

import { confirmed, file, folder, plain, rewrite, until } from "../lab";
import { lab, PRICES } from "./window";

export function tree(): void {
  describe("tree", () => {
    it("has files, classes, functions and cases in source order", async () => {
      const prices = await confirmed(lab, PRICES);
      await until("the file is shown whole", () => prices.children.size === 4);
      assert.equal(prices.parent?.id, "tests");
      const order: string[] = [];
      prices.children.forEach((item) => order.push(item.label));
      const byPosition = [...prices.children]
        .map(([, item]) => item)
        .sort((a, b) => (a.range?.start.line ?? 0) - (b.range?.start.line ?? 0))
        .map((item) => item.label);
      assert.deepEqual(byPosition, ["test_price · 4 cases", "test_unknown_item", "test_discount", "test_receipt"]);
      const cases = prices.children.get(`${PRICES}::test_price`);
      assert.equal(cases?.children.size, 4);
      const labels = [...cases.children].map(([, item]) => [item.sortText ?? "", item.label] as const).sort();
      assert.deepEqual(
        labels.map(([, label]) => label),
        ["espresso-250", "cappuccino-380", "cake-420", "water-200"].map((label) => `test_price[${label}]`),
      );
    });

    it("tags markers, skips and expected failures", async () => {
      const tags = async (id: string): Promise<string[]> => (await confirmed(lab, id)).tags.map((tag) => tag.id);
      assert.ok((await tags("tests/test_kitchen.py::test_oven_heats_up")).includes("slow"));
      assert.ok((await tags("tests/test_orders.py::test_tip")).includes("skip"));
      assert.ok((await tags("tests/test_orders.py::test_half_a_cake")).includes("xfail"));
    });

    it("is changed in place when a test is added, and when it goes", async () => {
      const prices = await confirmed(lab, PRICES);
      const receipt = await confirmed(lab, `${PRICES}::test_receipt`);
      const added = "\n\ndef test_added():\n    assert True\n";
      await rewrite(file(PRICES), (text) => text + added);
      await confirmed(lab, `${PRICES}::test_added`);
      assert.equal(lab.api.session.tree.peek(folder(), PRICES), prices);
      assert.equal(lab.api.session.tree.peek(folder(), `${PRICES}::test_receipt`), receipt);
      await rewrite(file(PRICES), (text) => text.replace(added, ""));
      await until("it is gone", () => !lab.api.session.tree.peek(folder(), `${PRICES}::test_added`));
      assert.equal(prices.children.size, 4);
    });

    it("puts a case that comes between others in its place", async () => {
      const cases = await confirmed(lab, `${PRICES}::test_price`);
      await rewrite(file(PRICES), (text) => text.replace('("cake"', '("cookie", 1),\n        ("cake"'));
      await confirmed(lab, `${PRICES}::test_price[cookie-1]`);
      const labels = (): string[] =>
        [...cases.children]
          .map(([, item]) => [item.sortText ?? "", item.label] as const)
          .sort()
          .map(([, label]) => label);
      assert.deepEqual(
        labels(),
        ["espresso-250", "cappuccino-380", "cookie-1", "cake-420", "water-200"].map((label) => `test_price[${label}]`),
      );
      await rewrite(file(PRICES), (text) => text.replace('("cookie", 1),\n        ', ""));
      await until("it is gone", () => cases.children.size === 4);
    });

    it("says what is wrong with a file that does not import, and keeps its tests", async () => {
      const orders = await confirmed(lab, "tests/test_orders.py");
      await rewrite(file("tests/test_orders.py"), (text) => `import nonsense_that_is_not_there\n${text}`);
      const error = await until("the error is told", () => orders.error);
      assert.match(plain(error), /nonsense_that_is_not_there/);
      assert.ok(orders.children.size > 0, "the last good tests are still there");
      await rewrite(file("tests/test_orders.py"), (text) => text.slice(text.indexOf("\n") + 1));
      await until("the error is gone", () => orders.error === undefined);
    });

    it("shows a new file that does not even parse, with its error", async () => {
      const uri = file("tests/test_broken.py");
      fs.writeFileSync(uri.fsPath, "def test_x(:\n    pass\n");
      const tests = await confirmed(lab, "tests");
      const item = await until("it is shown", () => {
        return [...tests.children].map(([, child]) => child).find((child) => child.label === "test_broken.py");
      });
      await until("its error is told", () => item.error);
      fs.rmSync(uri.fsPath);
      await until("it is gone", () => ![...tests.children].some(([, child]) => child.label === "test_broken.py"));
    });
  });
}
