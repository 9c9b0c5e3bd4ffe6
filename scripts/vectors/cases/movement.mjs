// Instructions that move elements: shapes, slices, windows of axes, resizing.
import { broken, moduleOfBody, ins, local, resources, single } from "../single.mjs";
import { ALL, Random, edges, info, tensor } from "../tensors.mjs";

const SHAPE = { clauses: ["#shapes", "#results", "#meaning"] };
const MISFIT = { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] };
const EIGHT = [1, 2, 1, 2, 1, 3, 1, 2];
const dims = (...values) => tensor("i64", values);

/** Runs `cases(named, tensorOf, dtype)` for each dtype. */
function forDtypes(file, op, dtypes, cases) {
  for (const dtype of dtypes) {
    const random = new Random(`${op}${dtype}`);
    const named = (name, imm, operands, options = SHAPE) => single(file, op, `${dtype}/${name}`, imm, operands, options); // prettier-ignore
    cases(named, (shape) => random.tensor(dtype, shape), dtype);
  }
}

function reshape(file) {
  forDtypes(file, "reshape", ALL, (named, of, dtype) => {
    const to = (name, shape, entries, options, ...more) => named(name, { dims: entries }, [of(shape), ...more], options); // prettier-ignore
    to("plain", [2, 6], [3, 4]);
    to("scalar", [1, 1], []);
    to("from-scalar", [], [1, 1]);
    to("rank-8", [24], EIGHT);
    to("inferred", [2, 6], [3, -1]);
    to("inferred-one", [2, 3], [6, -1]);
    to("copied", [2, 6], [-3, -4]);
    to("copied-and-inferred", [2, 6], [-1, -4, 1]);
    to("copied-out-of-order", [2, 3, 1], [-4, -3]);
    to("empty", [0, 3], [5, 0]);
    to("empty-copied", [0, 3], [-3, 7]);
    to("inferred-empty", [0, 3], [3, -1]);
    to("from-operand", [2, 6], [-2, -2], SHAPE, dims(4, 3));
    to("from-operand-mixed", [2, 6], [-3, -2, -1], SHAPE, dims(3));
    to("from-operand-empty", [0, 2], [-2], SHAPE, dims(0));
    to("misfit/count", [2, 3], [5], MISFIT);
    to("misfit/inferred", [2, 3], [4, -1], MISFIT);
    to("misfit/inferred-beside-0", [0, 3], [0, -1], MISFIT);
    to("misfit/inferred-beside-0-operand", [0], [-2, -1], MISFIT, dims(0));
    to("misfit/operand-count", [2, 3], [-2], MISFIT, dims(5));
    to("misfit/operand-negative", [2, 3], [-2, 1], MISFIT, dims(-6));
    to("misfit/operand-minus-1", [2, 3], [-2, 6], MISFIT, dims(-1));
    to("misfit/operand-large", [0], [-2, 0], MISFIT, dims(2 ** 31));
    to("misfit/operand-short", [2, 3], [-2, -2], MISFIT, dims(6));
    to("misfit/operand-long", [2, 3], [-2], MISFIT, dims(6, 1));
    to("misfit/operand-empty", [1], [-2], MISFIT, dims());
    to("misfit/operand-nine", [1], [-2], MISFIT, dims(1, 1, 1, 1, 1, 1, 1, 1, 1));
    resources(file, "reshape", dtype, { dims: [3, -1] }, [of([2, 6])]);
  });
  broken(file, "reshape", { dims: [2] }, [tensor("i8", [1, 2])]);
  broken(file, "reshape", { dims: [-2] }, [tensor("i8", [1, 2]), dims(2)]);
}

function transpose(file) {
  forDtypes(file, "transpose", ALL, (named, of, dtype) => {
    for (const [name, shape, perm] of [
      ["matrix", [3, 5], [1, 0]],
      ["tile", [17, 19], [1, 0]],
      ["same", [2, 3], [0, 1]],
      ["to-last", [2, 3, 4], [0, 2, 1]],
      ["to-first", [2, 3, 4], [2, 0, 1]],
      ["reverse", [2, 3, 4], [2, 1, 0]],
      ["four", [2, 3, 1, 2], [3, 0, 2, 1]],
      ["scalar", [], []],
      ["line", [4], [0]],
      ["empty", [0, 3], [1, 0]],
      ["rank-8", EIGHT, [7, 5, 3, 1, 0, 2, 4, 6]],
    ]) {
      named(name, { perm }, [of(shape)]);
    }
    resources(file, "transpose", dtype, { perm: [1, 0] }, [of([2, 3])]);
  });
  broken(file, "transpose", { perm: [1, 0] }, [tensor("i8", [1, 2], [1, 2])]);
}

const MIN = -0x80000000;
const MAX = 0x7fffffff;

function slice(file) {
  forDtypes(file, "slice", ALL, (named, of, dtype) => {
    for (const [name, shape, starts, ends, steps] of [
      ["plain", [5, 4], [1, 0], [4, 2], [1, 1]],
      ["steps", [9], [1], [8], [3]],
      ["step-beyond", [9], [1], [8], [100]],
      ["negative", [6], [-4], [-1], [1]],
      ["backwards", [7], [5], [1], [-2]],
      ["backwards-all", [7], [MAX], [MIN], [-1]],
      ["backwards-to-first", [4], [-1], [MIN], [-1]],
      ["backwards-stops-at-last", [4], [-1], [-1], [-1]],
      ["clamped", [5], [-100], [100], [1]],
      ["all", [3, 2], [0, 0], [MAX, MAX], [1, 1]],
      ["nothing", [5], [3], [3], [1]],
      ["crossed", [5], [4], [1], [1]],
      ["beyond", [5], [7], [9], [1]],
      ["empty", [0], [0], [5], [1]],
      ["empty-backwards", [0], [-1], [MIN], [-1]],
      ["empty-rest", [0, 4], [0, 1], [9, 3], [1, 1]],
      ["least-step", [5], [4], [MIN], [MIN]],
      ["greatest-step", [5], [0], [MAX], [MAX]],
      ["scalar", [], [], [], []],
      [
        "rank-8",
        EIGHT,
        [0, 1, 0, 0, 0, 2, 0, -1],
        [1, 2, 1, 2, 1, 0, 1, MAX],
        [1, 1, 1, 1, 1, -1, 1, 1],
      ],
    ]) {
      named(name, { starts, ends, steps }, [of(shape)]);
    }
    resources(file, "slice", dtype, { starts: [1], ends: [4], steps: [1] }, [of([5])]);
  });
  broken(file, "slice", { starts: [0], ends: [1], steps: [1] }, [tensor("i8", [1, 2])]);
}

function concat(file) {
  forDtypes(file, "concat", ALL, (named, of, dtype) => {
    const join = (name, axis, shapes, options) => named(name, { count: shapes.length, axis }, shapes.map(of), options); // prettier-ignore
    join("two", 0, [[2], [3]]);
    join("one", 0, [[4]]);
    join("columns", 1, [
      [2, 3],
      [2, 1],
      [2, 2],
    ]);
    join("rows", 0, [
      [1, 3],
      [2, 3],
    ]);
    join("middle", 1, [
      [2, 1, 3],
      [2, 2, 3],
    ]);
    join("with-empty", 0, [[2], [0], [1]]);
    join("all-empty", 1, [
      [0, 2],
      [0, 1],
    ]);
    join(
      "many",
      0,
      Array.from({ length: 20 }, (_, i) => [i % 3]),
    );
    join("rank-8", 5, [EIGHT, [1, 2, 1, 2, 1, 1, 1, 2]]);
    join(
      "misfit",
      0,
      [
        [2, 3],
        [2, 2],
      ],
      MISFIT,
    );
    join(
      "misfit/zero",
      0,
      [
        [2, 1],
        [2, 0],
      ],
      MISFIT,
    );
    join(
      "misfit/third",
      1,
      [
        [1, 1],
        [1, 2],
        [2, 1],
      ],
      MISFIT,
    );
    const x = of([2]);
    named("itself", { count: 2, axis: 0 }, [x, x]);
    resources(file, "concat", dtype, { count: 2, axis: 0 }, [of([2, 2]), of([1, 2])]);
  });
  // Two empty tensors whose axes add up to more than a dimension can be.
  const half = tensor("i8", [], [0, 0x40000000]);
  single(file, "concat", "misfit/too-long", { count: 2, axis: 1 }, [half, half], { ...MISFIT, limits: { elements: 2n ** 40n, memoryBytes: 2n ** 40n } }); // prettier-ignore
  broken(file, "concat", { count: 2, axis: 0 }, [tensor("i8", [1]), tensor("i8", [2])]);
}

function gather(file) {
  const OUT = { trap: "IndexOutOfRange", clauses: ["#traps"] };
  forDtypes(file, "gather", ALL, (named, of, dtype) => {
    for (const kind of ["i32", "i64"]) {
      const take = (name, shape, axis, indices, options) => named(`${kind}/${name}`, { axis }, [of(shape), indices], options); // prettier-ignore
      const ints = (values, shape) => tensor(kind, values, shape);
      take("line", [5], 0, ints([4, 0, 0, 2]));
      take("rows", [4, 3], 0, ints([3, 1]));
      take("columns", [2, 5], 1, ints([4, 4, 0]));
      take("matrix-of-indices", [3, 2], 0, ints([0, 2, 1, 1], [2, 2]));
      take("middle", [2, 3, 2], 1, ints([2, 0]));
      take("scalar-index", [3, 2], 0, ints([1], []));
      take("no-indices", [3, 2], 0, ints([]));
      take("empty-rest", [3, 0], 0, ints([2, 1]));
      take("empty-axis", [0, 2], 0, ints([], [0]));
      take("rank-8", EIGHT, 5, ints([2, 0]));
      take("out/above", [3, 2], 0, ints([0, 3]), OUT);
      take("out/below", [3, 2], 0, ints([-1]), OUT);
      take("out/ends", [3], 0, ints([info(kind).min, info(kind).max]), OUT);
      take("out/empty-axis", [0, 2], 0, ints([0]), OUT);
    }
    const constant = tensor("i32", [2, 0]);
    named("constant-indices", { axis: 0 }, [of([3, 2]), constant], { ...SHAPE, constants: [1] });
    named("constant-table", { axis: 0 }, [of([3, 2]), constant], { ...SHAPE, constants: [0] });
    resources(file, "gather", dtype, { axis: 0 }, [of([3, 2]), tensor("i32", [2, 0, 1, 1])]);
  });
  broken(file, "gather", { axis: 0 }, [tensor("i8", [1]), tensor("i32", [0])]);
  const five = [{ dtype: "i8", rank: 5 }, { dtype: "i32", rank: 5 }]; // prettier-ignore
  file.refuse("invalid/rank-of-result", ["#results"], "invalid", "Type", moduleOfBody(five, [{ dtype: "i8", rank: 8 }], [local(0), local(1), ins("gather", { axis: 0 })])); // prettier-ignore
}

function pad(file) {
  forDtypes(file, "pad", ALL, (named, of, dtype) => {
    const { min, max } = info(dtype);
    for (const [name, shape, before, after, interior, value] of [
      ["line", [3], [2], [1], [0], max],
      ["matrix", [2, 3], [1, 0], [0, 2], [0, 0], min],
      ["interior", [3], [0], [0], [2], 1n],
      ["both", [2, 3], [1, 2], [2, 1], [1, 2], max],
      ["interior-of-one", [1], [0], [0], [5], 1n],
      ["nothing", [2, 2], [0, 0], [0, 0], [0, 0], 1n],
      ["empty", [0], [2], [3], [7], max],
      ["empty-stays", [0, 2], [0, 1], [0, 1], [0, 0], 1n],
      ["scalar", [], [], [], [], 1n],
      [
        "rank-8",
        EIGHT,
        [0, 1, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 0, 0],
        0n,
      ],
    ]) {
      named(name, { before, after, interior, value }, [of(shape)]);
    }
    const plain = { before: [1], after: [0], interior: [1], value: 1n };
    named("misfit/before", { ...plain, before: [MAX], value: 0n }, [of([1])], MISFIT);
    named("misfit/interior", { ...plain, interior: [MAX], value: 0n }, [of([3])], MISFIT);
    resources(file, "pad", dtype, plain, [of([4])]);
  });
  broken(file, "pad", { before: [1], after: [0], interior: [1], value: 1n }, [tensor("i8", [1])]);
}

function expand(file) {
  forDtypes(file, "expand", ALL, (named, of, dtype) => {
    const to = (name, shape, entries, options, ...more) => named(name, { dims: entries }, [of(shape), ...more], options); // prettier-ignore
    to("row", [3], [2, 3]);
    to("column", [2, 1], [2, 4]);
    to("scalar", [], [2, 2]);
    to("scalar-to-scalar", [], []);
    to("keeps", [2, 3], [1]);
    to("both-ways", [3, 1], [2, 1, 4]);
    to("to-empty", [1, 3], [0, 3]);
    to("empty", [0], [2, 1]);
    to(
      "rank-8",
      [2, 1, 1],
      EIGHT.map((d, i) => (i === 5 ? 2 : d)),
    );
    to("from-operand", [1, 3], [-2, 3], SHAPE, dims(2));
    to("from-operand-all", [1], [-2, -2], SHAPE, dims(3, 2));
    to("from-operand-empty", [1], [-2], SHAPE, dims(0));
    to("misfit", [3], [2], MISFIT);
    to("misfit/zero", [2], [0], MISFIT);
    to("misfit/operand", [3], [-2], MISFIT, dims(2));
    to("misfit/operand-negative", [1], [-2], MISFIT, dims(-1));
    to("misfit/operand-large", [1, 1], [-2, 1], MISFIT, dims(2n ** 31n));
    to("misfit/operand-short", [1], [-2, -2], MISFIT, dims(2));
    to("misfit/operand-long", [1], [-2], MISFIT, dims(2, 2));
    resources(file, "expand", dtype, { dims: [4, 3] }, [of([3])]);
  });
  broken(file, "expand", { dims: [2] }, [tensor("i8", [1])]);
  broken(file, "expand", { dims: [-2] }, [tensor("i8", [1]), dims(2)]);
}

/** `[name, x, sizes, p, q, o]`: position (p · i + o) / q. */
const RESIZES = [
  ["twice", [1, 2, 3, 2], [4, 6], [1, 1], [2, 2], [0, 0]],
  ["twice-half-pixel", [1, 2, 3, 2], [4, 6], [2, 2], [4, 4], [-1, -1]],
  ["half", [1, 4, 6, 1], [2, 3], [2, 2], [1, 1], [0, 0]],
  ["thirds", [1, 3, 3, 2], [5, 4], [2, 2], [3, 3], [1, -2]],
  ["corners", [2, 3, 3, 1], [5, 7], [2, 2], [4, 6], [0, 0]],
  ["before-and-behind", [1, 3, 2, 1], [4, 3], [1, 1], [1, 1], [-5, 5]],
  ["one", [1, 1, 1, 3], [3, 2], [1, 1], [3, 2], [0, 0]],
  ["line", [1, 4, 2], [7], [4], [7], [-2]],
  ["volume", [1, 2, 2, 2, 1], [3, 2, 4], [2, 1, 1], [3, 1, 2], [0, 0, -1]],
  ["far-offset", [1, 3, 2], [3], [65_535], [65_535], [-0x3fffffff]],
  ["far-offset-behind", [1, 3, 2], [3], [65_535], [1], [0x3fffffff]],
  ["no-batch", [0, 2, 2], [3], [1], [2], [0]],
  ["no-channels", [1, 2, 0], [3], [1], [2], [0]],
];

function resize(op) {
  return (file) => {
    const linear = op === "resize.linear";
    const dtypes = linear ? ["u8", "i8", "i16", "i32"] : ALL;
    for (const to of linear ? ["i32", "i64"] : [undefined]) {
      const more = to === undefined ? {} : { dtype: to };
      const tag = to === undefined ? "" : `${to}/`;
      const imm = ([, , sizes, numerators, denominators, offsets]) => ({ sizes, numerators, denominators, offsets, ...more }); // prettier-ignore
      forDtypes(file, op, dtypes, (named, of, dtype) => {
        for (const row of RESIZES) named(`${tag}${row[0]}`, imm(row), [of(row[1])]);
        const [least, greatest] = [info(dtype).min, info(dtype).max];
        const ends = tensor(dtype, [least, greatest, greatest, least, least, least, greatest, greatest], [1, 2, 2, 2]); // prettier-ignore
        named(`${tag}ends`, imm(["", [], [5, 5], [1, 1], [4, 3], [0, 0]]), [ends]);
        named(`${tag}saturating`, imm(["", [], [4, 4], [60_000, 60_000], [65_535, 65_535], [7, -7]]), [ends]); // prettier-ignore
        named(`${tag}misfit`, imm(["", [], [2, 2], [1, 1], [1, 1], [0, 0]]), [of([1, 0, 2, 1])], MISFIT); // prettier-ignore
        resources(file, op, `${tag}${dtype}`, imm(RESIZES[0]), [of([1, 2, 3, 2])]);
      });
    }
    const imm = { sizes: [1], numerators: [1], denominators: [1], offsets: [0], ...(linear ? { dtype: "i32" } : {}) }; // prettier-ignore
    broken(file, op, imm, [tensor("i8", [1], [1, 1, 1])]);
  };
}

function shape(file) {
  forDtypes(file, "shape", ALL, (named, of, dtype) => {
    for (const sizes of [[], [3], [2, 3], [0], [5, 0, 2], EIGHT]) {
      named(sizes.join("x") || "scalar", {}, [of(sizes)]);
    }
    resources(file, "shape", dtype, {}, [of([2, 3])]);
  });
  broken(file, "shape", {}, [tensor("i8", [1])]);
}

function iota(file) {
  const named = (name, entries, operands, options = SHAPE) => single(file, "iota", name, { dims: entries }, operands, options); // prettier-ignore
  for (const length of [0, 1, 2, 17, 300]) {
    named(`length/${length}`, [length], []);
    named(`from-operand/${length}`, [-2], [dims(length)]);
  }
  for (const [name, ...values] of [
    ["negative", -1],
    ["large", 2n ** 31n],
    ["least", info("i64").min],
    ["short"],
    ["long", 1, 1],
  ]) {
    named(`misfit/${name}`, [-2], [dims(...values)], MISFIT);
  }
  named("elements", [0x7fffffff], [], { trap: "ElementLimit", clauses: ["#traps"] });
  named("elements/from-operand", [-2], [dims(0x7fffffff)], { trap: "ElementLimit", clauses: ["#traps"] }); // prettier-ignore
  resources(file, "iota", "i32", { dims: [7] }, []);
  resources(file, "iota", "from-operand", { dims: [-2] }, [dims(7)]);
  broken(file, "iota", { dims: [3] }, []);
  broken(file, "iota", { dims: [-2] }, [dims(3)]);
}

export const movement = {
  reshape,
  transpose,
  slice,
  concat,
  gather,
  pad,
  expand,
  "resize.nearest": resize("resize.nearest"),
  "resize.linear": resize("resize.linear"),
  shape,
  iota,
};

/** Scatters, sorting, and the indices of what is not zero. */
const OUT = { trap: "IndexOutOfRange", clauses: ["#traps"] };

export function scatter(file, op, dtypes) {
  forDtypes(file, op, dtypes, (named, of, dtype) => {
    for (const kind of ["i32", "i64"]) {
      const put = (name, axis, x, indices, updates, options) => named(`${kind}/${name}`, { axis }, [x, tensor(kind, indices), updates], options); // prettier-ignore
      put("line", 0, of([5]), [3, 0], of([2]));
      put("duplicates", 0, of([4]), [1, 3, 1, 1, 3], of([5]), { clauses: ["#meaning", "execution.md#values"] }); // prettier-ignore
      put("rows", 0, of([3, 2]), [2, 2, 0], of([3, 2]));
      put("columns", 1, of([2, 4]), [3, 1], of([2, 2]));
      put("middle", 1, of([2, 3, 2]), [0, 2, 0], of([2, 3, 2]));
      put("none", 0, of([3]), [], of([0]));
      put("empty-rest", 0, of([3, 0]), [1], of([1, 0]));
      put("all-empty", 0, of([0]), [], of([0]));
      put("rank-8", 5, of(EIGHT), [1, 1], of(EIGHT.map((d, i) => (i === 5 ? 2 : d))));
      put("misfit/count", 0, of([3]), [1, 2], of([3]), MISFIT);
      put("misfit/rest", 0, of([3, 2]), [1], of([1, 3]), MISFIT);
      put("out/above", 0, of([3]), [0, 3], of([2]), OUT);
      put("out/below", 0, of([3]), [-1], of([1]), OUT);
      put("out/empty-axis", 0, of([0]), [0], of([1]), OUT);
    }
    const { min, max } = info(dtype);
    const ends = edges(dtype);
    const row = (values) => tensor(dtype, values);
    // Each end meets each other; then sums and products go beyond the dtype and come back.
    named("ends", { axis: 0 }, [row(ends), tensor("i32", ends.map((_, i) => i)), row([...ends].reverse())]); // prettier-ignore
    named("there-and-back", { axis: 0 }, [row([max, min, 1]), tensor("i32", [0, 0, 0, 0, 1, 1, 1, 1]), row([max, max, min, min, min, min, max, max])]); // prettier-ignore
    resources(file, op, dtype, { axis: 0 }, [of([4, 2]), tensor("i32", [3, 3]), of([2, 2])]);
  });
  broken(file, op, { axis: 0 }, [tensor("i8", [1]), tensor("i32", [0]), tensor("i8", [1])]);
}

export function argsort(file) {
  forDtypes(file, "argsort", ALL, (named, of, dtype) => {
    const TIES = { clauses: ["#meaning", "execution.md#values"] };
    for (const [name, sizes, axis] of [
      ["line", [40], 0],
      ["last", [3, 9], 1],
      ["first", [7, 2], 0],
      ["middle", [2, 5, 2], 1],
      ["one", [1], 0],
      ["empty", [2, 0], 1],
      ["empty-rest", [0, 3], 1],
      ["rank-8", EIGHT, 5],
    ]) {
      named(name, { axis }, [of(sizes)]);
    }
    const { min, max } = info(dtype);
    named("ties/all", { axis: 0 }, [tensor(dtype, new Array(33).fill(1))], TIES);
    named("ties/ends", { axis: 0 }, [tensor(dtype, [max, min, max, min, 0, 1, 0, 1, min, max])], TIES); // prettier-ignore
    named("ends", { axis: 0 }, [tensor(dtype, [...edges(dtype)].reverse())]);
    resources(file, "argsort", dtype, { axis: 0 }, [of([9])]);
    resources(file, "argsort", `${dtype}/one`, { axis: 1 }, [of([2, 1])]);
  });
  broken(file, "argsort", { axis: 0 }, [tensor("i8", [1])]);
}

export function nonzero(file) {
  forDtypes(file, "nonzero", ALL, (named, of, dtype) => {
    const zeros = (n) => tensor(dtype, new Array(n).fill(0));
    for (const sizes of [[], [1], [37], [4, 5], EIGHT, [0], [3, 0]]) {
      named(`random/${sizes.join("x") || "scalar"}`, {}, [of(sizes)]);
    }
    named("none", {}, [zeros(9)]);
    named("all", {}, [tensor(dtype, new Array(9).fill(1))]);
    named("last", {}, [tensor(dtype, [0, 0, 0, 1], [2, 2])]);
    named("scalar-zero", {}, [tensor(dtype, [0], [])]);
    // Gas and limits count one index for each element, however many there are.
    resources(file, "nonzero", dtype, {}, [zeros(6)]);
  });
  broken(file, "nonzero", {}, [tensor("i8", [1])]);
}
