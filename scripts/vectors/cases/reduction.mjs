// Reductions and pools.
import { OPS } from "../../../dist/opcodes/index.js";
import { broken, resources, single } from "../single.mjs";
import { Random, edges, info, tensor } from "../tensors.mjs";

const SHAPE = { clauses: ["#shapes", "#results", "#meaning"] };
const TIES = { clauses: ["#meaning", "execution.md#values"] };
const MISFIT = { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] };

const REDUCED = [
  ["last", [3, 5], [1]],
  ["first", [3, 5], [0]],
  ["all", [2, 3, 4], [0, 1, 2]],
  ["outer-and-inner", [2, 3, 4], [0, 2]],
  ["middle", [2, 17, 3], [1]],
  ["none", [2, 3], []],
  ["scalar", [], []],
  ["long", [200], [0]],
  ["empty-axis", [2, 0, 3], [1]],
  ["empty-rest", [0, 3], [1]],
  ["all-empty", [0, 0], [0, 1]],
  ["rank-8", [1, 2, 1, 2, 1, 3, 1, 2], [1, 5, 7]],
];

/** reduce.max, reduce.min, and with a dtype of the result reduce.sum and reduce.prod. */
export function reduce(file, op) {
  const results = OPS[op].immediates.dtype?.among ?? [undefined];
  for (const dtype of OPS[op].operands[0].dtype) {
    for (const to of results) {
      const tag = to === undefined ? dtype : `${dtype}-${to}`;
      const random = new Random(`${op}${tag}`);
      const imm = (axes) => ({ axes, ...(to === undefined ? {} : { dtype: to }) });
      for (const [name, shape, axes] of REDUCED) {
        single(file, op, `${tag}/${name}`, imm(axes), [random.tensor(dtype, shape)], SHAPE);
      }
      const { min, max } = info(dtype);
      const all = (value, n) => tensor(dtype, new Array(n).fill(value));
      single(file, op, `${tag}/least`, imm([0]), [all(min, 33)]);
      single(file, op, `${tag}/greatest`, imm([0]), [all(max, 33)]);
      single(file, op, `${tag}/ends`, imm([0]), [tensor(dtype, edges(dtype))]);
      // Beyond the dtype on the way, within it at the end: only an exact sum or product sees it.
      single(file, op, `${tag}/there-and-back`, imm([0]), [tensor(dtype, [max, max, max, max, min, min, min, min, 1])]); // prettier-ignore
      single(file, op, `${tag}/small`, imm([0]), [tensor(dtype, dtype === "bool" ? [1, 0, 1] : [3, 1, 2])]); // prettier-ignore
      resources(file, op, tag, imm([1]), [random.tensor(dtype, [3, 4])]);
    }
  }
  const imm = { axes: [0], ...(results[0] === undefined ? {} : { dtype: "i32" }) };
  broken(file, op, imm, [tensor("i8", [1])]);
}

export function extreme(file, op) {
  for (const dtype of OPS[op].operands[0].dtype) {
    const random = new Random(`${op}${dtype}`);
    const named = (name, x, axis, options) => single(file, op, `${dtype}/${name}`, { axis }, [x], options); // prettier-ignore
    for (const [name, shape, axis] of [
      ["line", [9], 0],
      ["last", [4, 18], 1],
      ["first", [5, 3], 0],
      ["middle", [2, 4, 3], 1],
      ["one", [3, 1], 1],
      ["empty-rest", [0, 2], 1],
      ["rank-8", [1, 2, 1, 2, 1, 3, 1, 2], 5],
    ]) {
      named(name, random.tensor(dtype, shape), axis, SHAPE);
    }
    const { min, max } = info(dtype);
    named("ties/all", tensor(dtype, new Array(17).fill(1)), 0, TIES);
    named("ties/greatest", tensor(dtype, [1, max, 0, max, max, 2]), 0, TIES);
    named("ties/least", tensor(dtype, [1, max, min, 3, min, 2]), 0, TIES);
    named("ties/rows", tensor(dtype, [2, 1, 2, 1, 2, 1, 0, 0, 0], [3, 3]), 1, TIES);
    named("ends", tensor(dtype, [...edges(dtype), ...edges(dtype).reverse()]), 0);
    named("misfit", tensor(dtype, [], [2, 0]), 1, MISFIT);
    named("misfit/all-empty", tensor(dtype, [], [0]), 0, MISFIT);
    resources(file, op, dtype, { axis: 1 }, [random.tensor(dtype, [3, 4])]);
  }
  broken(file, op, { axis: 0 }, [tensor("i8", [1])]);
}

export function cumsum(file) {
  for (const dtype of OPS["cumsum"].operands[0].dtype) {
    for (const to of ["i32", "i64"]) {
      const random = new Random(`cumsum${dtype}${to}`);
      const named = (name, x, axis, options) => single(file, "cumsum", `${dtype}-${to}/${name}`, { axis, dtype: to }, [x], options); // prettier-ignore
      for (const [name, shape, axis] of [
        ["line", [21], 0],
        ["last", [3, 6], 1],
        ["first", [5, 3], 0],
        ["middle", [2, 4, 3], 1],
        ["one", [3, 1], 1],
        ["empty", [2, 0], 1],
        ["empty-rest", [0, 2], 1],
        ["rank-8", [1, 2, 1, 2, 1, 3, 1, 2], 5],
      ]) {
        named(name, random.tensor(dtype, shape), axis, SHAPE);
      }
      const { min, max } = info(dtype);
      // Saturated by itself, each element: the sum goes on exact.
      named("there-and-back", tensor(dtype, [max, max, max, min, min, min, 1, max]), 0);
      named("least", tensor(dtype, [min, min, min, max, max, max]), 0);
      resources(file, "cumsum", `${dtype}-${to}`, { axis: 0, dtype: to }, [random.tensor(dtype, [3, 4])]); // prettier-ignore
    }
  }
  broken(file, "cumsum", { axis: 0, dtype: "i32" }, [tensor("i8", [1])]);
}

const WINDOWS = [
  ["plain", [1, 4, 4, 3], { kernel: [2, 2], strides: [2, 2] }],
  ["overlapping", [2, 5, 6, 2], { kernel: [3, 3] }],
  ["padded", [1, 5, 4, 3], { kernel: [3, 2], pads: [1, 1, 1, 0] }],
  ["dilated", [1, 7, 7, 2], { kernel: [3, 2], dilations: [2, 3], strides: [1, 2] }],
  ["wide-channels", [1, 3, 3, 19], { kernel: [3, 3], pads: [1, 1, 1, 1] }],
  ["global", [1, 4, 5, 3], { kernel: [4, 5] }],
  ["line", [2, 9, 3], { kernel: [3], strides: [2], pads: [1, 1] }],
  ["volume", [1, 3, 3, 3, 2], { kernel: [2, 2, 2] }],
  ["padding-alone", [1, 2, 2, 2], { kernel: [1, 1], pads: [2, 0, 0, 1] }],
  ["no-channels", [1, 3, 3, 0], { kernel: [2, 2] }],
  ["no-batch", [0, 3, 3, 2], { kernel: [2, 2] }],
];

function window({ kernel, ...more }) {
  const ones = kernel.map(() => 1);
  return { kernel, strides: ones, dilations: ones, pads: [...ones, ...ones].map(() => 0), ...more };
}

export function pool(file, op) {
  const results = OPS[op].immediates.dtype?.among ?? [undefined];
  for (const dtype of OPS[op].operands[0].dtype) {
    for (const to of results) {
      const tag = to === undefined ? dtype : `${dtype}-${to}`;
      const random = new Random(`${op}${tag}`);
      const imm = (spec) => ({ ...window(spec), ...(to === undefined ? {} : { dtype: to }) });
      const named = (name, spec, x, options) => single(file, op, `${tag}/${name}`, imm(spec), [x], options); // prettier-ignore
      for (const [name, shape, spec] of WINDOWS) named(name, spec, random.tensor(dtype, shape), SHAPE); // prettier-ignore
      const { min, max } = info(dtype);
      const all = (value) => tensor(dtype, new Array(18).fill(value), [1, 3, 3, 2]);
      named("least", { kernel: [2, 2], pads: [1, 1, 1, 1] }, all(min));
      named("greatest", { kernel: [2, 2], pads: [1, 1, 1, 1] }, all(max));
      named("misfit/window", { kernel: [4, 2] }, all(1n), MISFIT);
      named("misfit/dilated", { kernel: [2, 2], dilations: [1, 3] }, all(1n), MISFIT);
      named("misfit/empty-image", { kernel: [1] }, tensor(dtype, [], [1, 0, 2]), MISFIT);
      resources(file, op, tag, imm({ kernel: [2, 3], pads: [1, 0, 0, 1] }), [random.tensor(dtype, [1, 4, 4, 2])]); // prettier-ignore
    }
  }
  const imm = { ...window({ kernel: [1] }), ...(results[0] === undefined ? {} : { dtype: "i32" }) };
  broken(file, op, imm, [tensor("i8", [1], [1, 1, 1])]);
}
