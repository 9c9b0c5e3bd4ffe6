/** A module that is read by ranges is what it is when it is read at once, errors included. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MalformedError } from "../../src/core/errors.js";
import type { ByteSource } from "../../src/module/byteSource.js";
import { decodeModule, decodeModuleFrom } from "../../src/module/decode.js";
import { encodeModule } from "../../src/module/encode.js";
import { linkParameters } from "../../src/module/link.js";
import { chunkRoot } from "../../src/module/merkle.js";
import type { Module, ParameterInfo } from "../../src/module/module.js";
import type { Instruction } from "../../src/opcodes/index.js";
import { arbitraryModule } from "../support/arbitraryModule.js";
import { TINY } from "../support/tinyModule.js";

/** Ranges of bytes, of which no more is handed out than was asked for. */
function sourceOf(bytes: Uint8Array, asked: number[] = []): ByteSource {
  return {
    length: bytes.length,
    read(offset, length) {
      asked.push(length);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset + length).toBeLessThanOrEqual(bytes.length);
      return bytes.slice(offset, offset + length);
    },
  };
}

function parameter(length: number, seed: number): [ParameterInfo, Uint8Array] {
  const data = Uint8Array.from({ length }, (_, i) => (i * seed) % 251);
  return [{ dtype: "u8", shape: [length], root: chunkRoot(data) }, data];
}

/** Code and parameters that pass the window of the reader several times, at all alignments. */
function large(): Module {
  const body: Instruction[] = Array.from({ length: 30_000 }, (_, i) => ({
    op: "scalar",
    imm: { dtype: "i64", value: (-1n) ** BigInt(i) * 3n ** BigInt(i % 39) },
  }));
  body.push({ op: "end", imm: {} });
  const parameters = [200_000, 3, 65_536, 65_537, 70_000].map((length, i) =>
    parameter(length, i + 2),
  );
  return {
    ...TINY,
    functions: [{ params: [], results: [], locals: [], body }],
    parameters: parameters.map(([info]) => info),
    parameterData: parameters.map(([, data], i) => (i === 4 ? undefined : data)),
    provenance: { long: "é".repeat(30_000) },
  };
}

describe("decodeModuleFrom", () => {
  it("leaves parameters of more than a chunk in the source, and nothing else", () => {
    const module = large();
    const bytes = encodeModule(module);
    const asked: number[] = [];
    const { module: decoded, parameters } = decodeModuleFrom(sourceOf(bytes, asked));
    expect(Math.max(...asked)).toBe(65_536);
    const gaps = [0, 3];
    expect(decoded).toEqual({
      ...module,
      parameterData: module.parameterData.map((data, i) => (gaps.includes(i) ? undefined : data)),
    });
    const linked = linkParameters({ ...decoded, ...without(decoded, 4) }, parameters);
    for (const i of [0, 1, 2, 3]) expect(linked.parameter(i)).toEqual(module.parameterData[i]);
  });

  it("reads and refuses what decodeModule reads and refuses", () => {
    const outcome = (decode: () => Module): unknown => {
      try {
        return decode();
      } catch (error) {
        const { name, code, message, place } = error as MalformedError;
        return { name, code, message, place };
      }
    };
    fc.assert(
      fc.property(arbitraryModule(), fc.nat(), fc.nat(255), fc.nat(), (module, at, byte, cut) => {
        const bytes = encodeModule(module);
        bytes[at % bytes.length] = byte;
        const short = bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length);
        expect(outcome(() => decodeModuleFrom(sourceOf(short)).module)).toEqual(
          outcome(() => decodeModule(short)),
        );
      }),
      { numRuns: 500 },
    );
  });
});

function without(module: Module, index: number): Pick<Module, "parameters" | "parameterData"> {
  return {
    parameters: module.parameters.filter((_, i) => i !== index),
    parameterData: module.parameterData.filter((_, i) => i !== index),
  };
}
