import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileDigits } from "../../examples/compileDigits.mjs";
import { loadDigits } from "../../examples/digits.mjs";
import { BROWSERS_WANTED, findBrowsers } from "../../scripts/browsers.mjs";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { serve } from "./server.js";

const browsers = findBrowsers();
if (browsers.length < BROWSERS_WANTED.length) {
  const found = browsers.map(({ name }) => name).join(", ") || "none";
  console.warn(`Browsers found: ${found}. Wanted: ${BROWSERS_WANTED.join("; ")}.`);
}

describe.skipIf(browsers.length === 0)("examples/browser", () => {
  const { pixels, label } = loadDigits().heldOut[593]!;
  let site: Awaited<ReturnType<typeof serve>>;
  let expected: string | undefined;
  beforeAll(async () => {
    site = await serve("browser/serve.mjs");
    const instance = instantiate(await compileDigits(), { backend: createReferenceBackend() });
    const inputs = { image: { reals: pixels, dims: [1, 1, 28, 28] } };
    expected = instance.runSync({ inputs }).receipt.outputHash;
  }, 60_000);
  afterAll(() => site.stop());

  for (const { name, launch } of browsers) {
    test(`the page in ${name} has the hash of the reference engine`, async () => {
      const browser = await launch();
      try {
        const page = await browser.newPage();
        const errors: string[] = [];
        page.on("pageerror", (error) => void errors.push(error.message));
        await page.goto(site.url);
        await page.waitForFunction("document.querySelector('#hash').textContent !== ''");
        const blank = await page.textContent("#hash");
        await page.evaluate(`askFor([${pixels.join()}])`);
        await page.waitForFunction(
          `document.querySelector('#hash').textContent !== ${JSON.stringify(blank)}`,
        );
        expect(await page.textContent("#hash")).toBe(expected);
        const bars = await page.locator("#bars li span").allTextContents();
        const shares = bars.map((text) => Number.parseFloat(text));
        expect(shares.indexOf(Math.max(...shares))).toBe(label);
        expect(errors).toEqual([]);
      } finally {
        await browser.close();
      }
    }, 60_000);
  }
});
