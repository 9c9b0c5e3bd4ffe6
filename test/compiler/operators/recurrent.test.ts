import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import { compile } from "../../../src/compiler/compile.js";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";
import { SeededRandom } from "../../support/seededRandom.js";

/**
 * Against onnxruntime-web. Hidden states of 16 bits, and inputs and results with a headroom of 2,
 * round at 80 dB and more; a recurrence sums what its steps lose.
 */
const BOUND = { fx16: 55, fx32: 60 } as const;

interface Options {
  readonly sequence?: number;
  readonly batch?: number;
  readonly hidden?: number;
  readonly attributes?: Record<string, AttributeValue>;
  readonly bias?: boolean;
  readonly lengths?: readonly number[];
  readonly initial?: boolean;
  readonly peepholes?: boolean;
  /** Spread of the weights. */
  readonly spread?: number;
  /** Which outputs are asked for. */
  readonly outputs?: readonly ("y" | "h" | "c")[];
}

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;

function recurrent(name: string, op: keyof typeof GATES, options: Options = {}): OperatorCase {
  const { sequence = 5, batch = 2, hidden = 6, attributes = {}, spread = 0.5 } = options;
  const directions = attributes["direction"] === "bidirectional" ? 2 : 1;
  const columns = 4;
  const rows = GATES[op] * hidden;
  const asked = options.outputs ?? (op === "LSTM" ? ["y", "h", "c"] : ["y", "h"]);
  return {
    name: `${op}: ${name}`,
    inputs: {
      x: [sequence, batch, columns],
      ...(options.initial === true && { h0: [directions, batch, hidden] }),
      ...(options.initial === true && op === "LSTM" && { c0: [directions, batch, hidden] }),
    },
    outputs: Object.fromEntries(asked.map((output) => [output, "float32"] as const)),
    build: (b, random) => {
      const constant = (key: string, dims: readonly number[]): string => {
        const count = dims.reduce((p, q) => p * q, 1);
        b.constant(key, tensor("float32", dims, random(count, spread)));
        return key;
      };
      const inputs = [
        "x",
        constant("w", [directions, rows, columns]),
        constant("r", [directions, rows, hidden]),
        options.bias === false ? "" : constant("b", [directions, 2 * rows]),
        "",
        options.initial === true ? "h0" : "",
      ];
      if (options.lengths !== undefined) {
        b.constant("lengths", tensor("int32", [batch], options.lengths));
        inputs[4] = "lengths";
      }
      if (op === "LSTM") {
        inputs.push(options.initial === true ? "c0" : "");
        if (options.peepholes === true) inputs.push(constant("p", [directions, 3 * hidden]));
      }
      const outputs = (op === "LSTM" ? (["y", "h", "c"] as const) : (["y", "h"] as const)).map(
        (output) => (asked.includes(output) ? output : ""),
      );
      b.node(op, inputs, outputs, { hidden_size: hidden, ...attributes });
    },
  };
}

const strings = (value: readonly string[]): AttributeValue => ({ type: "strings", value });
const floats = (value: readonly number[]): AttributeValue => ({ type: "floats", value });
const bidirectional = { direction: "bidirectional" };

const CASES: readonly OperatorCase[] = [
  recurrent("one step", "LSTM", { sequence: 1 }),
  recurrent("forward", "LSTM"),
  recurrent("50 steps", "LSTM", { sequence: 50 }),
  recurrent("reverse, no bias", "LSTM", { attributes: { direction: "reverse" }, bias: false }),
  recurrent("bidirectional, peepholes", "LSTM", { attributes: bidirectional, peepholes: true }),
  recurrent("states handed in", "LSTM", { initial: true }),
  recurrent("last state only", "LSTM", { outputs: ["h"] }),
  recurrent("lengths, both ways", "LSTM", {
    attributes: bidirectional,
    lengths: [3, 5],
    initial: true,
  }),
  recurrent("clipped", "LSTM", { attributes: { clip: 0.4 }, peepholes: true }),
  recurrent("coupled gates", "LSTM", { attributes: { input_forget: 1 } }),
  recurrent("other functions", "LSTM", {
    attributes: {
      activations: strings(["HardSigmoid", "Softsign", "ScaledTanh"]),
      activation_alpha: floats([0.25, 0.75]),
      activation_beta: floats([0.5, 1.5]),
    },
  }),
  recurrent("one step", "GRU", { sequence: 1 }),
  recurrent("forward", "GRU"),
  recurrent("50 steps, states handed in", "GRU", { sequence: 50, initial: true }),
  recurrent("linear before reset", "GRU", { attributes: { linear_before_reset: 1 } }),
  recurrent("bidirectional, linear before reset", "GRU", {
    attributes: { ...bidirectional, linear_before_reset: 1 },
    initial: true,
  }),
  recurrent("lengths", "GRU", { lengths: [2, 5], attributes: { direction: "reverse" } }),
  recurrent("forward", "RNN"),
  recurrent("bidirectional, lengths", "RNN", { attributes: bidirectional, lengths: [4, 5] }),
  ...(
    [
      ["Relu"],
      ["Affine", 0.5, 0.1],
      ["LeakyRelu", 0.1],
      ["ThresholdedRelu", 0.2],
      ["Elu", 0.8],
      ["Softplus"],
      ["Softsign"],
      ["HardSigmoid", 0.3, 0.4],
    ] as const
  ).map(([f, alpha, beta]) =>
    recurrent(f, "RNN", {
      spread: 0.25,
      attributes: {
        activations: strings([f]),
        ...(alpha !== undefined && { activation_alpha: floats([alpha]) }),
        ...(beta !== undefined && { activation_beta: floats([beta]) }),
      },
    }),
  ),
];

describe("RNN, GRU and LSTM", () => {
  for (const test of CASES) {
    for (const precision of ["fx16", "fx32"] as const) {
      it(`${test.name}, ${precision}`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
      });
    }
  }

  it("leave the lengths of sequence and batch open", async () => {
    const random = new SeededRandom(3);
    const values = (count: number): number[] =>
      Array.from({ length: count }, () => random.int(-1000, 1000) / 1000);
    const b = new ModelBuilder(17);
    b.input("x", "float32", ["time", "batch", 3]);
    b.constant("w", tensor("float32", [2, 20, 3], values(120)));
    b.constant("r", tensor("float32", [2, 20, 5], values(200)));
    b.constant("b", tensor("float32", [2, 40], values(80)));
    b.node("LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], {
      hidden_size: 5,
      direction: "bidirectional",
    });
    for (const name of ["y", "h", "c"]) b.output(name, "float32");
    const model = b.encode();
    const sample = (time: number, batch: number) => ({
      elementType: "float32" as const,
      dims: [time, batch, 3],
      data: Float32Array.from(values(time * batch * 3)),
    });
    const calibration = await calibrate(model, [new Map([["x", sample(9, 2)]])]);
    const { bytes } = compile(model, { calibration: { ...calibration, dims: {} } });
    const instance = instantiate(bytes, { backend: createReferenceBackend() });
    const float = await openFloatModel(model);
    for (const [time, batch] of [
      [1, 1],
      [2, 3],
      [30, 1],
    ] as const) {
      const x = sample(time, batch);
      const expected = await float.run(new Map([["x", x]]));
      const { outputs } = instance.runSync({ inputs: { x: { dims: x.dims, reals: x.data } } });
      for (const name of ["y", "h", "c"]) {
        const exact = expected.get(name)!;
        expect(outputs![name]!.shape).toEqual(exact.dims);
        const got = outputs![name]!.reals("float64");
        exact.data.forEach((v, i) => expect(Math.abs(got[i]! - Number(v))).toBeLessThan(2e-3));
      }
    }
    await float.dispose();
    instance.dispose();
  });
});
