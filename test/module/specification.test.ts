import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DTYPES, DTYPE_INFO } from "../../src/core/dtype.js";
import { decodeModule, encodeModule, moduleId, toHex } from "../../src/module/index.js";
import * as limits from "../../src/module/limits.js";
import { TINY } from "../support/tinyModule.js";

const page = readFileSync(new URL("../../spec/module.md", import.meta.url), "utf8");

describe("spec/module.md", () => {
  it("shows the bytes of a module that decodes to what it says", () => {
    const rows = [...page.matchAll(/^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} ?)+)(?: {2,}|$)/gm)];
    let hex = "";
    for (const [row, offset, bytes] of rows) {
      expect(Number.parseInt(offset!, 16), row).toBe(hex.length / 2);
      hex += bytes!.replaceAll(" ", "");
    }
    expect(hex).toBe(toHex(encodeModule(TINY)));
    expect(decodeModule(new Uint8Array(Buffer.from(hex, "hex")))).toEqual(TINY);
    expect(page).toContain(`Its id is \`${toHex(moduleId(TINY))}\``);
  });

  it("states the limits that the decoder has", () => {
    const stated = [...page.matchAll(/^\|[^|]+\| +([\d,]+) +\| `(MAX_\w+)` +\|$/gm)].map(
      ([, value, name]) => [name!, Number(value!.replaceAll(",", ""))] as const,
    );
    const elsewhere = [
      // In the text, as powers of two.
      "MAX_INDEX",
      "MAX_DIMENSION",
      "MAX_PARAMETER_BYTES",
      // Of validation.
      "MAX_NESTING",
      "MAX_STACK_HEIGHT",
    ];
    const actual = Object.entries(limits).filter(([name]) => !elsewhere.includes(name));
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(actual));
  });

  it("lists every code of MalformedError that the decoder throws", () => {
    const folder = new URL("../../src/module/", import.meta.url);
    const thrown = ["decode", "reader", "immediates", "pack"].flatMap((file) => {
      const source = readFileSync(new URL(`${file}.ts`, folder), "utf8");
      return [...source.matchAll(/new MalformedError\(\s*"(\w+)"/g)].map(([, code]) => code!);
    });
    expect(new Set(thrown).size).toBeGreaterThan(10);
    const section = page.slice(page.indexOf("## Malformed bytes"), page.indexOf("## Example"));
    const listed = [...section.matchAll(/`(\w+)`/g)].map(([, code]) => code!);
    expect(listed.filter((code) => code !== "MalformedError").sort()).toEqual(
      [...new Set(thrown)].sort(),
    );
  });

  it("numbers the dtypes as the code does", () => {
    const stated = DTYPES.map((dtype) => `\`${dtype}\` ${DTYPE_INFO[dtype].code}`).join(", ");
    expect(page).toContain(`A dtype is an int: ${stated}.`);
  });
});
