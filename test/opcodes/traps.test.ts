import { describe, expect, test } from "vitest";
import { TRAP_CODES } from "../../src/core/errors.js";
import { OPS } from "../../src/opcodes/index.js";
import type { OpName } from "../../src/opcodes/index.js";
import { trapsOf } from "../../src/opcodes/traps.js";

const traps = (op: OpName): readonly string[] => trapsOf(OPS[op]);

describe("traps of an instruction", () => {
  test("are those of its record and of the limits that it can reach, by number", () => {
    expect(traps("drop")).toEqual(["OutOfGas"]);
    expect(traps("trap")).toEqual(["Unreachable", "OutOfGas"]);
    expect(traps("local.get")).toEqual(["OutOfGas", "StackLimit"]);
    expect(traps("call")).toEqual(["OutOfGas", "StackLimit", "CallDepth"]);
    expect(traps("random")).toEqual(["OutOfGas", "MemoryLimit", "ElementLimit"]);
    expect(traps("add")).toEqual(["ShapeMismatch", "OutOfGas", "MemoryLimit", "ElementLimit"]);
    expect(traps("matmul")).toEqual([
      ...["ShapeMismatch", "OperandRange", "AccumulatorBound"],
      ...["OutOfGas", "MemoryLimit", "ElementLimit"],
    ]);
  });

  test("have the stack among them where more is pushed than popped", () => {
    // Two results of one operand; a result of no operand, where the sizes are immediates.
    expect(traps("normalize")).toContain("StackLimit");
    expect(traps("iota")).toContain("StackLimit");
    // An operand for a result, another one only with some immediates.
    for (const op of ["neg", "reshape", "shape", "matmul", "concat"] as const) {
      expect([op, traps(op).includes("StackLimit")]).toEqual([op, false]);
    }
  });

  test("are said once each, in the order of their numbers", () => {
    for (const [op, record] of Object.entries(OPS)) {
      const numbers = trapsOf(record).map((code) => TRAP_CODES[code]);
      expect([op, numbers]).toEqual([op, [...new Set(numbers)].sort((a, b) => a - b)]);
      expect([op, numbers.includes(TRAP_CODES.OutOfGas)]).toEqual([op, true]);
    }
  });
});
