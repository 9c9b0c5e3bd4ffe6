// Instructions that work element by element.
import { OPS } from "../../../dist/opcodes/index.js";
import { broken, resources, single } from "../single.mjs";
import { ALL, INTEGERS, Random, edges, info, scalar, tensor } from "../tensors.mjs";

/** Shapes that broadcast, with what is odd about them. */
const BROADCASTS = [
  ["row", [2, 3], [3]],
  ["column", [2, 3], [2, 1]],
  ["both", [4, 1, 3], [2, 1]],
  ["scalar", [], [2, 2]],
  ["scalars", [], []],
  ["one", [1], [5]],
  ["rank-8", [1, 2, 1, 1, 2, 1, 1, 2], [2, 1, 3, 1, 1]],
  ["empty", [0], [0]],
  ["empty-by-one", [0], [1]],
  ["empty-by-scalar", [2, 0, 3], []],
  ["empty-inner", [2, 0], [2, 1]],
];
const MISFITS = [
  ["differ", [2], [3]],
  ["zero", [0], [2]],
  ["inner", [2, 3], [2]],
  ["ranks", [2, 1, 3], [4, 2, 2]],
];

/** Every pair of the ends and middles of a dtype. */
function pairs(dtype) {
  const values = edges(dtype);
  return [tensor(dtype, values, [values.length, 1]), tensor(dtype, values)];
}

export function binary(file, op) {
  const random = new Random(op);
  const [a] = OPS[op].operands;
  for (const dtype of a.dtype) {
    const named = (name, operands, options) => single(file, op, `${dtype}/${name}`, {}, operands, options); // prettier-ignore
    named("pairs", pairs(dtype));
    named("pairs-of-constants", pairs(dtype), { constants: [1] });
    for (const length of [1, 7, 16, 33]) {
      named(`random/${length}`, [random.tensor(dtype, [length]), random.tensor(dtype, [length])]);
    }
    for (const [name, left, right] of BROADCASTS) {
      const clauses = ["#shapes", "execution.md#values"];
      named(`broadcast/${name}`, [random.tensor(dtype, left), random.tensor(dtype, right)], { clauses }); // prettier-ignore
      if (left.length !== right.length) {
        named(`broadcast/${name}/exchanged`, [random.tensor(dtype, right), random.tensor(dtype, left)], { clauses }); // prettier-ignore
      }
    }
    const same = random.tensor(dtype, [2, 3]);
    resources(file, op, dtype, {}, [same, random.tensor(dtype, [3])]);
    for (const [name, left, right] of MISFITS) {
      named(`misfit/${name}`, [random.tensor(dtype, left), random.tensor(dtype, right)], { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] }); // prettier-ignore
    }
  }
  broken(file, op, {}, [tensor("i8", [1]), tensor("i8", [2])]);
}

export function unary(file, op, imm = {}, dtypes = OPS[op].operands[0].dtype, tag = "") {
  const random = new Random(`${op}${tag}`);
  for (const dtype of dtypes) {
    const chosen = typeof imm === "function" ? imm(dtype) : imm;
    const named = (name, operand, options) => single(file, op, `${dtype}${tag}/${name}`, chosen, [operand], options); // prettier-ignore
    named("ends", tensor(dtype, edges(dtype)));
    for (const shape of [[1], [5], [16], [3, 11], [2, 1, 3, 1, 2, 1, 1, 2]]) {
      named(`random/${shape.join("x")}`, random.tensor(dtype, shape));
    }
    named("scalar", random.tensor(dtype, []), { clauses: ["#shapes"] });
    named("empty", tensor(dtype, [], [0]), { clauses: ["#shapes"] });
    named("empty-inner", tensor(dtype, [], [2, 0, 3]), { clauses: ["#shapes"] });
    resources(file, op, `${dtype}${tag}`, chosen, [random.tensor(dtype, [2, 5])]);
  }
}

/** Around every square, where a root in floats would go wrong. */
function roots(file) {
  for (const dtype of INTEGERS) {
    const { max } = info(dtype);
    const values = [];
    for (const root of [
      1n,
      2n,
      3n,
      11n,
      12n,
      15n,
      180n,
      181n,
      255n,
      46_339n,
      46_340n,
      94_906_265n,
      94_906_266n,
      3_037_000_498n,
      3_037_000_499n,
    ]) {
      for (const off of [-1n, 0n, 1n]) if (root * root + off <= max) values.push(root * root + off);
    }
    single(file, "sqrt.floor", `${dtype}/squares`, {}, [tensor(dtype, values)]);
  }
}

/** Quotients: exact, one off exact, by zero, and the one that saturates. */
function quotients(file, op) {
  for (const dtype of INTEGERS) {
    const { min, max } = info(dtype);
    const pair = (name, a, b) => single(file, op, `${dtype}/${name}`, {}, [tensor(dtype, a), tensor(dtype, b)]); // prettier-ignore
    const signs = min < 0n ? [1n, -1n] : [1n];
    const [a, b] = [[], []];
    for (const s of signs) {
      for (const t of signs) {
        for (const [x, y] of [
          [6n, 3n],
          [7n, 3n],
          [8n, 3n],
          [1n, 2n],
          [3n, 2n],
          [max, 2n],
          [max, max],
          [max - 1n, max],
          [0n, 5n],
        ]) {
          a.push(s * x);
          b.push(t * y);
        }
      }
    }
    pair("halves", a, b);
    pair(
      "by-zero",
      [min, -1n < min ? min : -1n, 0n, 1n, max].map((v) => v),
      [0n, 0n, 0n, 0n, 0n],
    );
    if (min < 0n) pair("least-by-minus-one", [min, min + 1n, max], [-1n, -1n, -1n]);
  }
}

function shifts(file, op) {
  for (const dtype of INTEGERS) {
    const { min, max } = info(dtype);
    const counts = [min, -1n, 0n, 1n, 7n, 8n, 15n, 16n, 31n, 32n, 62n, 63n, 64n, 65n, max].filter((v) => v >= min && v <= max); // prettier-ignore
    const values = [min, min / 2n, -3n, -1n, 0n, 1n, 3n, max / 2n, max].filter((v) => v >= min);
    single(file, op, `${dtype}/counts`, {}, [
      tensor(dtype, values, [values.length, 1]),
      tensor(dtype, counts),
    ]);
  }
}

function clamps(file) {
  for (const dtype of INTEGERS) {
    const { min, max } = info(dtype);
    const least = min < 0n ? -2n : 2n;
    for (const [tag, lo, hi] of [
      ["all", min, max],
      ["narrow", least, 5n],
      ["point", 1n, 1n],
      ["high", max - 1n, max],
      ["low", min, min + 1n],
    ]) {
      unary(file, "clamp", { lo, hi }, [dtype], `-${tag}`);
    }
  }
  broken(file, "clamp", { lo: -1n, hi: 1n }, [tensor("i8", [1])]);
}

function casts(file) {
  for (const to of ALL) {
    for (const from of ALL) {
      const random = new Random(`cast${from}${to}`);
      const imm = { dtype: to };
      const named = (name, x, options) => single(file, "cast", `${from}-${to}/${name}`, imm, [x], options); // prettier-ignore
      const inside = ALL.flatMap((dtype) => [info(dtype).min - 1n, info(dtype).min, info(dtype).max, info(dtype).max + 1n]); // prettier-ignore
      const { min, max } = info(from);
      const values = [...edges(from), ...inside.filter((v) => v >= min && v <= max)];
      named("ends", tensor(from, values));
      named("random", random.tensor(from, [37]));
      named("scalar", random.tensor(from, []), { clauses: ["#shapes"] });
      named("empty", tensor(from, [], [0, 2]), { clauses: ["#shapes"] });
      resources(file, "cast", `${from}-${to}`, imm, [random.tensor(from, [6])]);
    }
  }
  broken(file, "cast", { dtype: "i8" }, [tensor("i16", [1])]);
}

function selects(file) {
  for (const dtype of ALL) {
    const random = new Random(`select${dtype}`);
    const of = (shapes) => [random.tensor("bool", shapes[0]), random.tensor(dtype, shapes[1]), random.tensor(dtype, shapes[2])]; // prettier-ignore
    const named = (name, shapes, options) => single(file, "select", `${dtype}/${name}`, {}, of(shapes), options); // prettier-ignore
    named("ends", [[2], [2], [2]]);
    named("random", [[33], [33], [33]]);
    for (const [name, ...shapes] of [
      ["condition", [2, 1], [2, 3], [2, 3]],
      ["values", [2, 3], [1, 3], [2, 1]],
      ["scalars", [], [], []],
      ["scalar-condition", [], [4], [1]],
      ["three-ways", [2, 1, 1], [3, 1], [4]],
      ["empty", [0], [1], []],
      ["all-empty", [2, 0], [0], [1, 0]],
      ["rank-8", [1, 1, 1, 1, 1, 1, 1, 2], [2, 1, 1, 1, 1, 1, 2, 1], [1]],
    ]) {
      named(`broadcast/${name}`, shapes, { clauses: ["#shapes"] });
    }
    const misfit = { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] };
    named("misfit/condition", [[2], [3], [3]], misfit);
    named("misfit/values", [[1], [3], [2]], misfit);
    resources(file, "select", dtype, {}, of([[2, 3], [3], [2, 1]]));
  }
  broken(file, "select", {}, [tensor("bool", [1]), tensor("i8", [2]), tensor("i8", [3])]);
}

function normalizes(file) {
  unary(file, "normalize");
  for (const dtype of ["i32", "i64"]) {
    const bits = dtype === "i32" ? 31n : 63n;
    const values = [];
    for (let bit = 0n; bit < bits; bit++)
      values.push((1n << bit) - 1n, 1n << bit, (1n << bit) + 1n);
    single(file, "normalize", `${dtype}/powers`, {}, [tensor(dtype, values)]);
  }
  single(file, "normalize", "i64/scalar-one", {}, [scalar("i64", 1)], { results: [scalar("i32", 1 << 30), scalar("i32", 0)] }); // prettier-ignore
  broken(file, "normalize", {}, [tensor("i32", [1])]);
}

/** Cases of an instruction, by its name; undefined where they are elsewhere. */
export function elementwise(op) {
  const { class: kind } = OPS[op];
  if (kind === "binary" || kind === "compare") {
    return (file) => {
      binary(file, op);
      if (/^(div|mod)\./.test(op)) quotients(file, op);
      if (/^sh[lr]$/.test(op)) shifts(file, op);
    };
  }
  if (["not", "neg", "abs", "sqrt.floor"].includes(op)) {
    return (file) => {
      unary(file, op);
      if (op === "sqrt.floor") roots(file);
      broken(file, op, {}, [tensor("i8", [1])]);
    };
  }
  return { clamp: clamps, cast: casts, select: selects, normalize: normalizes }[op];
}
