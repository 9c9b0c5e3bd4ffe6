import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { moduleId, tensorHash, tensorsHash } from "../../src/module/hash.js";
import { toHex } from "../../src/module/hex.js";
import type { Module } from "../../src/module/module.js";
import { TINY } from "../support/tinyModule.js";

/** SHA-256 of bytes written in hexadecimal. */
const hashOf = (...hex: string[]): string =>
  createHash("sha256")
    .update(Buffer.from(hex.join("").replaceAll(" ", ""), "hex"))
    .digest("hex");
const text = (s: string): string => Buffer.from(s).toString("hex");

describe("hashes", () => {
  it("of a tensor cover domain, dtype, rank, dimensions and bytes", () => {
    const bytes = Uint8Array.of(1, 0, 255, 255);
    expect(toHex(tensorHash({ dtype: "i16", shape: [2, 1] }, bytes))).toBe(
      hashOf(text("aivm:tensor:v1\0"), "03 02", "0200000000000000", "0100000000000000", "0100ffff"),
    );
    expect(toHex(tensorHash({ dtype: "bool", shape: [] }, Uint8Array.of(1)))).toBe(
      hashOf(text("aivm:tensor:v1\0"), "00 00 01"),
    );
  });

  it("of a run's tensors cover their number and order", () => {
    const [a, b] = [new Uint8Array(32).fill(0xaa), new Uint8Array(32).fill(0xbb)];
    expect(toHex(tensorsHash([a, b]))).toBe(
      hashOf(text("aivm:tensors:v1\0"), "02000000", "aa".repeat(32), "bb".repeat(32)),
    );
    expect(toHex(tensorsHash([]))).toBe(hashOf(text("aivm:tensors:v1\0"), "00000000"));
  });

  it("of a module is the one computed by hand from its bytes", () => {
    const scale = "93 01 f9 00";
    const dims = "92 94 00 01 00 01 03";
    const configuration = `96 01 01 90 91 92 a1 4e 08
      91 94 a4 6d61696e 00 91 94 a1 78 02 ${dims} ${scale} 91 94 a1 79 02 ${dims} 90 90`.replaceAll(
      "\n",
      "",
    );
    const code = "91 94 91 92 02 02 91 92 02 02 90 94 92 0b 00 92 10 00 91 30 91 05";
    const chunks = hashOf("00", "01fe03");
    const entry = `93 02 91 03 c4 20 ${chunks}`;
    expect(toHex(moduleId(TINY))).toBe(
      hashOf(
        text("aivm:module:v1\0"),
        hashOf(configuration),
        hashOf(code),
        hashOf("90"),
        hashOf("00", entry),
      ),
    );
  });

  it("of a module leave out provenance and the presence of data, and nothing else", () => {
    const id = moduleId(TINY);
    const same: Partial<Module>[] = [{ provenance: {} }, { parameterData: [undefined] }];
    for (const change of same) expect(moduleId({ ...TINY, ...change })).toEqual(id);
    const [info] = TINY.parameters;
    const others: Partial<Module>[] = [
      { configuration: { ...TINY.configuration, gasVersion: 2 } },
      { functions: [...TINY.functions, ...TINY.functions] },
      { aggregation: TINY.functions },
      { functions: [], aggregation: TINY.functions },
      { parameters: [{ ...info!, dtype: "u8" }] },
      { parameters: [{ ...info!, shape: [3, 1] }] },
      { parameters: [{ ...info!, root: new Uint8Array(32) }] },
    ];
    const ids = others.map((change) => toHex(moduleId({ ...TINY, ...change })));
    expect(new Set([toHex(id), ...ids]).size).toBe(1 + others.length);
  });
});
