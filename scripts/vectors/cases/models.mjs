// Whole models: the demo's digits as `aivm compile` made it, and nets whose weights are drawn at random.
import { readFileSync } from "node:fs";
import { loadDigits } from "../../../examples/digits.mjs";
import { decodeModule } from "../../../dist/module/index.js";
import { build } from "./control.mjs";
import { END, constant, ins, local, moduleOfBody } from "../single.mjs";
import { Random, tensor, valuesOf } from "../tensors.mjs";

const CLAUSES = ["README.md#numerics", "execution.md#values", "execution.md#control"];
const type = (dtype, rank) => ({ dtype, rank });
const scalar = (dtype, value) => ins("scalar", { dtype, value: BigInt(value) });

export function digits(file) {
  // Frozen: what the compiler makes of the model may change, what this module computes may not.
  const bytes = readFileSync(new URL("../digits.aivm", import.meta.url));
  const module = decodeModule(new Uint8Array(bytes));
  module.tensors = module.parameters.map(({ dtype, shape }, i) => ({ dtype, shape, values: valuesOf(dtype, module.parameterData[i]) })); // prettier-ignore
  const { heldOut } = loadDigits();
  const [{ scale }] = module.configuration.entries[0].inputs;
  for (const label of [3, 7]) {
    const { pixels } = heldOut.find((digit) => digit.label === label);
    const step = scale.mantissa * 2 ** scale.exponent;
    // Near enough to the reals: what goes in are these integers.
    const values = Array.from(pixels, (x) => Math.round(x / step));
    const { results } = file.run(`digits/${label}`, CLAUSES, module, [tensor("i16", values, [1, 1, 28, 28])]); // prettier-ignore
    const [{ values: likely }] = results;
    const best = likely.reduce((best, p, i) => (p > likely[best] ? i : best), 0);
    if (best !== label) throw new RangeError(`the digit ${label} is taken for ${best}`);
  }
}

/** Convolutions, a bias, rounding by channel, pools, a table, a product, the best class. */
export function convolutional(file) {
  for (let seed = 0; seed < 8; seed++) {
    const random = new Random(`convolutional${seed}`);
    const [channels, width, classes] = [random.int(1, 4), 8 * random.int(1, 2), random.int(2, 7)];
    const [small, smallest] = [-(1n << 11n), (1n << 11n) - 1n];
    const parameters = [
      random.tensor("i8", [3, 3, channels, width], -64n, 63n),
      random.tensor("i32", [width], -100_000n, 100_000n),
      random.tensor("i32", [width], 1n << 28n, 1n << 30n),
      random.tensor("i8", [width], 36n, 40n),
      random.tensor("i8", [3, 3, 1, width]),
      random.tensor("i8", [256]),
      random.tensor("i8", [width, classes]),
    ];
    const window = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] };
    const spread = { dtype: "i16", zeroPoint: 0n, lo: 0n, hi: 2047n };
    const body = [
      local(0),
      constant(0),
      ins("conv", { aBits: 12, bBits: 7, accumulator: "i32", ...window, groups: 1, padValue: 3n }),
      constant(1),
      ins("add"),
      constant(2),
      constant(3),
      ins("rescale.by", spread),
      constant(4),
      ins("conv", { aBits: 12, bBits: 8, accumulator: "i32", ...window, groups: width, padValue: 0n }), // prettier-ignore
      ins("rescale", { multiplier: 0x5a5a5a5a, shift: 42, dtype: "i8", zeroPoint: -3n, lo: -128n, hi: 127n }), // prettier-ignore
      constant(5),
      ins("lut"),
      ins("pool.max", { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0] }),
      ins("reduce.sum", { axes: [1, 2], dtype: "i32" }),
      ins("rescale", { multiplier: 1, shift: 2, dtype: "i8", zeroPoint: 0n, lo: -128n, hi: 127n }),
      ins("reshape", { dims: [-3, -1] }),
      constant(6),
      ins("matmul", { aBits: 8, bBits: 8, accumulator: "i32" }),
      ins("local.tee", { local: 1 }),
      local(1),
      ins("argmax", { axis: 1 }),
    ];
    const module = moduleOfBody([type("i16", 4)], [type("i32", 2), type("i32", 2)], body, { locals: [type("i32", 2)], parameters }); // prettier-ignore
    for (const [batch, size] of [
      [1, 6],
      [2, 5],
      [0, 4],
    ]) {
      const x = random.tensor("i16", [batch, size, size + 1, channels], small, smallest);
      // Nothing can be inferred beside a batch of 0.
      const options = batch === 0 ? { trap: "ShapeMismatch" } : {};
      file.run(`convolutional/${seed}/${batch}x${size}`, CLAUSES, module, [x], options);
    }
    file.run(`convolutional/${seed}/range`, CLAUSES, module, [tensor("i16", new Array(16 * channels).fill(2048), [1, 4, 4, channels])], { trap: "OperandRange" }); // prettier-ignore
  }
}

/** A gated recurrence over time: a loop whose length is known only when it runs. */
export function recurrent(file) {
  const { block, loop, br, brIf } = build;
  const none = [];
  for (let seed = 0; seed < 6; seed++) {
    const random = new Random(`recurrent${seed}`);
    const [inputs, hidden] = [random.int(1, 5), random.int(1, 9)];
    // Rising tables: a gate from 0 to 1, a value from −1 to 1, in 15 bits.
    const rising = (from, to) => tensor("i32", Array.from({ length: 65 }, (_, i) => from + ((to - from) * i) / 64)); // prettier-ignore
    const parameters = [
      random.tensor("i8", [inputs, 2 * hidden]),
      random.tensor("i8", [hidden, 2 * hidden]),
      random.tensor("i32", [2 * hidden], -50_000n, 50_000n),
      rising(0, 32_704),
      rising(-32_640, 32_640),
    ];
    const half = (start, end) =>
      ins("slice", { starts: [0, start], ends: [1, end], steps: [1, 1] });
    const through = (table) => [constant(table), ins("lut.interpolate", { segmentsLog2: 6, guardBits: 0, dtype: "i16" })]; // prettier-ignore
    const product = { aBits: 16, bBits: 8, accumulator: "i32" };
    // Locals: 0 the sequence, 1 the state, 2 step, 3 steps, 4 gates.
    const body = [
      local(0),
      ins("shape"),
      scalar("i32", 0),
      ins("gather", { axis: 0 }),
      ins("local.set", { local: 3 }),
      block(none, none),
      loop(none, none),
      local(2),
      local(3),
      ins("lt"),
      ins("not"),
      brIf(1),
      local(0),
      local(2),
      ins("gather", { axis: 0 }),
      ins("reshape", { dims: [1, inputs] }),
      constant(0),
      ins("matmul", product),
      local(1),
      constant(1),
      ins("matmul", product),
      ins("add"),
      constant(2),
      ins("add"),
      ins("rescale", { multiplier: 3, shift: 9, dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n }), // prettier-ignore
      ins("local.tee", { local: 4 }),
      half(0, hidden),
      ...through(3),
      ins("local.take", { local: 4 }),
      half(hidden, 2 * hidden),
      ...through(4),
      local(1),
      ins("sub"),
      ins("mul.wide", { accumulator: "i32" }),
      ins("rescale", { multiplier: 1, shift: 15, dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n }), // prettier-ignore
      local(1),
      ins("add"),
      ins("local.set", { local: 1 }),
      local(2),
      scalar("i64", 1),
      ins("add"),
      ins("local.set", { local: 2 }),
      br(0),
      END,
      END,
      local(1),
    ];
    const module = moduleOfBody([type("i16", 2), type("i16", 2)], [type("i16", 2)], body, { locals: [type("i64", 0), type("i64", 0), type("i16", 2)], parameters }); // prettier-ignore
    for (const steps of [0, 1, 7]) {
      const sequence = random.tensor("i16", [steps, inputs], -4000n, 4000n);
      file.run(`recurrent/${seed}/${steps}`, CLAUSES, module, [sequence, random.tensor("i16", [1, hidden], -20_000n, 20_000n)]); // prettier-ignore
    }
    const sequence = random.tensor("i16", [5, inputs]);
    const state = random.tensor("i16", [1, hidden]);
    const { gasUsed } = file.run(`recurrent/${seed}/wide`, CLAUSES, module, [sequence, state]);
    file.run(`recurrent/${seed}/half-the-gas`, CLAUSES, module, [sequence, state], { limits: { gas: gasUsed / 2n }, trap: "OutOfGas" }); // prettier-ignore
  }
}

/** Scores, their exponentials from a table, exact sums, one quotient, the weighted values. */
export function attention(file) {
  for (let seed = 0; seed < 6; seed++) {
    const random = new Random(`attention${seed}`);
    const depth = random.int(1, 8);
    // 2^15 · 2^(−i / 8), by halving and integer roots of two in 16 bits.
    const roots = [65_536n, 60_097n, 55_109n, 50_535n, 46_341n, 42_495n, 38_968n, 35_734n];
    const exponentials = tensor("i32", Array.from({ length: 65 }, (_, i) => roots[(64 - i) % 8] >> BigInt(1 + Math.floor((64 - i) / 8)))); // prettier-ignore
    const interval = { dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n };
    const head = { params: [type("i16", 3), type("i16", 3), type("i16", 3), type("bool", 2)], results: [type("i16", 3)] }; // prettier-ignore
    const body = [
      local(0),
      local(1),
      ins("transpose", { perm: [0, 2, 1] }),
      ins("matmul", { aBits: 12, bBits: 12, accumulator: "i32" }),
      ins("local.set", { local: 4 }),
      // What is masked is out of the running.
      local(3),
      ins("local.take", { local: 4 }),
      scalar("i32", -(2 ** 31)),
      ins("select"),
      ins("local.tee", { local: 4 }),
      ins("local.take", { local: 4 }),
      ins("reduce.max", { axes: [2] }),
      ins("sub"),
      ins("rescale", { multiplier: 1, shift: 7, ...interval, zeroPoint: 32_767n }),
      constant(0),
      ins("lut.interpolate", { segmentsLog2: 6, guardBits: 0, dtype: "i32" }),
      ins("cast", { dtype: "i64" }),
      ins("local.tee", { local: 5 }),
      scalar("i64", 15),
      ins("shl"),
      ins("local.take", { local: 5 }),
      ins("reduce.sum", { axes: [2], dtype: "i64" }),
      ins("div.floor"),
      ins("cast", { dtype: "i16" }),
      local(2),
      ins("matmul", { aBits: 16, bBits: 12, accumulator: "i32" }),
      ins("rescale", { multiplier: 1, shift: 15, ...interval }),
      END,
    ];
    // The head is a function of its own; the entry puts its result back onto the queries.
    const module = moduleOfBody(head.params, [type("i16", 3)], [local(0), local(1), local(2), local(3), ins("call", { function: 1 }), local(0), ins("rescale.add", { aMultiplier: 3, bMultiplier: 5, shift: 3, ...interval })], { more: [{ ...head, locals: [type("i32", 3), type("i64", 3)], body }], parameters: [exponentials] }); // prettier-ignore
    for (const [batch, queries, keys] of [
      [1, 3, 3],
      [2, 4, 6],
      [1, 1, 1],
      [0, 2, 2],
    ]) {
      const of = (length) => random.tensor("i16", [batch, length, depth], -2048n, 2047n);
      // The lower triangle.
      const mask = tensor("bool", Array.from({ length: queries * keys }, (_, i) => Number(i % keys <= Math.floor(i / keys))), [queries, keys]); // prettier-ignore
      file.run(`attention/${seed}/${batch}x${queries}x${keys}`, CLAUSES, module, [of(queries), of(keys), of(keys), mask]); // prettier-ignore
    }
  }
}

/** Chains that tempt an engine to fuse where the steps between saturate, or are read again. */
export function chains(file) {
  const window = { strides: [1], dilations: [1], pads: [1, 1], groups: 1, padValue: 0n };
  const saturating = random32("chains");
  const steps = {
    bias: [constant(1), ins("add")],
    rescale: [ins("rescale", { multiplier: 0x40000001, shift: 40, dtype: "i8", zeroPoint: 7n, lo: -100n, hi: 100n })], // prettier-ignore
    again: [ins("local.tee", { local: 1 }), local(1), ins("sub")],
    clamp: [ins("clamp", { lo: -1000n, hi: 1000n })],
    wide: [ins("cast", { dtype: "i64" }), ins("rescale", { multiplier: 3, shift: 2, dtype: "i32", zeroPoint: 0n, lo: -(1n << 31n), hi: (1n << 31n) - 1n })], // prettier-ignore
    neg: [ins("neg")],
  };
  const CHAINS = [["bias", "rescale"], ["bias", "bias", "rescale"], ["clamp", "bias", "rescale"], ["bias", "neg", "rescale"], ["bias", "again", "rescale"], ["wide", "bias", "rescale"], ["bias", "wide", "clamp"], ["neg", "bias"], ["bias"], ["again"], ["rescale"]]; // prettier-ignore
  for (const names of CHAINS) {
    const last = names.at(-1) === "rescale" ? "i8" : "i32";
    for (const [op, imm, shape, weights] of [
      ["matmul", {}, [3, 9], [9, 10]],
      ["conv", window, [1, 9, 4], [3, 4, 10]],
    ]) {
      const random = new Random(`chain${op}${names}`);
      const body = [local(0), constant(0), ins(op, { aBits: 16, bBits: 8, accumulator: "i32", ...imm }), ...names.flatMap((name) => steps[name])]; // prettier-ignore
      const rank = shape.length;
      const module = moduleOfBody([type("i16", rank)], [type(last, rank)], body, { locals: [type("i32", rank)], parameters: [random.tensor("i8", weights), saturating] }); // prettier-ignore
      for (const [name, x] of [
        ["random", random.tensor("i16", shape)],
        [
          "ends",
          tensor(
            "i16",
            random.tensor("bool", shape).values.map((v) => (v === 0n ? -32_768n : 32_767n)),
            shape,
          ),
        ],
      ]) {
        file.run(`chains/${op}/${names.join("-")}/${name}`, [...CLAUSES, "execution.md#one-instruction"], module, [x]); // prettier-ignore
      }
    }
  }
}

/** Biases at the ends of i32, so that sums beyond it saturate before the next step. */
function random32(seed) {
  const values = new Random(seed).tensor("i32", [10]).values;
  return tensor("i32", [(1n << 31n) - 1n, -(1n << 31n), ...values.slice(2)]);
}
