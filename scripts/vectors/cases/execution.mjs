// Rules of a run that instructions share: the order of checks, limits, named dimensions, what the
// caller hands in, reals at the boundary, aggregation.
import { hex, sha256 } from "../hashes.mjs";
import { moduleOf } from "../moduleBytes.mjs";
import { END, constant, ins, local, moduleOfBody, single } from "../single.mjs";
import { wire } from "../vectorFile.mjs";
import { INTEGERS, Random, info, scalar, tensor } from "../tensors.mjs";

const ORDER = ["execution.md#one-instruction", "execution.md#traps"];
const LIMITS = ["execution.md#limits-of-a-run", "execution.md#traps"];
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const vector = (dtype) => ({ dtype, rank: 1 });

/** Where two steps of one instruction would fail, the earlier one does. */
export function order(file) {
  const a = tensor("i8", [1, 2, 3]);
  const b = tensor("i8", [1, 2]);
  const run = (name, op, imm, operands, limits, trap) => single(file, op, name, imm, operands, { clauses: ORDER, limits, trap }); // prettier-ignore
  const get = 200_000n;
  run("shapes-before-gas", "add", {}, [a, b], { gas: get }, "ShapeMismatch");
  run("shapes-before-memory", "add", {}, [a, b], { memoryBytes: 5n }, "ShapeMismatch");
  const row = tensor("i8", [1, 2, 3], [1, 3]);
  const column = tensor("i8", [1, 2, 3], [3, 1]);
  run("gas-before-elements", "add", {}, [row, column], { gas: get, elements: 3n }, "OutOfGas");
  run("gas-before-memory", "add", {}, [row, column], { gas: get, memoryBytes: 6n }, "OutOfGas");
  run("elements-before-memory", "add", {}, [row, column], { elements: 3n, memoryBytes: 6n }, "ElementLimit"); // prettier-ignore
  const bits = { aBits: 2, bBits: 8, accumulator: "i32" };
  const [m, n] = [tensor("i8", [100, 1], [1, 2]), tensor("i8", [1, 1], [2, 1])];
  run("values-last", "matmul", bits, [m, n], {}, "OperandRange");
  run("gas-before-values", "matmul", bits, [m, n], { gas: get }, "OutOfGas");
  run("elements-before-values", "gather", { axis: 0 }, [b, tensor("i32", [9, 9, 9])], { elements: 2n }, "ElementLimit"); // prettier-ignore
  run("memory-before-values", "matmul", bits, [m, n], { memoryBytes: 5n }, "MemoryLimit");
  run("first-check-first", "matmul", { ...bits, bBits: 1 }, [m, n], {}, "OperandRange");
  const [wide, tall] = [tensor("i16", new Array(5).fill(0), [1, 5]), tensor("i16", new Array(5).fill(0), [5, 1])]; // prettier-ignore
  const full = { aBits: 16, bBits: 16, accumulator: "i32" };
  run("bound-before-gas", "matmul", full, [wide, tall], { gas: get }, "AccumulatorBound");
  run("inner-before-bound", "matmul", full, [wide, wide], {}, "ShapeMismatch");
  run("dims-before-gas", "reshape", { dims: [-2] }, [a, tensor("i64", [-1])], { gas: get }, "ShapeMismatch"); // prettier-ignore
  run("largest-of-nonzero", "nonzero", {}, [tensor("i8", new Array(8).fill(0))], { memoryBytes: 39n }, "MemoryLimit"); // prettier-ignore
  run("largest-of-nonzero/fits", "nonzero", {}, [tensor("i8", new Array(8).fill(0))], { memoryBytes: 40n }); // prettier-ignore
  // What traps has charged nothing, if shapes or gas did; else all of the instruction.
  const charged = (name, gasUsed, ...rest) => single(file, ...rest.slice(0, 1), name, ...rest.slice(1, 3), { clauses: ORDER, ...rest[3], gasUsed }); // prettier-ignore
  charged("charged/shapes", get, "add", {}, [a, b], { trap: "ShapeMismatch" });
  // 1 row of 1 → 8 columns, K 2; 1 matrix; 4 elements of operands.
  const matmulGas = 1_500_000n + 25n * 8n * 2n + 800n * 8n + 75_000n + 600n * 4n;
  charged("charged/values", get + matmulGas, "matmul", bits, [m, n], { trap: "OperandRange" });
  charged("charged/memory", get + matmulGas, "matmul", bits, [m, n], { trap: "MemoryLimit", limits: { memoryBytes: 5n } }); // prettier-ignore
  // The results of the entry are compared when it is left, after that instruction's gas.
  const fixed = moduleOf({
    entries: [{ name: "main", function: 0, inputs: [], outputs: [{ name: "y", dtype: "i8", shape: [2] }] }], // prettier-ignore
    functions: [{ params: [], results: [vector("i8")], locals: [], body: [constant(0), END] }],
    parameters: [a],
  });
  const NAMED = [...ORDER, "execution.md#control", "execution.md#named-dimensions"];
  file.run("results/end", NAMED, fixed, [], { trap: "ShapeMismatch", gasUsed: 200_000n });
  file.run("results/gas-first", NAMED, fixed, [], { trap: "OutOfGas", limits: { gas: 199_999n }, gasUsed: 100_000n }); // prettier-ignore
  for (const [name, ...body] of [
    ["return", constant(0), ins("return"), END],
    ["br", constant(0), ins("br", { label: 0 }), END],
    [
      "br.if",
      constant(0),
      ins("scalar", { dtype: "bool", value: 1n }),
      ins("br.if", { label: 0 }),
      END,
    ],
  ]) {
    file.run(`results/${name}`, NAMED, { ...fixed, functions: [{ ...fixed.functions[0], body }] }, [], { trap: "ShapeMismatch" }); // prettier-ignore
  }
  const inner = { params: [], results: [vector("i8")], locals: [], body: [constant(0), END] };
  file.run("results/of-a-call-are-free", NAMED, { ...fixed, functions: [{ ...fixed.functions[0], body: [ins("call", { function: 1 }), ins("slice", { starts: [0], ends: [2], steps: [1] }), END] }, inner] }, [], { results: [tensor("i8", [1, 2])] }); // prettier-ignore
}

/** What limits count, and when. */
export function limits(file) {
  const x = tensor("i16", [1, 2, 3, 4]);
  const y = { types: [vector("i16")] };
  const run = (name, inputs, body, options, { results = y.types, locals = [], parameters, more } = {}) => file.run(name, options.clauses ?? LIMITS, moduleOfBody(inputs.map(({ dtype, shape }) => ({ dtype, rank: shape.length })), results, body, { locals, parameters, more }), inputs, options); // prettier-ignore
  const at = (name, limit, value, trap, inputs, body, more) => {
    run(`${name}/fits`, inputs, body, { limits: { [limit]: value } }, more);
    run(`${name}/exceeds`, inputs, body, { limits: { [limit]: value - (typeof value === "bigint" ? 1n : 1) }, trap }, more); // prettier-ignore
  };
  const neg = ins("neg");
  const bytes = (name, value, body, more, inputs = [x]) => at(`memory/${name}`, "memoryBytes", value, "MemoryLimit", inputs, body, more); // prettier-ignore
  bytes("input", 8n, [local(0)]);
  bytes("operand-and-result", 16n, [local(0), neg]);
  bytes("local-lives", 24n, [local(0), neg, neg]);
  bytes("local-taken", 16n, [ins("local.take", { local: 0 }), neg, neg, neg]);
  bytes("one-tensor-twice", 8n, [local(0), local(0), ins("drop")]);
  bytes("tee-shares", 16n, [local(0), neg, ins("local.tee", { local: 1 })], { locals: [vector("i16")] }); // prettier-ignore
  bytes("set-frees", 24n, [local(0), neg, ins("local.set", { local: 1 }), local(0), neg, ins("local.set", { local: 1 }), local(1)], { locals: [vector("i16")] }); // prettier-ignore
  bytes("reshape-is-another", 16n, [local(0), ins("reshape", { dims: [4] })]);
  bytes("two-results", 8n + 2n * 8n + 0n, [local(0), ins("normalize"), ins("drop")], { results: [vector("i32")] }, [tensor("i32", [5, 6])]); // prettier-ignore
  bytes("empty-counts-one", 4n, [local(0), neg], { results: [{ dtype: "i16", rank: 2 }] }, [{ dtype: "i16", shape: [0, 1], values: [] }]); // prettier-ignore
  bytes("empty-counts-its-other-sizes", 2n * 14n, [local(0), neg], { results: [{ dtype: "i16", rank: 2 }] }, [{ dtype: "i16", shape: [0, 7], values: [] }]); // prettier-ignore
  bytes("inputs-together", 16n, [local(0), local(1), ins("drop")], {}, [x, x]);
  bytes("branch-frees", 24n, [ins("block", { type: { params: [], results: [vector("i16")] } }), local(0), neg, local(0), neg, ins("br", { label: 0 }), END, neg], {}); // prettier-ignore
  bytes("caller-counts", 24n, [local(0), neg, local(0), ins("call", { function: 1 }), ins("drop")], { more: [{ params: [vector("i16")], results: [vector("i16")], locals: [], body: [local(0), neg, END] }] }); // prettier-ignore
  bytes("frame-frees", 24n, [local(0), ins("call", { function: 1 }), neg], { more: [{ params: [vector("i16")], results: [vector("i16")], locals: [vector("i16")], body: [local(0), neg, ins("local.tee", { local: 1 }), END] }] }); // prettier-ignore
  bytes("parameters-do-not", 8n, [constant(0), neg, local(0), ins("drop")].slice(0, 2), { parameters: [tensor("i16", [1, 2, 3, 4])] }, []); // prettier-ignore
  bytes("scalars-do-not", 2n, [ins("scalar", { dtype: "i16", value: 3n }), neg], { results: [{ dtype: "i16", rank: 0 }] }, []); // prettier-ignore
  at("elements/input", "elements", 4n, "ElementLimit", [x], [local(0)]);
  at("elements/result", "elements", 6n, "ElementLimit", [tensor("i16", [1, 2, 3], [1, 3]), tensor("i16", [1, 2], [2, 1])], [local(0), local(1), ins("add")], { results: [{ dtype: "i16", rank: 2 }] }); // prettier-ignore
  at("elements/empty", "elements", 7n, "ElementLimit", [{ dtype: "i16", shape: [0, 7], values: [] }], [local(0)], { results: [{ dtype: "i16", rank: 2 }] }); // prettier-ignore
  at("stack/inputs", "stackDepth", 2, "StackLimit", [x, x], [], { results: [] });
  at("stack/locals-count", "stackDepth", 4, "StackLimit", [x], [local(0)], { locals: [vector("i8"), vector("i8")] }); // prettier-ignore
  at("stack/operands", "stackDepth", 4, "StackLimit", [x], [local(0), local(0), local(0), ins("add"), ins("add")]); // prettier-ignore
  at("stack/second-result", "stackDepth", 3, "StackLimit", [tensor("i32", [1])], [local(0), ins("normalize"), ins("add")], { results: [vector("i32")] }); // prettier-ignore
  // Inputs: stack first, then elements and bytes of each in turn, at pc 0 and without gas.
  const none = { gasUsed: 0n };
  run("inputs/stack-first", [x], [local(0)], { limits: { stackDepth: 0, elements: 1n, memoryBytes: 1n }, trap: "StackLimit", ...none }); // prettier-ignore
  run("inputs/elements-of-first", [x, x], [local(0)], { limits: { elements: 3n, memoryBytes: 1n }, trap: "ElementLimit", ...none }); // prettier-ignore
  run("inputs/memory-of-first", [tensor("i16", [1]), x], [local(1)], { limits: { elements: 3n, memoryBytes: 1n }, trap: "MemoryLimit", ...none }); // prettier-ignore
  run("inputs/elements-of-second", [tensor("i16", [1]), x], [local(1)], { limits: { elements: 3n, memoryBytes: 2n }, trap: "ElementLimit", ...none }); // prettier-ignore
  run("inputs/memory-of-both", [x, x], [local(1)], { limits: { memoryBytes: 15n }, trap: "MemoryLimit", ...none }); // prettier-ignore
  run("inputs/gas-0", [x], [local(0)], { limits: { gas: 0n }, trap: "OutOfGas", ...none });
  run("inputs/one-frame", [x], [local(0)], { limits: { callDepth: 1 } });
  // Receipts hold the limits, whatever they are.
  run("receipt/largest", [x], [local(0)], { limits: { gas: 2n ** 64n - 1n, memoryBytes: 2n ** 53n - 1n, elements: 2n ** 53n - 1n }, clauses: ["execution.md#receipts"] }); // prettier-ignore
  run("receipt/seed", [x], [local(0)], { seed: hex(sha256("seed")), clauses: ["execution.md#receipts"] }); // prettier-ignore
  run("gas/sum", [x, x], [local(0), local(1), ins("add")], { gasUsed: 3n * 100_000n + 1_500_000n + 350n * 4n + 1_000n, clauses: ["execution.md#gas"] }); // prettier-ignore
  run("gas/empty-counts-one", [{ dtype: "i16", shape: [0], values: [] }], [local(0), neg], { gasUsed: 2n * 100_000n + 1_500_000n + 150n * 2n, clauses: ["execution.md#gas"] }); // prettier-ignore
}

const NAMES = ["execution.md#named-dimensions", "module.md#configuration"];
const name = (dimension) => ({ dimension, multiplier: 1, offset: 0, divisor: 1 });

export function dimensions(file) {
  const identityOf = (inputs, outputs, dimensions, body) => moduleOf({
    dimensions,
    entries: [{ name: "main", function: 0, inputs: inputs.map((shape, i) => ({ name: `x${i}`, dtype: "i8", shape })), outputs: outputs.map((shape, i) => ({ name: `y${i}`, dtype: "i8", shape })) }],
    functions: [{ params: inputs.map((shape) => ({ dtype: "i8", rank: shape.length })), results: outputs.map((shape) => ({ dtype: "i8", rank: shape.length })), locals: [], body: [...body, END] }],
  }); // prettier-ignore
  const N = { name: "N", maximum: 4 };
  const zeros = (shape) => ({ dtype: "i8", shape, values: new Array(shape.reduce((p, d) => p * d, 1)).fill(0n) }); // prettier-ignore
  const refuse = (label, module, ...shapes) => file.refuse(label, [...NAMES, ...PHASES], "input", "Shape", module, { inputs: shapes.map((shape, i) => wire(`x${i}`, zeros(shape))) }); // prettier-ignore
  const runs = (label, module, shapes, options) => file.run(label, NAMES, module, shapes.map(zeros), options); // prettier-ignore
  const one = identityOf([[name(0)]], [[name(0)]], [N], [local(0)]);
  for (const size of [0, 1, 4]) runs(`name/${size}`, one, [[size]]);
  refuse("name/beyond-maximum", one, [5]);
  const two = identityOf([[name(0)], [name(0), 2]], [[2, name(0)]], [N], [local(1), ins("transpose", { perm: [1, 0] })]); // prettier-ignore
  runs("same-twice", two, [[3], [3, 2]]);
  refuse("same-twice/differ", two, [3], [2, 2]);
  refuse("fixed/differs", two, [3], [3, 1]);
  const half = { dimension: 0, multiplier: 1, offset: 1, divisor: 2 };
  const derived = identityOf([[half], [name(0)]], [[name(0)]], [N], [local(1)]);
  // The name is bound by the second port; the derived dimension before it is compared after that.
  for (const [n, d] of [[0, 0], [1, 1], [2, 1], [3, 2], [4, 2]]) runs(`derived/${n}`, derived, [[d], [n]]); // prettier-ignore
  refuse("derived/differs", derived, [2], [2]);
  refuse("derived/zero-for-one", derived, [0], [1]);
  const free = identityOf([[half]], [[half]], [N], [local(0)]);
  for (const size of [0, 2, 77]) runs(`derived/free/${size}`, free, [[size]]);
  const times = { dimension: 0, multiplier: 3, offset: -2, divisor: 1 };
  const negative = identityOf([[name(0)], [times]], [[1]], [N], [ins("scalar", { dtype: "i8", value: 0n }), ins("reshape", { dims: [1] })]); // prettier-ignore
  for (const n of [1, 2, 4]) runs(`derived/minus/${n}`, negative, [[n], [3 * n - 2]]);
  // 3 · 0 − 2 is no size.
  refuse("derived/below-zero", negative, [0], [0]);
  // Outputs: by the names that inputs gave, and names that only outputs have.
  const short = identityOf([[name(0)]], [[name(0)]], [N], [local(0), ins("slice", { starts: [1], ends: [100], steps: [1] })]); // prettier-ignore
  runs("output/differs", short, [[3]], { trap: "ShapeMismatch" });
  runs("output/empty-fits", short, [[0]]);
  const M = { name: "M", maximum: 3 };
  const opened = identityOf([[name(0)]], [[name(1)], [name(1)]], [N, M], [local(0), local(0)]);
  runs("output/own-name", opened, [[3]]);
  runs("output/own-name/beyond", opened, [[4]], { trap: "ShapeMismatch" });
  const apart = identityOf([[name(0)]], [[name(1)], [name(1)]], [N, M], [local(0), local(0), ins("slice", { starts: [1], ends: [100], steps: [1] })]); // prettier-ignore
  runs("output/own-name/differ", apart, [[3]], { trap: "ShapeMismatch" });
  const wide = identityOf([[name(0)]], [[half]], [N], [local(0), ins("slice", { starts: [0], ends: [100], steps: [2] })]); // prettier-ignore
  for (const n of [0, 1, 2, 3, 4]) runs(`output/derived/${n}`, wide, [[n]]);
  const wrong = identityOf([[name(0)]], [[half]], [N], [local(0)]);
  runs("output/derived/differs", wrong, [[3]], { trap: "ShapeMismatch" });
  runs("output/derived/fits", wrong, [[1]]);
}

const PHASES = ["README.md#phases-and-their-failures"];

/** What the caller hands in. */
export function inputs(file) {
  const module = moduleOf({
    entries: [{ name: "main", function: 0, inputs: [{ name: "a", dtype: "i8", shape: [2] }, { name: "b", dtype: "bool", shape: [] }], outputs: [] }],
    functions: [{ params: [vector("i8"), { dtype: "bool", rank: 0 }], results: [], locals: [], body: [END] }],
  }); // prettier-ignore
  const a = wire("a", tensor("i8", [1, 2]));
  const b = wire("b", scalar("bool", 1));
  file.run("fit", PHASES, module, [tensor("i8", [1, 2]), scalar("bool", 1)], { results: [] });
  const refuse = (label, code, given, rest = {}) => file.refuse(label, [...PHASES, "execution.md#state"], "input", code, module, { inputs: given, ...rest }); // prettier-ignore
  refuse("none", "MissingInput", []);
  refuse("missing", "MissingInput", [a]);
  refuse("unknown", "UnknownInput", [a, b, { ...b, name: "c" }]);
  refuse("rank", "Shape", [{ ...a, shape: [2, 1] }, b]);
  refuse("size", "Shape", [wire("a", tensor("i8", [1, 2, 3])), b]);
  refuse("too-few-elements", "Shape", [{ ...a, data: base64(Uint8Array.of(1)) }, b]);
  refuse("too-many-elements", "Shape", [{ ...a, data: base64(Uint8Array.of(1, 2, 3)) }, b]);
  for (const byte of [2, 255]) refuse(`bool/${byte}`, "Value", [a, { ...b, data: base64(Uint8Array.of(byte)) }]); // prettier-ignore
  refuse("entry", "Entry", [a, b], { entry: "other" });
  refuse("reals-without-scale", "Value", [{ name: "a", dtype: "i8", shape: [2], float64: base64(new Uint8Array(16)) }, b]); // prettier-ignore
}

// Reals.

/** A float as a fraction of bigints, exactly; undefined where it is none. */
function fractionOf(x) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const significand = (bits & ((1n << 52n) - 1n)) + (exponent === 0 ? 0n : 1n << 52n);
  const power = Math.max(exponent, 1) - 1075;
  const signed = bits >> 63n === 1n ? -significand : significand;
  return power >= 0 ? [signed << BigInt(power), 1n] : [signed, 1n << BigInt(-power)];
}

const floorDivide = (a, b) => (a - (((a % b) + b) % b)) / b;
/** 2^e as a fraction. */
const powerOfTwo = (e) => (e >= 0 ? [1n << BigInt(e), 1n] : [1n, 1n << BigInt(-e)]);

/** ⌊x / (m · 2^e) + ½⌋ + z, saturated. */
function quantized(x, { mantissa, exponent, zeroPoint }, dtype) {
  const { min, max } = info(dtype);
  if (x === Infinity) return max;
  if (x === -Infinity) return min;
  const [p, q] = fractionOf(x);
  const [up, down] = powerOfTwo(exponent);
  const [n, d] = [p * down, q * BigInt(mantissa) * up];
  const value = floorDivide(2n * n + d, 2n * d) + zeroPoint;
  return value < min ? min : value > max ? max : value;
}

/** The float of so many bits of significand that is nearest to (v − z) · m · 2^e, ties to even. */
function dequantized(v, { mantissa, exponent, zeroPoint }, [precision, least, greatest]) {
  const exact = (v - zeroPoint) * BigInt(mantissa);
  if (exact === 0n) return 0;
  const magnitude = exact < 0n ? -exact : exact;
  // The last place: that of the significand, or that of subnormals.
  const place = Math.max(magnitude.toString(2).length + exponent - precision, least);
  const shift = place - exponent;
  let rounded = magnitude;
  if (shift > 0) {
    const half = 1n << BigInt(shift - 1);
    const low = magnitude & ((1n << BigInt(shift)) - 1n);
    rounded = magnitude >> BigInt(shift);
    if (low > half || (low === half && (rounded & 1n) === 1n)) rounded++;
  }
  const unit = shift > 0 ? place : exponent;
  const tooLarge = rounded > 0n && rounded.toString(2).length + unit > greatest;
  const value = tooLarge ? Infinity : scaled(rounded, unit);
  return exact < 0n ? -value : value;
}

/** n · 2^e, which is a float64: exact. */
function scaled(n, e) {
  let value = Number(n);
  for (; e > 1000; e -= 1000) value *= 2 ** 1000;
  // Downwards in one step where the result may be subnormal.
  const spare = 1000;
  for (; e < -1074 + 60 && e < -spare; e += spare) value = value * 2 ** -spare;
  return value * 2 ** e;
}

const FLOAT64 = [53, -1074, 1024];
const FLOAT32 = [24, -149, 128];
const floats = (values) => base64(new Uint8Array(Float64Array.from(values).buffer));
const floats32 = (values) => base64(new Uint8Array(Float32Array.from(values).buffer));

export function reals(file) {
  const REALS = ["execution.md#reals-at-the-boundary", "README.md#numerics", "module.md#configuration"]; // prettier-ignore
  const moduleWith = (dtype, scale) => moduleOf({
    dimensions: [{ name: "N", maximum: 1000 }],
    entries: [{ name: "main", function: 0, inputs: [{ name: "x", dtype, shape: [name(0)], scale }], outputs: [{ name: "y", dtype, shape: [name(0)], scale }] }],
    functions: [{ params: [vector(dtype)], results: [vector(dtype)], locals: [], body: [local(0), END] }],
  }); // prettier-ignore
  const put = (label, dtype, scale, values, type = "float64") => {
    const given = type === "float32" ? [...Float32Array.from(values)] : values;
    const integers = tensor(
      dtype,
      given.map((x) => quantized(x, scale, dtype)),
    );
    const out = {
      float64: floats(integers.values.map((v) => dequantized(v, scale, FLOAT64))),
      float32: floats32(integers.values.map((v) => dequantized(v, scale, FLOAT32))),
    };
    const encoded = type === "float32" ? { float32: floats32(given) } : { float64: floats(given) };
    file.run(label, REALS, moduleWith(dtype, scale), [integers], { results: [integers], reals: [out], given: [{ data: undefined, ...encoded }] }); // prettier-ignore
  };
  const SCALES = [
    ["unit", 1, 0, 0n],
    ["half-steps", 1, -1, 0n],
    ["thirds", 0x55555555, -32, 0n],
    ["tiny", 1, -1074, 0n],
    ["small", 0x7fffffff, -160, 0n],
    ["large", 0x7fffffff, 90, 0n],
    ["greatest", 0x7fffffff, 1023, 0n],
    ["zero-point", 3, -4, 5n],
  ];
  for (const dtype of INTEGERS) {
    const random = new Random(`reals${dtype}`);
    for (const [label, mantissa, exponent, zeroPoint] of SCALES) {
      const scale = { mantissa, exponent, zeroPoint };
      const step = scaled(BigInt(mantissa), exponent);
      const unit = Number.isFinite(step) ? step : Number.MAX_VALUE;
      const ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5].map((x) => x * unit);
      const around = [1e-9, 0.49999999999999994, 0.5000000000000001, 1, 3, 100].flatMap((x) => [x * unit, -x * unit]); // prettier-ignore
      const ends = [0, -0, Infinity, -Infinity, Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324, -5e-324]; // prettier-ignore
      put(`in/${dtype}/${label}/ties`, dtype, scale, ties);
      put(`in/${dtype}/${label}/around`, dtype, scale, around);
      put(`in/${dtype}/${label}/ends`, dtype, scale, ends);
      put(`in/${dtype}/${label}/float32`, dtype, scale, [...ties, 0.1, -0.1, 1e30, -1e30, 1e-45], "float32"); // prettier-ignore
      // Integers as they are, read as reals: every rounding of the way out.
      const integers = random.tensor(dtype, [24]);
      const out = {
        float64: floats(integers.values.map((v) => dequantized(v, scale, FLOAT64))),
        float32: floats32(integers.values.map((v) => dequantized(v, scale, FLOAT32))),
      };
      file.run(`out/${dtype}/${label}`, REALS, moduleWith(dtype, scale), [integers], { results: [integers], reals: [out] }); // prettier-ignore
    }
    const nan = { name: "x", dtype, shape: [2], float64: floats([1, NaN]) };
    const plain = { mantissa: 1, exponent: 0, zeroPoint: 0n };
    file.refuse(`nan/${dtype}`, [...REALS, ...PHASES], "input", "NotANumber", moduleWith(dtype, plain), { inputs: [nan] }); // prettier-ignore
    const { float64, ...rest } = nan;
    file.refuse(`nan/${dtype}/float32`, [...REALS, ...PHASES], "input", "NotANumber", moduleWith(dtype, plain), { inputs: [{ ...rest, float32: floats32([NaN, float64.length]) }] }); // prettier-ignore
  }
}
