// What the gas schedule is measured on: every instruction, over dtypes, over sizes, and in the
// shapes that cost most for what they compute.
import { DTYPES, INTEGER_DTYPES } from "../../dist/core/dtype.js";
import { CONTRACTION_ROWS } from "../../dist/opcodes/contraction.js";

/** @typedef {import("../../dist/core/dtype.js").Dtype} Dtype */
/**
 * An operand, and within which values it lies; all of its dtype where nothing is said.
 * @typedef {{ dtype: Dtype, shape: readonly number[], lo?: number, hi?: number }} Operand
 */
/**
 * @typedef {object} GasCase
 * @property {import("../../dist/opcodes/index.js").TensorOpName} op
 * @property {import("../../dist/opcodes/record.js").AnyImmediates} imm
 * @property {readonly Operand[]} operands
 * @property {boolean} [fresh] whether the second operand is made anew for every execution, so that
 *   whatever an engine prepares of it is never found prepared
 */

/** Sizes between 10 µs and some milliseconds. */
const FLAT = /** @type {const} */ ([16_384, 262_144]);

/** @returns {GasCase[]} */
export function gasCases() {
  return [
    ...contractions(),
    ...rescales(),
    ...luts(),
    ...elementwise(),
    ...reductions(),
    ...movement(),
    ...indexing(),
    ...small(),
  ];
}

/** One of each kind so small that only the base counts. */
function small() {
  const ints = (/** @type {number[]} */ ...shape) => tensor("i32", shape, 0, 1);
  /** @type {readonly [GasCase["op"], object, ...Operand[]][]} */
  const list = [
    [
      "matmul",
      { aBits: 8, bBits: 8, accumulator: "i32" },
      tensor("i8", [2, 2]),
      tensor("i8", [2, 2]),
    ],
    ["add", {}, ints(4), ints(4)],
    ["add", {}, ints(4, 1), ints(1, 4)],
    ["lt", {}, ints(), ints()],
    ["select", {}, tensor("bool", [4]), ints(4), ints(4)],
    ["neg", {}, ints(4)],
    ["cast", { dtype: "i64" }, ints(4)],
    ["div.floor", {}, ints(4), ints(4)],
    ["shl", {}, ints(4), ints()],
    ["sqrt.floor", {}, ints(4)],
    ["normalize", {}, ints(4)],
    ["lut", {}, tensor("i8", [4]), tensor("i8", [256])],
    ["reduce.sum", { axes: [0], dtype: "i64" }, ints(4, 4)],
    ["reduce.max", { axes: [1] }, ints(4, 4)],
    ["argmax", { axis: 1 }, ints(4, 4)],
    ["argsort", { axis: 1 }, ints(4, 4)],
    ["cumsum", { axis: 1, dtype: "i64" }, ints(4, 4)],
    ["transpose", { perm: [1, 0] }, ints(4, 4)],
    ["slice", { starts: [1], ends: [3], steps: [1] }, ints(4)],
    ["concat", { count: 2, axis: 0 }, ints(4), ints(4)],
    ["gather", { axis: 0 }, ints(4), ints(2)],
    ["scatter", { axis: 0 }, ints(4), ints(2), ints(2)],
    ["scatter.add", { axis: 0 }, ints(4), ints(2), ints(2)],
    ["pad", { before: [1], after: [1], interior: [0], value: 0n }, ints(4)],
    ["expand", { dims: [4, 4] }, ints(4)],
    ["reshape", { dims: [2, 2] }, ints(4)],
    ["shape", {}, ints(4)],
    ["iota", { dims: [4] }],
    ["nonzero", {}, ints(4)],
  ];
  const cases = list.map(
    ([op, imm, ...operands]) => /** @type {GasCase} */ ({ op, imm, operands }),
  );
  cases.push(convolution("i8", "i8", [1, 3, 3, 1], [3, 3, 1, 1]));
  const window = { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
  cases.push({ op: "pool.max", imm: window, operands: [ints(1, 3, 3, 1)] });
  for (const op of /** @type {const} */ (["resize.nearest", "resize.linear"])) {
    const factors = { sizes: [4], numerators: [1], denominators: [2], offsets: [0] };
    const imm = op === "resize.linear" ? { ...factors, dtype: "i64" } : factors;
    cases.push({ op, imm, operands: [ints(1, 2, 1)] });
  }
  const narrow = { dtype: "i8", zeroPoint: 0n, lo: -128n, hi: 127n };
  cases.push({ op: "rescale", imm: { multiplier: 3, shift: 8, ...narrow }, operands: [ints(4)] });
  return cases;
}

/** @type {(dtype: Dtype, shape: readonly number[], lo?: number, hi?: number) => Operand} */
const tensor = (dtype, shape, lo, hi) => ({
  dtype,
  shape,
  ...(lo === undefined ? {} : { lo }),
  ...(hi === undefined ? {} : { hi }),
});
const full = (/** @type {Dtype} */ dtype) => {
  if (dtype === "bool") return { lo: 0n, hi: 1n };
  const bits = BigInt({ u8: 8, i8: 8, i16: 16, i32: 32, i64: 64 }[dtype]);
  if (dtype === "u8") return { lo: 0n, hi: 255n };
  return { lo: -(1n << (bits - 1n)), hi: (1n << (bits - 1n)) - 1n };
};

function contractions() {
  /** @type {GasCase[]} */
  const cases = [];
  const rows = CONTRACTION_ROWS.filter(([, , accumulator]) => accumulator === "i64");
  for (const [a, b] of rows) {
    for (const [m, k, n] of [
      [128, 128, 128],
      [32, 512, 64],
    ]) {
      cases.push(product("matmul", a, b, [m, k], [k, n]));
    }
    cases.push(convolution(a, b, [1, 16, 16, 32], [3, 3, 32, 32]));
    cases.push(convolution(a, b, [1, 32, 32, 32], [3, 3, 1, 32], { groups: 32 }));
  }
  for (const [a, b] of /** @type {const} */ ([
    ["i16", "i16"],
    ["u8", "i8"],
    ["i32", "i32"],
  ])) {
    for (const [m, k, n, ...batch] of [
      [512, 512, 512],
      [512, 1, 512],
      [512, 2, 512],
      [2048, 512, 1],
      [1, 1024, 1024],
      [1, 1, 65_536],
      [65_536, 1, 1],
      [2, 4096, 2],
      [1, 1, 1, 16_384],
      [2, 2, 2, 8192],
      [3, 3, 3, 4096],
      [4, 64, 4, 512],
      [16, 16, 16, 512],
      [1, 64, 1, 4096],
      [64, 32, 64, 16],
      [7, 9, 9, 64, 16],
    ]) {
      cases.push(product("matmul", a, b, [...batch, m, k], [...batch, k, n]));
    }
    for (const [m, k, n, ...batch] of [
      [1, 1024, 1024],
      [8, 256, 1024],
      [64, 64, 64, 16],
      [128, 128, 128],
    ]) {
      const made = product("matmul", a, b, [...batch, m, k], [...batch, k, n]);
      cases.push({ ...made, fresh: true });
    }
    cases.push({ ...convolution(a, b, [1, 8, 8, 64], [3, 3, 64, 64]), fresh: true });
    cases.push(product("matmul", a, b, [4096, 4, 4], [4, 4]));
    cases.push(product("matmul", a, b, [1, 256, 8, 8], [64, 1, 8, 8]));
    const shapes = /** @type {const} */ ([
      [[1, 64, 64, 3], [3, 3, 3, 16], { strides: [2, 2] }],
      [[1, 64, 64, 16], [1, 1, 16, 64], {}],
      [[1, 7, 7, 256], [1, 1, 256, 256], {}],
      [[1, 32, 32, 16], [5, 5, 16, 16], { pads: [2, 2, 2, 2] }],
      [[1, 32, 32, 16], [3, 3, 16, 16], { dilations: [2, 2] }],
      [[1, 128, 128, 1], [3, 3, 1, 1], {}],
      [[4096, 2, 2, 1], [2, 2, 1, 1], {}],
      [[1024, 3, 3, 4], [3, 3, 4, 4], {}],
      [[1, 32, 32, 64], [3, 3, 2, 64], { groups: 32 }],
      [[1, 32, 32, 64], [1, 1, 16, 64], { groups: 4 }],
      [[1, 16, 16, 512], [1, 1, 2, 512], { groups: 256 }],
      [[64, 4, 4, 64], [3, 3, 1, 64], { groups: 64 }],
      [[1, 64, 64, 32], [5, 5, 1, 32], { groups: 32, pads: [2, 2, 2, 2] }],
      [[1, 64, 64, 32], [3, 3, 1, 32], { groups: 32, strides: [2, 2] }],
      [[1, 32, 32, 8], [3, 3, 1, 16], { groups: 8 }],
      [[1, 128, 128, 3], [1, 1, 1, 3], { groups: 3 }],
      [[1, 4096, 8], [3, 8, 8], {}],
      [[1, 4096, 16], [9, 1, 16], { groups: 16 }],
      [[1, 12, 12, 12, 8], [3, 3, 3, 8, 8], {}],
      [[1, 12, 12, 12, 8], [3, 3, 3, 1, 8], { groups: 8 }],
      [[1, 8, 8, 4], [3, 3, 4, 4], { pads: [64, 64, 64, 64] }],
      [[1, 256, 256, 4], [1, 1, 4, 4], { strides: [8, 8] }],
    ]);
    for (const [x, w, more] of shapes) cases.push(convolution(a, b, x, w, more));
  }
  for (const [a, b] of /** @type {const} */ ([
    ["i16", "i16"],
    ["u8", "i8"],
    ["i32", "i32"],
  ])) {
    for (const [x, y] of broadcasts()) {
      cases.push({
        op: "mul.wide",
        imm: { accumulator: "i64" },
        operands: [tensor(a, x), tensor(b, y)],
      });
    }
  }
  return cases;
}

/** Bits that leave room for any number of terms here. */
const BITS = { u8: 8, i8: 8, i16: 16, i32: 24 };
const bitsOf = (/** @type {Dtype} */ dtype) => BITS[/** @type {keyof typeof BITS} */ (dtype)];
const inBits = (/** @type {Dtype} */ dtype, /** @type {readonly number[]} */ shape) =>
  dtype === "i32" ? tensor(dtype, shape, -(2 ** 23), 2 ** 23 - 1) : tensor(dtype, shape);

/** @returns {GasCase} */
function product(
  /** @type {"matmul"} */ op,
  /** @type {Dtype} */ a,
  /** @type {Dtype} */ b,
  /** @type {readonly number[]} */ x,
  /** @type {readonly number[]} */ y,
) {
  const imm = { aBits: bitsOf(a), bBits: bitsOf(b), accumulator: "i64" };
  return { op, imm, operands: [inBits(a, x), inBits(b, y)] };
}

/** @returns {GasCase} */
function convolution(
  /** @type {Dtype} */ a,
  /** @type {Dtype} */ b,
  /** @type {readonly number[]} */ x,
  /** @type {readonly number[]} */ w,
  more = {},
) {
  const axes = x.length - 2;
  const imm = {
    aBits: bitsOf(a),
    bBits: bitsOf(b),
    accumulator: "i64",
    strides: Array(axes).fill(1),
    dilations: Array(axes).fill(1),
    pads: Array(2 * axes).fill(0),
    groups: 1,
    padValue: 0n,
    ...more,
  };
  return { op: "conv", imm, operands: [inBits(a, x), inBits(b, w)] };
}

/** Pairs of shapes: alike, by scalars, rows, columns, tiny rows, alternating axes. */
function broadcasts() {
  return /** @type {readonly (readonly [readonly number[], readonly number[]])[]} */ ([
    [[16_384], [16_384]],
    [[262_144], [262_144]],
    [[65_536], []],
    [[], [65_536]],
    [[1024, 64], [64]],
    [
      [1024, 64],
      [1024, 1],
    ],
    [[32_768, 2], [2]],
    [
      [32_768, 2],
      [32_768, 1],
    ],
    [
      [16, 1, 16, 1, 16],
      [1, 16, 1, 16, 1],
    ],
    [
      [4, 1, 4, 1, 4, 1, 4, 1],
      [1, 4, 1, 4, 1, 4, 1, 4],
    ],
    [
      [64, 1],
      [1, 1024],
    ],
    [
      [1, 1024],
      [64, 1],
    ],
  ]);
}

function rescales() {
  /** @type {GasCase[]} */
  const cases = [];
  const output = (/** @type {Dtype} */ dtype) => ({ dtype, zeroPoint: 0n, ...full(dtype) });
  for (const x of INTEGER_DTYPES) {
    for (const y of INTEGER_DTYPES) {
      for (const n of FLAT) {
        const imm = { multiplier: 0x5a5a5a5a, shift: x === "i64" ? 50 : 40, ...output(y) };
        cases.push({ op: "rescale", imm, operands: [tensor(x, [n])] });
      }
    }
    for (const [multiplier, shift] of /** @type {const} */ ([
      [-3, 1],
      [-3, 31],
      [-3, 62],
      [3, 1],
      [3, 3],
      [3, 31],
      [0x40000001, 30],
      [0x40000001, 31],
      [0x40000001, 32],
      [0x7fffffff, 62],
    ])) {
      const imm = { multiplier, shift, ...output("i16") };
      cases.push({ op: "rescale", imm, operands: [tensor(x, [65_536])] });
    }
    for (const y of /** @type {const} */ (["i32", "i64"])) {
      const factors = [tensor("i32", [64]), tensor("i8", [64], 1, 62)];
      const operands = [tensor(x, [1024, 64]), ...factors];
      cases.push({ op: "rescale.by", imm: output(y), operands });
    }
    for (const [rows, multiplier, shift] of /** @type {const} */ ([
      [[1024, 64], [64], [64]],
      [[1024, 64], [64], []],
      [
        [1024, 64],
        [1024, 1],
        [1024, 1],
      ],
      [
        [1024, 64],
        [1024, 64],
        [1024, 64],
      ],
      [[32_768, 2], [2], [2]],
      [
        [32_768, 2],
        [32_768, 1],
        [32_768, 1],
      ],
      [
        [16, 16, 16, 16],
        [16, 1, 16, 1],
        [1, 16, 1, 16],
      ],
      [[65_536], [], []],
    ])) {
      cases.push({
        op: "rescale.by",
        imm: output("i16"),
        operands: [tensor(x, rows), tensor("i32", multiplier), tensor("i8", shift, 1, 62)],
      });
    }
  }
  for (const dtype of /** @type {const} */ (["u8", "i8", "i16", "i32"])) {
    const imm = { aMultiplier: 0x12345678, bMultiplier: -0x12345678, shift: 32, ...output("i16") };
    const wide = { ...imm, ...output("i64") };
    const alike = [tensor(dtype, [16_384]), tensor(dtype, [16_384])];
    cases.push({ op: "rescale.add", imm: wide, operands: alike });
    cases.push({ op: "rescale.add", imm: { ...wide, ...output("i32") }, operands: alike });
    for (const [a, b] of broadcasts()) {
      cases.push({ op: "rescale.add", imm, operands: [tensor(dtype, a), tensor(dtype, b)] });
    }
  }
  return cases;
}

function luts() {
  /** @type {GasCase[]} */
  const cases = [];
  for (const table of DTYPES) {
    for (const n of FLAT) {
      cases.push({ op: "lut", imm: {}, operands: [tensor("i8", [n]), tensor(table, [256])] });
      cases.push({ op: "lut", imm: {}, operands: [tensor("i16", [n]), tensor(table, [65_536])] });
    }
  }
  for (const dtype of INTEGER_DTYPES) {
    for (const segmentsLog2 of [6, 9, 13]) {
      const imm = { segmentsLog2, guardBits: 4, dtype };
      const table = tensor("i32", [2 ** segmentsLog2 + 1]);
      for (const n of FLAT) {
        cases.push({ op: "lut.interpolate", imm, operands: [tensor("i16", [n]), table] });
      }
    }
  }
  return cases;
}

function elementwise() {
  /** @type {GasCase[]} */
  const cases = [];
  const binary = /** @type {const} */ ([
    "add",
    "sub",
    "mul",
    "div.floor",
    "div.trunc",
    "mod.floor",
    "mod.trunc",
    "min",
    "max",
    "and",
    "or",
    "xor",
    "shl",
    "shr",
    "eq",
    "lt",
    "le",
  ]);
  for (const op of binary) {
    for (const dtype of INTEGER_DTYPES) {
      const all =
        dtype === "u8" || dtype === "i16" || dtype === "i64"
          ? broadcasts()
          : broadcasts().slice(0, 2);
      for (const [a, b] of all) {
        const shift = op === "shl" || op === "shr";
        const right = shift ? tensor(dtype, b, 0, 9) : tensor(dtype, b);
        cases.push({ op, imm: {}, operands: [tensor(dtype, a), right] });
      }
    }
  }
  for (const dtype of DTYPES) {
    for (const [a, b] of broadcasts()) {
      const operands = [tensor("bool", a), tensor(dtype, b), tensor(dtype, a)];
      cases.push({ op: "select", imm: {}, operands });
    }
  }
  for (const dtype of INTEGER_DTYPES) {
    for (const n of FLAT) {
      for (const op of /** @type {const} */ (["not", "neg", "abs", "sqrt.floor"])) {
        cases.push({ op, imm: {}, operands: [tensor(dtype, [n])] });
      }
      cases.push({ op: "clamp", imm: { lo: 0n, hi: 100n }, operands: [tensor(dtype, [n])] });
      for (const to of DTYPES) {
        if (to !== dtype)
          cases.push({ op: "cast", imm: { dtype: to }, operands: [tensor(dtype, [n])] });
      }
    }
  }
  for (const dtype of /** @type {const} */ (["i32", "i64"])) {
    for (const n of FLAT) cases.push({ op: "normalize", imm: {}, operands: [tensor(dtype, [n])] });
  }
  return cases;
}

function reductions() {
  /** @type {GasCase[]} */
  const cases = [];
  /** @type {readonly (readonly [readonly number[], readonly number[]])[]} */
  const shapes = [
    [[65_536], [0]],
    [[512, 512], [1]],
    [[512, 512], [0]],
    [[32_768, 2], [1]],
    [[2, 32_768], [0]],
    [[32_768, 2], [0]],
    [[2, 32_768], [1]],
    [
      [16, 16, 16, 16],
      [1, 3],
    ],
    [
      [16, 16, 16, 16],
      [0, 2],
    ],
    [[256, 1, 256], [1]],
  ];
  for (const dtype of INTEGER_DTYPES) {
    for (const [shape, axes] of shapes) {
      const x = tensor(dtype, shape);
      for (const op of /** @type {const} */ (["reduce.sum", "reduce.prod"])) {
        cases.push({ op, imm: { axes, dtype: "i64" }, operands: [x] });
      }
      for (const op of /** @type {const} */ (["reduce.max", "reduce.min"])) {
        cases.push({ op, imm: { axes }, operands: [x] });
      }
      if (axes.length > 1) continue;
      for (const op of /** @type {const} */ (["argmax", "argmin"])) {
        cases.push({ op, imm: { axis: axes[0] }, operands: [x] });
      }
      cases.push({ op: "argsort", imm: { axis: axes[0] }, operands: [x] });
      cases.push({ op: "cumsum", imm: { axis: axes[0], dtype: "i64" }, operands: [x] });
    }
    for (const [shape, kernel, strides, pads] of /** @type {const} */ ([
      [
        [1, 64, 64, 16],
        [2, 2],
        [2, 2],
        [0, 0, 0, 0],
      ],
      [
        [1, 32, 32, 16],
        [3, 3],
        [1, 1],
        [1, 1, 1, 1],
      ],
      [
        [1, 32, 32, 16],
        [13, 13],
        [1, 1],
        [6, 6, 6, 6],
      ],
      [
        [1, 128, 128, 1],
        [3, 3],
        [1, 1],
        [0, 0, 0, 0],
      ],
      [
        [1024, 4, 4, 1],
        [2, 2],
        [2, 2],
        [0, 0, 0, 0],
      ],
      [
        [1, 16, 16, 256],
        [16, 16],
        [1, 1],
        [0, 0, 0, 0],
      ],
      [[1, 8192, 4], [3], [1], [0, 0]],
      [
        [1, 12, 12, 12, 8],
        [3, 3, 3],
        [1, 1, 1],
        [0, 0, 0, 0, 0, 0],
      ],
    ])) {
      const window = { kernel, strides, dilations: kernel.map(() => 1), pads };
      cases.push({ op: "pool.max", imm: window, operands: [tensor(dtype, shape)] });
      const sums = { ...window, dtype: "i64" };
      cases.push({ op: "pool.sum", imm: sums, operands: [tensor(dtype, shape)] });
    }
  }
  return cases;
}

function movement() {
  /** @type {GasCase[]} */
  const cases = [];
  for (const dtype of /** @type {const} */ (["u8", "i16", "i32", "i64"])) {
    for (const [shape, perm] of /** @type {const} */ ([
      [
        [512, 512],
        [1, 0],
      ],
      [
        [32_768, 2],
        [1, 0],
      ],
      [
        [2, 32_768],
        [1, 0],
      ],
      [
        [64, 32, 64],
        [1, 0, 2],
      ],
      [
        [16, 16, 16, 16],
        [0, 2, 1, 3],
      ],
      [
        [16, 16, 16, 16],
        [3, 2, 1, 0],
      ],
      [
        [4, 4, 4, 4, 4, 4, 4, 4],
        [7, 6, 5, 4, 3, 2, 1, 0],
      ],
    ])) {
      cases.push({ op: "transpose", imm: { perm }, operands: [tensor(dtype, shape)] });
    }
    for (const [shape, starts, ends, steps] of /** @type {const} */ ([
      [[262_144], [1], [262_143], [1]],
      [[262_144], [0], [262_144], [3]],
      [[262_144], [-1], [-262_145], [-1]],
      [
        [512, 512],
        [0, 0],
        [512, 2],
        [1, 1],
      ],
      [
        [16, 16, 16, 16],
        [0, 0, 0, 0],
        [16, 16, 16, 16],
        [2, 2, 2, 2],
      ],
    ])) {
      const imm = { starts, ends, steps };
      cases.push({ op: "slice", imm, operands: [tensor(dtype, shape)] });
    }
    for (const [shape, count, axis] of /** @type {const} */ ([
      [[65_536], 2, 0],
      [[4096, 8], 4, 1],
      [[8192, 1], 8, 1],
      [[64], 512, 0],
      [[16, 1, 16], 64, 1],
    ])) {
      const operands = Array.from({ length: count }, () => tensor(dtype, shape));
      cases.push({ op: "concat", imm: { count, axis }, operands });
    }
    for (const [shape, indices, axis] of /** @type {const} */ ([
      [[65_536], [32_768], 0],
      [[1024, 64], [1024], 0],
      [[64, 1024], [1024], 1],
      [[2048, 2, 16], [2], 1],
      [[65_536, 2], [32_768], 0],
      [[16, 16, 16], [16, 16], 1],
    ])) {
      for (const wide of /** @type {const} */ (["i32", "i64"])) {
        const at = tensor(wide, indices, 0, (shape[axis] ?? 1) - 1);
        cases.push({ op: "gather", imm: { axis }, operands: [tensor(dtype, shape), at] });
      }
    }
    for (const [shape, before, after, interior] of /** @type {const} */ ([
      [[65_536], [3], [5], [0]],
      [
        [256, 256],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
      [
        [1, 32, 32, 16],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
      ],
      [
        [32_768, 1],
        [0, 1],
        [0, 0],
        [0, 0],
      ],
      [[16_384], [0], [0], [3]],
    ])) {
      const imm = { before, after, interior, value: 0n };
      cases.push({ op: "pad", imm, operands: [tensor(dtype, shape)] });
    }
    for (const [shape, dims] of /** @type {const} */ ([
      [[], [65_536]],
      [[64], [1024, 64]],
      [
        [32_768, 1],
        [32_768, 2],
      ],
      [
        [1, 16, 1, 16],
        [16, 16, 16, 16],
      ],
    ])) {
      cases.push({ op: "expand", imm: { dims }, operands: [tensor(dtype, shape)] });
    }
    for (const [shape, sizes] of /** @type {const} */ ([
      [
        [1, 32, 32, 16],
        [64, 64],
      ],
      [
        [1, 128, 128, 1],
        [200, 200],
      ],
      [[1, 8192, 2], [16_384]],
      [
        [1, 12, 12, 12, 4],
        [24, 24, 24],
      ],
    ])) {
      const imm = {
        sizes,
        numerators: sizes.map(() => 1),
        denominators: sizes.map(() => 2),
        offsets: sizes.map(() => 0),
      };
      cases.push({ op: "resize.nearest", imm, operands: [tensor(dtype, shape)] });
      if (dtype === "i64") continue;
      const linear = { ...imm, dtype: "i64" };
      cases.push({ op: "resize.linear", imm: linear, operands: [tensor(dtype, shape)] });
    }
    for (const n of FLAT) cases.push({ op: "nonzero", imm: {}, operands: [tensor(dtype, [n])] });
    cases.push({ op: "nonzero", imm: {}, operands: [tensor(dtype, [4, 4, 4, 4, 4, 4, 4, 4])] });
  }
  for (const n of FLAT) cases.push({ op: "iota", imm: { dims: [n] }, operands: [] });
  return cases;
}

function indexing() {
  /** @type {GasCase[]} */
  const cases = [];
  for (const op of /** @type {const} */ ([
    "scatter",
    "scatter.add",
    "scatter.mul",
    "scatter.max",
    "scatter.min",
  ])) {
    for (const dtype of INTEGER_DTYPES) {
      for (const [shape, updates, axis] of /** @type {const} */ ([
        [[65_536], [65_536], 0],
        [[1024, 64], [1024, 64], 0],
        [[64, 1024], [64, 512], 1],
        [[65_536, 2], [32_768, 2], 0],
        [[16], [65_536], 0],
      ])) {
        const at = tensor("i32", [updates[axis] ?? 1], 0, (shape[axis] ?? 1) - 1);
        const operands = [tensor(dtype, shape), at, tensor(dtype, updates)];
        cases.push({ op, imm: { axis }, operands });
      }
    }
  }
  return cases;
}
