import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeModule } from "../../src/module/decode.js";
import { encodeModule, writeModule } from "../../src/module/encode.js";
import { moduleId } from "../../src/module/hash.js";
import { toHex } from "../../src/module/hex.js";
import { linkParameters } from "../../src/module/link.js";
import type { OpName } from "../../src/opcodes/index.js";
import { OPS } from "../../src/opcodes/index.js";
import { arbitraryInstructionOf, arbitraryModule } from "../support/arbitraryModule.js";
import { TINY } from "../support/tinyModule.js";

describe("encode and decode", () => {
  it("are inverse on random modules, byte for byte", () => {
    fc.assert(
      fc.property(arbitraryModule(), (module) => {
        const bytes = encodeModule(module);
        const decoded = decodeModule(bytes);
        expect(decoded).toEqual(module);
        expect(encodeModule(decoded)).toEqual(bytes);
        expect(moduleId(decoded)).toEqual(moduleId(module));
      }),
      { numRuns: 300 },
    );
  });

  it.each(Object.keys(OPS) as OpName[])("keep every immediate of %s", (op) => {
    fc.assert(
      fc.property(arbitraryInstructionOf(op), (instruction) => {
        const body = [instruction, { op: "end", imm: {} } as const];
        const functions = [{ params: [], results: [], locals: [], body }];
        const decoded = decodeModule(encodeModule({ ...TINY, functions }));
        expect(decoded.functions[0]!.body).toEqual(body);
      }),
      { numRuns: 40 },
    );
  });

  it("hand out parameter data as views of the input, which need not start at its buffer", () => {
    const encoded = encodeModule(TINY);
    const bytes = Buffer.concat([Buffer.alloc(3), encoded]).subarray(3);
    const { parameterData } = decodeModule(bytes);
    expect(parameterData[0]!.buffer).toBe(bytes.buffer);
    expect(parameterData[0]!.constructor).toBe(Uint8Array);
    expect(parameterData).toEqual(TINY.parameterData);
  });

  it("write in pieces what they write at once, gaps filled from a store", () => {
    fc.assert(
      fc.property(arbitraryModule({ absent: false }), fc.nat(), (module, pattern) => {
        const roots = module.parameters.map(({ root }) => toHex(root));
        const store = new Map(module.parameterData.map((data, i) => [roots[i]!, data!]));
        const parameterData = module.parameterData.map((data, i) =>
          ((pattern >> (i % 31)) & 1) === 1 ? undefined : data,
        );
        const pieces: Uint8Array[] = [];
        writeModule({ ...module, parameterData }, (piece) => void pieces.push(piece), store);
        expect(new Uint8Array(Buffer.concat(pieces))).toEqual(encodeModule(module));
      }),
    );
    const missing = () => writeModule({ ...TINY, parameterData: [undefined] }, () => {}, new Map());
    expect(missing).toThrow(
      expect.objectContaining({
        name: "LinkError",
        code: "MissingParameter",
        place: { name: "parameter 0" },
      }),
    );
    const root = toHex(TINY.parameters[0]!.root);
    const short = new Map([[root, TINY.parameterData[0]!.subarray(1)]]);
    expect(() => writeModule({ ...TINY, parameterData: [undefined] }, () => {}, short)).toThrow(
      expect.objectContaining({
        name: "LinkError",
        code: "ParameterLength",
        place: { name: "parameter 0" },
      }),
    );
  });

  it("write without a store what travels apart as absent", () => {
    const apart = { ...TINY, parameterData: [undefined] };
    const pieces: Uint8Array[] = [];
    writeModule(apart, (piece) => void pieces.push(piece));
    expect(new Uint8Array(Buffer.concat(pieces))).toEqual(encodeModule(apart));
  });

  it("link what they carried", () => {
    fc.assert(
      fc.property(arbitraryModule({ absent: false }), (module) => {
        const linked = linkParameters(decodeModule(encodeModule(module)));
        expect(linked.parameterData).toEqual(module.parameterData);
      }),
    );
  });
});
