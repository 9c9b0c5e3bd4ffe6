/** Every instruction on its way from a module through the VM: the hand-calculated examples of the pages. */
import { describe, expect, test } from "vitest";
import type { Module, Port } from "../../src/module/module.js";
import { EXAMPLES } from "../../src/opcodes/examples.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";
import type { Instruction, TensorOpName } from "../../src/opcodes/index.js";
import type { Backend } from "../../src/tensor/backend.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { createSimdBackendSync } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";

const port =
  (kind: string) =>
  (x: ExactValue, i: number): Port => ({
    name: `${kind}${i}`,
    dtype: x.dtype,
    shape: x.shape,
  });
const typeOf = ({ dtype, shape }: ExactValue) => ({ dtype, rank: shape.length });

/** A module that does one instruction on its inputs. */
function moduleOf(op: TensorOpName): Module {
  const { imm, operands, results } = EXAMPLES[op];
  const loads = operands.map((_, local) => ({ op: "local.get", imm: { local } }) as const);
  return {
    configuration: {
      isaVersion: 1,
      gasVersion: 1,
      features: [],
      dimensions: [],
      entries: [
        {
          name: "main",
          function: 0,
          inputs: operands.map(port("x")),
          outputs: results.map(port("y")),
        },
      ],
      aggregations: [],
    },
    functions: [
      {
        params: operands.map(typeOf),
        results: results.map(typeOf),
        locals: [],
        body: [...loads, { op, imm } as Instruction, { op: "end", imm: {} }],
      },
    ],
    aggregation: [],
    parameters: [],
    parameterData: [],
    provenance: {},
  };
}

const backends: Record<string, () => Backend> = {
  reference: createReferenceBackend,
  simd: createSimdBackendSync,
};

describe.each(Object.entries(backends))("on %s", (_name, create) => {
  test.each(Object.keys(EXAMPLES) as TensorOpName[])("%s gives its example", (op) => {
    const { operands, results } = EXAMPLES[op];
    const instance = instantiate(moduleOf(op), { backend: create(), ownsBackend: true });
    const inputs = Object.fromEntries(
      operands.map(({ shape, values }, i) => [`x${i}`, { integers: values, dims: shape }]),
    );
    const { outputs, trap, receipt } = instance.runSync({ inputs });
    expect(trap).toBeUndefined();
    results.forEach(({ dtype, shape, values }, i) => {
      const y = outputs![`y${i}`]!;
      expect({ dtype: y.dtype, shape: y.shape }).toEqual({ dtype, shape });
      expect(Array.from(y.integers, BigInt)).toEqual(values);
    });
    const estimate = instance.estimateGas(
      Object.fromEntries(operands.map(({ shape }, i) => [`x${i}`, shape])),
    );
    if (estimate.kind === "exact") expect(estimate.gas.toString()).toBe(receipt.gasUsed);
    else
      expect(estimate).toMatchObject({ reason: expect.stringContaining("its shape from values") });
    instance.dispose();
    expect(instance.backend.statistics().residentBytes).toBe(0);
  });
});
