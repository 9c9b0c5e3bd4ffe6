import { DTYPES } from "../core/dtype.js";
import { MAX_RANK } from "../core/shape.js";
import type { TrapCode } from "../core/errors.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import type { Immediates } from "./record.js";
import { machineOp } from "./record.js";

const LABEL = {
  label: { kind: "label", doc: "how many enclosing blocks to leave out, 0 is the innermost" },
} as const;
const LOCAL = {
  local: { kind: "local", doc: "index of the local; parameters come first" },
} as const;
const TYPE = { type: { kind: "type", doc: "types popped and pushed by the block" } } as const;

function control<const I extends Immediates>(
  code: number,
  immediates: I,
  effect: string,
  doc: string,
  traps: readonly TrapCode[] = [],
) {
  return machineOp({
    code,
    class: "control",
    doc,
    immediates,
    effect,
    gas: GAS_SCHEDULE.step,
    traps,
  });
}

/** Traps of what may leave the function of the entry, whose results must fit the ports. */
const LEAVES: readonly TrapCode[] = ["ShapeMismatch"];
/** Traps of what makes the stack higher. */
const PUSHES: readonly TrapCode[] = ["StackLimit"];

export const machine = {
  trap: machineOp({
    code: 0x00,
    class: "control",
    doc: "Stops the run with trap `Unreachable`, whose detail is the immediate.",
    immediates: {
      detail: { kind: "uint", min: 0, max: 65_535, doc: "a number that the receipt reports" },
    },
    effect: "any → any; what follows is unreachable",
    gas: GAS_SCHEDULE.step,
    traps: ["Unreachable"],
  }),
  block: control(
    0x01,
    TYPE,
    "params → params inside; results after `end`",
    "A block; a branch to it goes to its end and carries its results.",
  ),
  loop: control(
    0x02,
    TYPE,
    "params → params inside; results after `end`",
    "A block whose branches go back to its start and carry its parameters.",
  ),
  if: control(
    0x03,
    TYPE,
    "params, bool scalar → params inside; results after `end`",
    "Runs the instructions up to `else` (or `end`) if the scalar is true, those after `else` otherwise. Without `else` the parameters are the results.",
  ),
  else: control(0x04, {}, "results of the first arm → params", "Separates the arms of `if`."),
  end: control(
    0x05,
    {},
    "results → results",
    "Ends a block, a loop, an if or the function.",
    LEAVES,
  ),
  br: control(
    0x06,
    LABEL,
    "types of the label → any; what follows is unreachable",
    "Branches to a label.",
    LEAVES,
  ),
  "br.if": control(
    0x07,
    LABEL,
    "types of the label, bool scalar → types of the label",
    "Branches to a label if the scalar is true.",
    LEAVES,
  ),
  return: control(
    0x08,
    {},
    "results of the function → any; what follows is unreachable",
    "Leaves the function.",
    LEAVES,
  ),
  call: machineOp({
    code: 0x09,
    class: "control",
    doc: "Calls a function of the same part of the module.",
    immediates: { function: { kind: "function", doc: "index of the function" } },
    effect: "params of the function → results of the function",
    gas: GAS_SCHEDULE.call,
    traps: ["StackLimit", "CallDepth"],
  }),
  drop: control(0x0a, {}, "x → (nothing)", "Discards a value."),
  "local.get": control(0x0b, LOCAL, "→ x", "Pushes the value of a local.", PUSHES),
  "local.set": control(0x0c, LOCAL, "x →", "Pops a value into a local."),
  "local.tee": control(0x0d, LOCAL, "x → x", "Copies the top of the stack into a local."),
  "local.take": control(
    0x0e,
    LOCAL,
    "→ x",
    "Pushes the value of a local and puts the local back to its initial value: zero elements, or a zero for rank 0. It ends the life of a tensor.",
    PUSHES,
  ),
  const: machineOp({
    code: 0x10,
    class: "constant",
    doc: "Pushes a parameter of the module.",
    immediates: { parameter: { kind: "parameter", doc: "index of the parameter" } },
    effect: "→ x",
    gas: GAS_SCHEDULE.step,
    traps: PUSHES,
  }),
  scalar: machineOp({
    code: 0x11,
    class: "constant",
    doc: "Pushes a scalar.",
    immediates: {
      dtype: { kind: "dtype", among: DTYPES, doc: "dtype of the scalar" },
      value: { kind: "i64", doc: "its value, in the dtype" },
    },
    effect: "→ x of rank 0",
    gas: GAS_SCHEDULE.step,
    traps: PUSHES,
  }),
  random: machineOp({
    code: 0x12,
    class: "constant",
    doc: "Pops an i64 scalar, the counter; pushes uniformly random bits, a pure function of the run's seed, the stream, the counter and the element index: the row-major bytes are SHA-256(seed ‖ stream as u32 ‖ counter as i64 ‖ n as u64), n = 0, 1, 2 …, one after the other, integers little-endian.",
    immediates: {
      dtype: {
        kind: "dtype",
        among: ["u8", "i8", "i16", "i32", "i64"],
        doc: "dtype of the result",
      },
      stream: { kind: "uint", min: 0, max: 0xffffffff, doc: "number of the stream" },
      dims: {
        kind: "dims",
        min: 0,
        max: 0x7fffffff,
        doc: `dimensions of the result, at most ${MAX_RANK}`,
      },
    },
    effect: "i64 scalar → x",
    gas: GAS_SCHEDULE.random,
    traps: ["ElementLimit", "MemoryLimit"],
  }),
} as const;
