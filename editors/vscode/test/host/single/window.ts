/** The window that all suites with one folder share: it is entered once. */
import { confirmed, enter, type Lab } from "../lab";

export const PRICES = "tests/test_prices.py";

/** Set before the first test runs. */
export let lab: Lab;

/** Enters, and waits until the tests are shown. */
export async function open(): Promise<void> {
  lab = await enter();
  await confirmed(lab, "tests/test_kitchen.py");
}
