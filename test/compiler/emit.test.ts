import { describe, expect, it } from "vitest";
import { emitFunction } from "../../src/compiler/fixed/emit.js";
import type { FixedValue } from "../../src/compiler/fixed/fixedGraph.js";
import { FixedBuilder } from "../../src/compiler/fixed/fixedGraph.js";
import { encodeModule } from "../../src/module/encode.js";
import type { Module } from "../../src/module/module.js";
import { chunkRoot } from "../../src/module/merkle.js";
import { GAS_VERSION, ISA_VERSION } from "../../src/opcodes/index.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";

/** Runs scalars of i64 through a fixed graph. */
function run(b: FixedBuilder, outputs: readonly FixedValue[], inputs: readonly number[]): number[] {
  const { function: main, parameters } = emitFunction(b.inputs, outputs);
  const port = (name: string) => ({ name, dtype: "i64" as const, shape: [] });
  const module: Module = {
    configuration: {
      isaVersion: ISA_VERSION,
      gasVersion: GAS_VERSION,
      features: [],
      dimensions: [],
      entries: [
        {
          name: "main",
          function: 0,
          inputs: inputs.map((_, i) => port(`x${String(i)}`)),
          outputs: outputs.map((_, i) => port(`y${String(i)}`)),
        },
      ],
      aggregations: [],
    },
    functions: [main],
    aggregation: [],
    parameters: parameters.map(({ dtype, dims, bytes }) => ({
      dtype,
      shape: dims,
      root: chunkRoot(bytes()),
    })),
    parameterData: parameters.map(({ bytes }) => bytes()),
    provenance: {},
  };
  const instance = instantiate(encodeModule(module), { backend: createReferenceBackend() });
  const result = instance.runSync({
    inputs: Object.fromEntries(
      inputs.map((x, i) => [`x${String(i)}`, { dims: [], integers: [BigInt(x)] }]),
    ),
  });
  return outputs.map((_, i) => Number(result.outputs![`y${String(i)}`]!.integers[0]));
}

const scalar = { dtype: "i64", shape: [] } as const;

describe("regions of the fixed graph", () => {
  it("runs one arm, and what both read is made once before", () => {
    const b = new FixedBuilder();
    const [x, y] = [b.input("i64", []), b.input("i64", [])];
    const op = (name: "add" | "mul" | "sub", l: FixedValue, r: FixedValue) =>
      b.op(name, {}, [l, r], "i64", []);
    const sum = op("add", x, y);
    const less = b.op("lt", {}, [x, y], "bool", []);
    const [first, second] = b.branch(
      less,
      [scalar, scalar],
      [() => [op("mul", sum, sum), x], () => [op("sub", sum, y), sum]],
    );
    const outputs = [op("add", first!, x), second!];
    expect(run(b, outputs, [2, 5])).toEqual([49 + 2, 2]);
    expect(run(b, outputs, [5, 2])).toEqual([5 + 5, 7]);
    const emitted = emitFunction(b.inputs, outputs).function.body;
    expect(emitted.filter(({ op: name }) => name === "add")).toHaveLength(2);
  });

  it("carries values round a loop, one inside another", () => {
    const b = new FixedBuilder();
    const n = b.input("i64", []);
    const one = b.scalar("i64", 1n);
    const add = (l: FixedValue, r: FixedValue) => b.op("add", {}, [l, r], "i64", []);
    const times = add(n, b.scalar("i64", 0n));
    // Sum over i < n of i · n, the product by adding n i + 1 times less once.
    const [, total] = b.loop([b.scalar("i64", 0n), b.scalar("i64", 0n)], [scalar, scalar], (c) => {
      const [i, sum] = c as [FixedValue, FixedValue];
      const [, product] = b.loop(
        [b.scalar("i64", -1n), b.op("neg", {}, [times], "i64", [])],
        [scalar, scalar],
        (d) => {
          const [j, p] = d as [FixedValue, FixedValue];
          const next = add(j, one);
          return {
            again: b.op("lt", {}, [next, i], "bool", []),
            carried: [next, add(p, times)],
          };
        },
      );
      const next = add(i, one);
      return {
        again: b.op("lt", {}, [next, times], "bool", []),
        carried: [next, add(sum, product!)],
      };
    });
    for (const size of [1, 2, 5, 7])
      expect(run(b, [total!, times], [size])).toEqual([
        Array.from({ length: size }, (_, i) => i * size).reduce((p, q) => p + q, 0),
        size,
      ]);
  });
});
