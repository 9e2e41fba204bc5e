/** The inventory's fold, and the ids that runs use. */
import * as assert from "node:assert/strict";

import { Inventory } from "../../src/inventory";
import type { ItemKind, TestItem } from "../../src/protocol";

function item(id: string, kind: ItemKind, parent?: string): TestItem {
  const uri = `file:///p/${id.split("::")[0] ?? ""}`;
  return { id, kind, label: id, uri, markers: [], skip: false, xfail: false, ...(parent !== undefined && { parent }) };
}

function sample(): Inventory {
  const inventory = new Inventory();
  const upserts = [
    item("t", "dir"),
    item("t/a.py", "file", "t"),
    item("t/a.py::x", "function", "t/a.py"),
    item("t/a.py::y", "function", "t/a.py"),
    item("t/b.py", "file", "t"),
    item("t/b.py::z", "function", "t/b.py"),
  ];
  inventory.apply({ upserts, removed: [] });
  return inventory;
}

describe("inventory", () => {
  it("keeps children in the order of their arrival", () => {
    assert.deepEqual(
      sample()
        .children("t/a.py")
        .map(({ id }) => id),
      ["t/a.py::x", "t/a.py::y"],
    );
  });

  it("puts children in the order that is told, and new ones behind", () => {
    const inventory = sample();
    const upserts = [item("t/a.py::between", "function", "t/a.py")];
    const order = [{ parent: "t/a.py", ids: ["t/a.py::x", "t/a.py::between", "t/a.py::y"] }];
    const changes = inventory.apply({ upserts, removed: [], order });
    inventory.apply({ upserts: [item("t/a.py::last", "function", "t/a.py")], removed: [] });
    const ids = inventory.children("t/a.py").map(({ id }) => id);
    assert.deepEqual(ids, ["t/a.py::x", "t/a.py::between", "t/a.py::y", "t/a.py::last"]);
    assert.deepEqual(changes.moved, ids.slice(0, 3));
    const places = ids.map((id) => inventory.order(id));
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
  });

  it("takes a file that is told whole as all that is in it", () => {
    const inventory = sample();
    assert.ok(inventory.mayHaveChildren("t/b.py"), "nobody asked for it");
    const upserts = [item("t/a.py::y", "function", "t/a.py"), item("t/a.py::y[1]", "case", "t/a.py::y")];
    const changes = inventory.apply({ upserts, removed: [], wholeFiles: ["t/a.py"] });
    assert.deepEqual(changes.removed, ["t/a.py::x"]);
    assert.deepEqual([...inventory.told], ["t/a.py"]);
    const between = [item("t/a.py::first", "function", "t/a.py"), item("t/a.py::y", "function", "t/a.py")];
    assert.deepEqual(inventory.apply({ upserts: between, removed: [], wholeFiles: ["t/a.py"] }).moved, [
      "t/a.py::first",
      "t/a.py::y",
    ]);
    inventory.apply({ upserts: [], removed: [], wholeFiles: ["t/a.py"] });
    assert.equal(inventory.mayHaveChildren("t/a.py"), false);
    inventory.apply({ upserts: [], removed: ["t"] });
    assert.deepEqual([...inventory.told], []);
  });

  it("removes what lies below what goes", () => {
    const inventory = sample();
    const changes = inventory.apply({ upserts: [], removed: ["t/a.py", "unknown"] });
    assert.deepEqual(changes.removed, ["t/a.py"]);
    assert.deepEqual([...inventory.ids()], ["t", "t/b.py", "t/b.py::z"]);
    assert.equal(inventory.children("t").length, 1);
  });

  it("moves an item that has another parent now", () => {
    const inventory = sample();
    inventory.apply({ upserts: [item("t/a.py::x", "function", "t/b.py")], removed: [] });
    assert.equal(inventory.children("t/a.py").length, 1);
    assert.equal(inventory.children("t/b.py").length, 2);
  });

  it("selects items whole, and in parts where something in them is left out", () => {
    const inventory = sample();
    assert.deepEqual(inventory.select(["t"], new Set()), ["t"]);
    assert.deepEqual(inventory.select(["t"], new Set(["t/a.py::x"])), ["t/a.py::y", "t/b.py"]);
    assert.deepEqual(inventory.select(["t/a.py"], new Set(["t/a.py"])), []);
  });
});
