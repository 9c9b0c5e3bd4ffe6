// Products and sums: matmul, conv, mul.wide.
import { CONTRACTION_ROWS } from "../../../dist/opcodes/contraction.js";
import { broken, constant, ins, local, moduleOfBody, resources, single } from "../single.mjs";
import { Random, edges, info, tensor } from "../tensors.mjs";

const bitsOf = (dtype) => 8 * info(dtype).bytes;
/** Greatest magnitude of a value of so many bits. */
const magnitude = (dtype, bits) => (info(dtype).min < 0n ? 1n << BigInt(bits - 1) : (1n << BigInt(bits)) - 1n); // prettier-ignore
const within = (dtype, bits) => (info(dtype).min < 0n ? [-magnitude(dtype, bits), magnitude(dtype, bits) - 1n] : [0n, magnitude(dtype, bits)]); // prettier-ignore
/** How many terms an accumulator is sure to hold. */
const mostTerms = (a, aBits, b, bBits, accumulator) => Number(info(accumulator).max / (magnitude(a, aBits) * magnitude(b, bBits))); // prettier-ignore

/** The widest bits for which `terms` products fit the accumulator, narrowing the two by turns. */
function widestBits(a, b, accumulator, terms) {
  let [aBits, bBits] = [bitsOf(a), bitsOf(b)];
  while (mostTerms(a, aBits, b, bBits, accumulator) < terms) {
    if (aBits >= bBits) aBits--;
    else bBits--;
  }
  return { aBits, bBits, accumulator };
}

function operand(random, dtype, shape, bits) {
  return random.tensor(dtype, shape, ...within(dtype, bits));
}
const filled = (dtype, shape, value) => ({ dtype, shape, values: new Array(shape.reduce((p, d) => p * d, 1)).fill(value) }); // prettier-ignore

const SHAPE = { clauses: ["#shapes", "#results", "#meaning"] };
const RANGE = { trap: "OperandRange", clauses: ["#traps", "README.md#numerics", "execution.md#one-instruction"] }; // prettier-ignore
const BOUND = { trap: "AccumulatorBound", clauses: ["#traps", "README.md#numerics"] };
const MISFIT = { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] };

const PRODUCTS = [
  ["vector", [1, 5], [5, 1]],
  ["outer", [4, 1], [1, 6]],
  ["plain", [3, 7], [7, 5]],
  ["tile", [5, 33], [33, 9]],
  ["odd", [9, 15], [15, 17]],
  ["long", [2, 130], [130, 3]],
  ["batch", [2, 3, 4], [2, 4, 3]],
  ["batch-of-weights", [2, 3, 4], [4, 5]],
  ["batch-broadcast", [2, 1, 2, 3], [3, 3, 2]],
  ["no-terms", [2, 0], [0, 3]],
  ["no-rows", [0, 4], [4, 3]],
  ["no-columns", [2, 4], [4, 0]],
  ["no-batch", [0, 2, 2], [2, 2]],
  ["rank-8", [1, 2, 1, 1, 1, 1, 2, 3], [2, 1, 3, 2]],
];

export function matmul(file) {
  for (const [a, b, accumulator] of CONTRACTION_ROWS) {
    const row = `${a}-${b}-${accumulator}`;
    const random = new Random(`matmul${row}`);
    const named = (name, imm, operands, options) => single(file, "matmul", `${row}/${name}`, imm, operands, options); // prettier-ignore
    for (const [name, left, right] of PRODUCTS) {
      const imm = widestBits(a, b, accumulator, Math.max(1, left.at(-1)));
      const operands = [operand(random, a, left, imm.aBits), operand(random, b, right, imm.bBits)];
      named(name, imm, operands, SHAPE);
      if (["plain", "tile", "odd", "batch-of-weights"].includes(name)) {
        named(`${name}/weights`, imm, operands, { ...SHAPE, constants: [1] });
      }
    }
    // All products as large as they can be, as many as the accumulator holds, of either sign.
    const most = Math.min(mostTerms(a, bitsOf(a), b, bitsOf(b), accumulator), 64);
    const full = widestBits(a, b, accumulator, Math.max(most, 1));
    const k = Math.max(most, 1);
    const [aLow, aHigh] = within(a, full.aBits);
    const [bLow, bHigh] = within(b, full.bBits);
    for (const [name, x, y] of [
      ["low-low", aLow, bLow],
      ["high-high", aHigh, bHigh],
      ["low-high", aLow, bHigh],
    ]) {
      named(`ends/${name}`, full, [filled(a, [1, k], x), filled(b, [k, 2], y)]);
    }
    const few = { aBits: 3, bBits: 4, accumulator };
    const small = [operand(random, a, [2, 3], 3), operand(random, b, [3, 2], 4)];
    named("few-bits", few, small);
    const beyond = (x, bits, value) => ({ ...x, values: x.values.map((v, i) => (i === 4 ? value : v)), bits }); // prettier-ignore
    named("range/a", few, [beyond(small[0], 3, within(a, 3)[1] + 1n), small[1]], RANGE);
    named("range/b", few, [small[0], beyond(small[1], 4, within(b, 4)[1] + 1n)], RANGE);
    named("range/b/weights", few, [small[0], beyond(small[1], 4, within(b, 4)[1] + 1n)], { ...RANGE, constants: [1] }); // prettier-ignore
    if (info(a).min < 0n) named("range/a/below", few, [beyond(small[0], 3, within(a, 3)[0] - 1n), small[1]], RANGE); // prettier-ignore
    if (info(b).min < 0n) named("range/b/below", few, [small[0], beyond(small[1], 4, within(b, 4)[0] - 1n)], RANGE); // prettier-ignore
    named("misfit/inner", few, [operand(random, a, [2, 3], 3), operand(random, b, [2, 3], 4)], MISFIT); // prettier-ignore
    named("misfit/batch", few, [operand(random, a, [2, 1, 3], 3), operand(random, b, [3, 3, 1], 4)], MISFIT); // prettier-ignore
    resources(file, "matmul", row, widestBits(a, b, accumulator, 7), [operand(random, a, [3, 7], 2), operand(random, b, [7, 5], 2)]); // prettier-ignore
    accumulatorBound(file, "matmul", row, a, b, accumulator, (terms) => [[1, terms], [terms, 1]]); // prettier-ignore
  }
  broken(file, "matmul", { aBits: 8, bBits: 8, accumulator: "i32" }, [tensor("i8", [1, 2], [1, 2]), tensor("i8", [1, 2], [2, 1])]); // prettier-ignore
}

/**
 * Exactly as many terms as the accumulator is sure to hold, and one more: a trap where the operand
 * is known when running, invalid where it is a parameter.
 */
function accumulatorBound(file, op, row, a, b, accumulator, shapes, more = {}) {
  // As narrow as makes the number of terms small enough to be worth a vector.
  const imm = { aBits: bitsOf(a), bBits: bitsOf(b), accumulator, ...more };
  let terms = mostTerms(a, imm.aBits, b, imm.bBits, accumulator);
  if (terms > 2000) return;
  const zero = (dtype, shape) => filled(dtype, shape, 0n);
  const operands = (n) => shapes(n).map((shape, i) => zero(i === 0 ? a : b, shape));
  if (terms > 0) {
    single(file, op, `${row}/terms/most`, imm, operands(terms), { clauses: ["#traps"] });
    single(file, op, `${row}/terms/most/weights`, imm, operands(terms), { clauses: ["#traps", VALIDITY], constants: [1] }); // prettier-ignore
  } else {
    terms = 0;
  }
  single(file, op, `${row}/terms/one-more`, imm, operands(terms + 1), BOUND);
  const [x, w] = operands(terms + 1);
  const module = moduleOfBody(
    [{ dtype: a, rank: x.shape.length }],
    [{ dtype: accumulator, rank: x.shape.length }],
    [local(0), constant(0), ins(op, imm)],
    { parameters: [w] },
  );
  file.refuse(`${row}/terms/one-more/weights`, [VALIDITY], "invalid", "AccumulatorBound", module);
}

const VALIDITY = "#validity-beyond-kinds-and-types";

/** `[name, spatial input, channels, kernel, outputs, immediates]`, without batch. */
const WINDOWS = [
  ["point", [4, 4], 3, [1, 1], 5, {}],
  ["plain", [5, 6], 2, [3, 3], 3, {}],
  ["same", [5, 5], 3, [3, 3], 9, { pads: [1, 1, 1, 1] }],
  ["uneven-pads", [4, 5], 2, [2, 3], 4, { pads: [0, 2, 1, 1] }],
  ["strides", [7, 8], 2, [3, 2], 3, { strides: [2, 3] }],
  ["dilations", [7, 7], 2, [2, 3], 3, { dilations: [3, 2] }],
  ["all", [9, 8], 2, [3, 3], 4, { strides: [2, 1], dilations: [2, 1], pads: [2, 1, 1, 0] }],
  ["groups", [4, 4], 4, [3, 3], 6, { groups: 2, pads: [1, 1, 1, 1] }],
  ["depthwise", [5, 6], 5, [3, 3], 5, { groups: 5, pads: [1, 1, 1, 1] }],
  ["depthwise-wide", [4, 4], 16, [3, 3], 16, { groups: 16, strides: [2, 2], pads: [1, 1, 1, 1] }],
  ["depthwise-twofold", [4, 4], 3, [2, 2], 6, { groups: 3 }],
  ["line", [9], 3, [4], 5, { pads: [2, 1] }],
  ["volume", [3, 4, 3], 2, [2, 3, 2], 3, { pads: [1, 1, 0, 0, 1, 1] }],
  ["window-of-padding", [1, 1], 2, [1, 1], 2, { pads: [2, 2, 2, 2] }],
  ["no-channels", [3, 3], 0, [2, 2], 3, {}],
  ["no-outputs", [3, 3], 2, [2, 2], 0, {}],
  ["empty-image-padded", [0, 2], 2, [1, 1], 2, { pads: [1, 0, 1, 0] }],
];

function convImm(bits, rank, { pads, strides, dilations, groups = 1 }, padValue) {
  return {
    ...bits,
    strides: strides ?? new Array(rank).fill(1),
    dilations: dilations ?? new Array(rank).fill(1),
    pads: pads ?? new Array(2 * rank).fill(0),
    groups,
    padValue,
  };
}

export function conv(file) {
  for (const [a, b, accumulator] of CONTRACTION_ROWS) {
    const row = `${a}-${b}-${accumulator}`;
    const random = new Random(`conv${row}`);
    const named = (name, imm, operands, options) => single(file, "conv", `${row}/${name}`, imm, operands, options); // prettier-ignore
    for (const [name, image, channels, kernel, outputs, window] of WINDOWS) {
      const perGroup = channels / (window.groups ?? 1);
      const terms = kernel.reduce((product, w) => product * w, perGroup);
      const bits = widestBits(a, b, accumulator, Math.max(terms, 1));
      const padValue = random.value(...within(a, bits.aBits));
      const imm = convImm(bits, image.length, window, padValue);
      const batch = name === "plain" ? 2 : 1;
      const operands = [
        operand(random, a, [batch, ...image, channels], bits.aBits),
        operand(random, b, [...kernel, perGroup, outputs], bits.bBits),
      ];
      named(name, imm, operands, SHAPE);
      named(`${name}/weights`, imm, operands, { ...SHAPE, constants: [1] });
    }
    const few = (more = {}) => convImm({ aBits: 3, bBits: 4, accumulator }, 1, more, 0n);
    const of = (image, channels, kernel, perGroup, outputs) => [
      operand(random, a, [1, image, channels], 3),
      operand(random, b, [kernel, perGroup, outputs], 4),
    ];
    const [x, w] = of(4, 2, 2, 2, 2);
    const beyond = (t, value) => ({ ...t, values: t.values.map((v, i) => (i === 3 ? value : v)) });
    named("range/a", few(), [beyond(x, within(a, 3)[1] + 1n), w], RANGE);
    named("range/b", few(), [x, beyond(w, within(b, 4)[1] + 1n)], RANGE);
    named("range/b/weights", few(), [x, beyond(w, within(b, 4)[1] + 1n)], { ...RANGE, constants: [1] }); // prettier-ignore
    named("no-batch", few(), [operand(random, a, [0, 4, 2], 3), w], SHAPE);
    named("misfit/channels", few(), of(4, 2, 2, 3, 2), MISFIT);
    named("misfit/groups", few({ groups: 2 }), of(4, 3, 2, 1, 2), MISFIT);
    named("misfit/groups-of-outputs", few({ groups: 2 }), of(4, 2, 2, 1, 3), MISFIT);
    named("misfit/window", few(), of(2, 2, 3, 2, 1), MISFIT);
    named("misfit/dilated-window", few({ dilations: [3] }), of(3, 1, 2, 1, 1), MISFIT);
    named("misfit/no-taps", few(), of(2, 2, 0, 2, 1), MISFIT);
    resources(file, "conv", row, convImm({ aBits: 3, bBits: 3, accumulator }, 2, { pads: [1, 1, 1, 1] }, 0n), [operand(random, a, [1, 3, 4, 2], 3), operand(random, b, [3, 3, 2, 5], 3)]); // prettier-ignore
    resources(file, "conv", `${row}/depthwise`, convImm({ aBits: 3, bBits: 3, accumulator }, 1, { groups: 3 }, 0n), [operand(random, a, [2, 5, 3], 3), operand(random, b, [2, 1, 3], 3)]); // prettier-ignore
    accumulatorBound(file, "conv", row, a, b, accumulator, (n) => [[1, n, 1], [n, 1, 1]], convImm({}, 1, {}, 0n)); // prettier-ignore
  }
  const imm = convImm({ aBits: 7, bBits: 8, accumulator: "i32" }, 2, {}, 1n);
  broken(file, "conv", imm, [tensor("i8", [1], [1, 1, 1, 1]), tensor("i8", [2], [1, 1, 1, 1])]);
}

export function mulWide(file) {
  for (const [a, b, accumulator] of CONTRACTION_ROWS) {
    const row = `${a}-${b}-${accumulator}`;
    const random = new Random(`mul.wide${row}`);
    const named = (name, operands, options) => single(file, "mul.wide", `${row}/${name}`, { accumulator }, operands, options); // prettier-ignore
    named("pairs", [tensor(a, edges(a), [edges(a).length, 1]), tensor(b, edges(b))]);
    for (const length of [1, 16, 35]) named(`random/${length}`, [random.tensor(a, [length]), random.tensor(b, [length])]); // prettier-ignore
    for (const [name, left, right] of [
      ["scalars", [], []],
      ["scalar", [], [3]],
      ["row", [2, 3], [3]],
      ["both", [4, 1, 3], [2, 1]],
      ["empty", [0], [1]],
      ["all-empty", [2, 0], [0]],
      ["rank-8", [1, 2, 1, 1, 2, 1, 1, 2], [2, 1, 1]],
    ]) {
      named(`broadcast/${name}`, [random.tensor(a, left), random.tensor(b, right)], SHAPE);
    }
    named("misfit", [random.tensor(a, [2, 3]), random.tensor(b, [2])], MISFIT);
    resources(file, "mul.wide", row, { accumulator }, [random.tensor(a, [2, 3]), random.tensor(b, [3])]); // prettier-ignore
  }
  broken(file, "mul.wide", { accumulator: "i32" }, [tensor("i8", [1]), tensor("i8", [2])]);
}
