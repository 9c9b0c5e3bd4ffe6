// Instructions of the machine. What comes out is written by hand beside each program; the exact
// machine must find the same.
import { END, constant, ins, local, malformations, moduleOfBody } from "../single.mjs";
import { fromHex, hex, littleEndian, sha256 } from "../hashes.mjs";
import { ALL, INTEGERS, Random, edges, info, scalar, tensor, valuesOf } from "../tensors.mjs";

const I32 = { dtype: "i32", rank: 0 };
const BOOL = { dtype: "bool", rank: 0 };
const int = (value) => scalar("i32", value);
const flag = (value) => scalar("bool", value);
const push = (value, dtype = "i32") => ins("scalar", { dtype, value: BigInt(value) });
const set = (index) => ins("local.set", { local: index });
const tee = (index) => ins("local.tee", { local: index });
const take = (index) => ins("local.take", { local: index });
const br = (label) => ins("br", { label });
const brIf = (label) => ins("br.if", { label });
const call = (index) => ins("call", { function: index });
const block = (params, results) => ins("block", { type: { params, results } });
const loop = (params, results) => ins("loop", { type: { params, results } });
const when = (params, results) => ins("if", { type: { params, results } });
const [ADD, SUB, MUL, LT, DROP, ELSE, RETURN] = ["add", "sub", "mul", "lt", "drop", "else", "return"].map((op) => ins(op)); // prettier-ignore
const trap = (detail) => ins("trap", { detail });

export const build = { I32, BOOL, int, flag, push, set, tee, take, br, brIf, call, block, loop, when, ADD, SUB, MUL, LT, DROP, ELSE, RETURN, trap }; // prettier-ignore

const CONTROL = ["#meaning", "#stack", "execution.md#control"];
const STEP = 100_000n;
const CALL = 300_000n;
/** Gas of a product of two i32 scalars: base, 1 element. */
const PRODUCT = 1_500_000n + 450n;

/** A program over scalars: `body` on inputs gives results. */
function program(
  file,
  name,
  inputs,
  results,
  body,
  { locals = [], more = [], clauses = CONTROL, types, parameters, ...options } = {},
) {
  const typeOf = ({ dtype, shape }) => ({ dtype, rank: shape.length });
  const module = moduleOfBody(inputs.map(typeOf), types ?? results.map(typeOf), body, { locals, more, parameters }); // prettier-ignore
  const said = options.trap === undefined ? { results } : {};
  return file.run(name, clauses, module, inputs, { ...said, ...options });
}

/** Gas at and below what a program takes, and the stack. */
function bounds(file, inputs, results, body, options = {}) {
  const { gasUsed, peaks } = program(file, "gas/all", inputs, results, body, { ...options, clauses: ["#gas"] }); // prettier-ignore
  program(file, "gas/exact", inputs, results, body, { ...options, clauses: ["#gas"], limits: { gas: gasUsed } }); // prettier-ignore
  const types = results.map(({ dtype, shape }) => ({ dtype, rank: shape.length }));
  for (const less of [1n, STEP + 1n, 2n * STEP + 1n]) {
    if (less > gasUsed) continue;
    program(file, `gas/short/${less}`, inputs, [], body, { ...options, types, clauses: ["#gas"], limits: { gas: gasUsed - less }, trap: "OutOfGas" }); // prettier-ignore
  }
  program(file, "gas/none", inputs, [], body, { ...options, types, clauses: ["#gas"], limits: { gas: 0n }, trap: "OutOfGas" }); // prettier-ignore
  program(file, "limit/stack", inputs, results, body, { ...options, clauses: ["#traps"], limits: { stackDepth: peaks.stackDepth } }); // prettier-ignore
  if (peaks.stackDepth > 0) {
    program(file, "limit/stack/short", inputs, [], body, { ...options, types, clauses: ["#traps"], limits: { stackDepth: peaks.stackDepth - 1 }, trap: "StackLimit" }); // prettier-ignore
  }
}

/** A body that does not validate, and why. */
function invalid(
  file,
  name,
  code,
  body,
  {
    params = [],
    results = [],
    locals = [],
    more = [],
    parameters = [],
    clauses = ["#stack", "validation.md#functions"],
  } = {},
) {
  file.refuse(`invalid/${name}`, clauses, "invalid", code, moduleOfBody(params, results, body, { locals, more, parameters })); // prettier-ignore
}

const TYPE = { type: { params: [I32], results: [I32] } };
/** A valid instruction of each kind, for its immediates. */
const SAMPLES = {
  trap: { detail: 1 },
  block: TYPE,
  loop: TYPE,
  if: TYPE,
  br: { label: 0 },
  "br.if": { label: 0 },
  call: { function: 0 },
  "local.get": { local: 0 },
  "local.set": { local: 0 },
  "local.tee": { local: 0 },
  "local.take": { local: 0 },
  const: { parameter: 0 },
  scalar: { dtype: "i8", value: 1n },
  random: { dtype: "i8", stream: 1, dims: [1] },
};
function malformed(file, op) {
  malformations(file, op, SAMPLES[op] ?? {}, [I32], [I32], [local(0)]);
}

/** n in; sum of n, n − 1, … 1 out, by a loop that carries the sum. */
const SUM = [
  push(0),
  loop([I32], [I32]),
  local(0),
  ADD,
  local(0),
  push(1),
  SUB,
  tee(0),
  push(0),
  ins("eq"),
  ins("not"),
  brIf(0),
  END,
];

export const control = {
  trap(file) {
    const STOP = {
      clauses: ["#meaning", "#stack", "#traps", "execution.md#traps"],
      trap: "Unreachable",
    };
    for (const detail of [0, 1, 65_535]) {
      program(file, `detail/${detail}`, [], [], [trap(detail)], { ...STOP, gasUsed: STEP });
    }
    program(file, "in-a-block", [int(1)], [], [block([], []), trap(7), END, local(0)], { ...STOP, types: [I32], gasUsed: 2n * STEP }); // prettier-ignore
    program(file, "in-a-call", [], [], [call(1)], { ...STOP, more: [{ params: [], results: [], locals: [], body: [ins("trap", { detail: 9 }), END] }], gasUsed: CALL + STEP }); // prettier-ignore
    program(file, "not-reached", [flag(0)], [], [local(0), when([], []), trap(1), END], { clauses: STOP.clauses }); // prettier-ignore
    program(file, "operands-left", [int(1)], [], [local(0), local(0), trap(3)], { ...STOP, types: [] }); // prettier-ignore
    program(file, "gas/short", [], [], [trap(1)], { clauses: ["#gas"], trap: "OutOfGas", limits: { gas: STEP - 1n }, gasUsed: 0n }); // prettier-ignore
    program(file, "gas/exact", [], [], [trap(1)], { clauses: ["#gas"], trap: "Unreachable", limits: { gas: STEP } }); // prettier-ignore
    malformed(file, "trap");
  },
  block(file) {
    program(file, "empty", [], [], [block([], []), END], { gasUsed: 3n * STEP });
    program(file, "results", [], [int(5)], [block([], [I32]), push(5), END]);
    program(file, "params", [int(3)], [int(4)], [local(0), block([I32], [I32]), push(1), ADD, END]);
    program(file, "branch-out", [], [int(2)], [block([], [I32]), push(2), br(0), push(3), END]);
    program(file, "branch-cuts", [], [int(2)], [block([], [I32]), push(8), push(9), push(2), br(0), END]); // prettier-ignore
    program(file, "branch-keeps-below", [], [int(7)], [push(5), block([], [I32]), push(8), push(2), br(0), END, ADD]); // prettier-ignore
    program(file, "two-results", [], [int(1), int(2)], [block([], [I32, I32]), push(1), push(2), END]); // prettier-ignore
    program(file, "nested", [], [int(6)], [block([], [I32]), block([], [I32]), push(6), br(1), END, push(1), ADD, END]); // prettier-ignore
    const deep = 256;
    program(file, "nested/256", [], [int(1)], [...new Array(deep).fill(block([], [])), ...new Array(deep).fill(END), push(1)]); // prettier-ignore
    invalid(file, "nested/257", "Limit", [...new Array(257).fill(block([], [])), ...new Array(257).fill(END)]); // prettier-ignore
    bounds(file, [int(3)], [int(4)], [local(0), block([I32], [I32]), push(1), ADD, END]);
    invalid(file, "param-missing", "StackUnderflow", [block([I32], []), DROP, END]);
    invalid(file, "param-type", "Type", [push(1, "i8"), block([I32], []), DROP, END]);
    invalid(file, "result-missing", "StackUnderflow", [block([], [I32]), END, DROP]);
    invalid(file, "result-type", "Type", [block([], [I32]), push(1, "i64"), END, DROP]);
    invalid(file, "leftover", "StackLeftover", [block([], []), push(1), END]);
    invalid(file, "no-end", "Structure", [block([], [])]);
    invalid(file, "below-base", "StackUnderflow", [
      push(1),
      block([], []),
      DROP,
      END,
      push(1),
      DROP,
    ]);
    malformed(file, "block");
  },
  loop(file) {
    program(file, "once", [], [int(4)], [loop([], [I32]), push(4), END]);
    program(file, "sum/1", [int(1)], [int(1)], SUM);
    program(file, "sum/10", [int(10)], [int(55)], SUM);
    program(file, "sum/100", [int(100)], [int(5050)], SUM);
    // Branches to a loop carry its parameters, its end leaves its results.
    program(file, "powers", [int(5)], [int(32)], [push(1), loop([I32], [I32]), push(2), MUL, local(0), push(1), SUB, tee(0), push(0), LT, ins("not"), local(0), push(0), ins("eq"), ins("not"), ins("and"), brIf(0), END]); // prettier-ignore
    program(file, "leave-from-inside", [], [int(3)], [block([], [I32]), loop([], []), push(3), br(1), END, push(4), END]); // prettier-ignore
    program(file, "nested", [int(3), int(4)], [int(12)], [push(0), loop([I32], [I32]), local(1), set(2), loop([I32], [I32]), push(1), ADD, local(2), push(1), SUB, tee(2), push(0), ins("eq"), ins("not"), brIf(0), END, local(0), push(1), SUB, tee(0), push(0), ins("eq"), ins("not"), brIf(0), END], { locals: [I32] }); // prettier-ignore
    program(file, "for-ever", [], [], [loop([], []), br(0), END], { trap: "OutOfGas", limits: { gas: 5_000_000n }, gasUsed: 5_000_000n }); // prettier-ignore
    bounds(file, [int(2)], [int(3)], SUM);
    invalid(file, "branch-without-params", "StackUnderflow", [push(1), loop([I32], []), DROP, br(0), END]); // prettier-ignore
    invalid(file, "leftover", "StackLeftover", [loop([], []), push(1), END]);
    invalid(file, "param-missing", "StackUnderflow", [loop([I32], []), DROP, END]);
    invalid(file, "result-type", "Type", [loop([], [I32]), push(1, "bool"), END, DROP]);
    malformed(file, "loop");
  },
  if(file) {
    const choose = [local(0), when([], [I32]), push(10), ELSE, push(20), END];
    program(file, "then", [flag(1)], [int(10)], choose, { gasUsed: 5n * STEP });
    program(file, "else", [flag(0)], [int(20)], choose, { gasUsed: 5n * STEP });
    const params = [push(5), local(0), when([I32], [I32]), push(1), ADD, END];
    program(file, "without-else/then", [flag(1)], [int(6)], params);
    program(file, "without-else/skipped", [flag(0)], [int(5)], params, { gasUsed: 4n * STEP });
    program(file, "params-of-both", [flag(0)], [int(3)], [push(4), local(0), when([I32], [I32]), push(1), ADD, ELSE, push(1), SUB, END]); // prettier-ignore
    program(file, "nested", [flag(1), flag(0)], [int(2)], [local(0), when([], [I32]), local(1), when([], [I32]), push(1), ELSE, push(2), END, ELSE, push(3), END]); // prettier-ignore
    program(file, "branch-from-then", [flag(1)], [int(1)], [local(0), when([], [I32]), push(1), br(0), ELSE, push(2), END]); // prettier-ignore
    bounds(file, [flag(1)], [int(10)], choose);
    bounds(file, [flag(0)], [int(20)], choose);
    invalid(file, "condition-missing", "StackUnderflow", [when([], []), END]);
    invalid(file, "condition-dtype", "Type", [push(1, "u8"), when([], []), END]);
    invalid(file, "condition-rank", "Type", [local(0), when([], []), END], { params: [{ dtype: "bool", rank: 1 }] }); // prettier-ignore
    invalid(file, "without-else-types", "Type", [push(1, "bool"), when([], [I32]), push(1), END, DROP]); // prettier-ignore
    invalid(file, "no-end", "Structure", [push(1, "bool"), when([], [])]);
    malformed(file, "if");
  },
  else(file) {
    program(file, "skips", [flag(1)], [int(1)], [local(0), when([], [I32]), push(1), ELSE, trap(1), END]); // prettier-ignore
    program(file, "empty-arms", [flag(1)], [], [local(0), when([], []), ELSE, END], { gasUsed: 4n * STEP }); // prettier-ignore
    program(file, "empty-arms/not", [flag(0)], [], [local(0), when([], []), ELSE, END], { gasUsed: 4n * STEP }); // prettier-ignore
    program(file, "reachable-again", [flag(0)], [int(6)], [local(0), when([], [I32]), trap(1), ELSE, push(6), END]); // prettier-ignore
    bounds(file, [flag(1)], [int(1)], [local(0), when([], [I32]), push(1), ELSE, push(2), END]);
    invalid(file, "without-if", "Structure", [ELSE]);
    invalid(file, "in-a-block", "Structure", [block([], []), ELSE, END]);
    invalid(file, "twice", "Structure", [push(1, "bool"), when([], []), ELSE, ELSE, END]);
    invalid(file, "then-leaves-nothing", "StackUnderflow", [push(1, "bool"), when([], [I32]), ELSE, push(1), END, DROP]); // prettier-ignore
    invalid(file, "else-leaves-nothing", "StackUnderflow", [push(1, "bool"), when([], [I32]), push(1), ELSE, END, DROP]); // prettier-ignore
    invalid(file, "then-leftover", "StackLeftover", [push(1, "bool"), when([], []), push(1), ELSE, END]); // prettier-ignore
    invalid(file, "else-type", "Type", [push(1, "bool"), when([], [I32]), push(1), ELSE, push(1, "i8"), END, DROP]); // prettier-ignore
    malformed(file, "else");
  },
  end(file) {
    program(file, "function", [], [], [], { gasUsed: STEP });
    program(file, "results", [int(1), int(2)], [int(2), int(1)], [local(1), local(0)]);
    program(file, "many-results", [], Array.from({ length: 40 }, (_, i) => int(i)), Array.from({ length: 40 }, (_, i) => push(i))); // prettier-ignore
    bounds(file, [int(1)], [int(1)], [local(0)]);
    invalid(file, "result-missing", "StackUnderflow", [], { results: [I32] });
    invalid(file, "result-dtype", "Type", [push(1, "i8")], { results: [I32] });
    invalid(file, "result-rank", "Type", [push(1)], { results: [{ dtype: "i32", rank: 1 }] });
    invalid(file, "leftover", "StackLeftover", [push(1)]);
    invalid(file, "behind-the-last", "Structure", [END, push(1), DROP]);
    invalid(file, "one-too-many", "Structure", [END]);
    malformed(file, "end");
  },
  br(file) {
    program(file, "forward", [], [int(1)], [block([], [I32]), push(1), br(0), END]);
    program(file, "over-two", [], [int(1)], [block([], [I32]), block([], []), block([], []), push(1), br(2), END, END, push(2), END]); // prettier-ignore
    program(file, "of-the-function", [], [int(4)], [push(9), push(4), br(0)], { types: [I32] });
    program(file, "of-the-function-from-inside", [], [int(4)], [push(9), block([], []), push(4), br(1), END, DROP, push(1)]); // prettier-ignore
    program(file, "two-values", [], [int(1), int(2)], [block([], [I32, I32]), push(0), push(1), push(2), br(0), END]); // prettier-ignore
    program(file, "unreachable-operands", [], [int(1)], [block([], [I32]), push(1), br(0), ADD, END]); // prettier-ignore
    program(file, "unreachable-any-type", [], [int(1)], [block([], [I32]), push(1), br(0), ins("matmul", { aBits: 8, bBits: 8, accumulator: "i32" }), DROP, END]); // prettier-ignore
    bounds(file, [], [int(1)], [block([], [I32]), push(1), br(0), END]);
    invalid(file, "label", "Index", [block([], []), br(2), END]);
    invalid(file, "value-missing", "StackUnderflow", [block([], [I32]), br(0), END, DROP]);
    invalid(file, "value-type", "Type", [block([], [I32]), push(1, "i16"), br(0), END, DROP]);
    invalid(file, "unreachable-type", "Type", [block([], [I32]), push(1), br(0), push(1, "i8"), END, DROP]); // prettier-ignore
    invalid(file, "unreachable-leftover", "StackLeftover", [block([], []), br(0), push(1), END]);
    malformed(file, "br");
  },
  "br.if"(file) {
    const body = [block([], [I32]), push(1), local(0), brIf(0), DROP, push(2), END];
    program(file, "taken", [flag(1)], [int(1)], body);
    program(file, "not-taken", [flag(0)], [int(2)], body);
    program(file, "value-stays", [flag(0)], [int(1)], [block([], [I32]), push(1), local(0), brIf(0), END]); // prettier-ignore
    program(file, "of-the-function", [flag(1)], [int(1)], [push(8), push(1), local(0), brIf(0), ADD]); // prettier-ignore
    program(file, "of-the-function/not", [flag(0)], [int(9)], [push(8), push(1), local(0), brIf(0), ADD]); // prettier-ignore
    bounds(file, [flag(1)], [int(1)], body);
    invalid(file, "label", "Index", [push(1, "bool"), brIf(1)]);
    invalid(file, "condition-missing", "StackUnderflow", [brIf(0)]);
    invalid(file, "condition-dtype", "Type", [push(1), brIf(0)]);
    invalid(file, "condition-rank", "Type", [local(0), brIf(0)], { params: [{ dtype: "bool", rank: 1 }] }); // prettier-ignore
    invalid(file, "value-missing", "StackUnderflow", [block([], [I32]), push(1, "bool"), brIf(0), push(1), END, DROP]); // prettier-ignore
    malformed(file, "br.if");
  },
  return(file) {
    program(file, "early", [], [int(1)], [push(1), RETURN], { gasUsed: 2n * STEP });
    program(file, "cuts", [], [int(2)], [push(8), push(9), push(2), RETURN]);
    program(file, "from-inside", [flag(1)], [int(1)], [push(7), local(0), when([], []), push(1), RETURN, END]); // prettier-ignore
    program(file, "from-a-call", [], [int(11)], [push(10), call(1), ADD], { more: [{ params: [], results: [I32], locals: [], body: [block([], []), push(1), RETURN, END, push(2), END] }] }); // prettier-ignore
    bounds(file, [], [int(1)], [push(1), RETURN]);
    invalid(file, "value-missing", "StackUnderflow", [RETURN], { results: [I32] });
    invalid(file, "value-type", "Type", [push(1, "i8"), RETURN], { results: [I32] });
    malformed(file, "return");
  },
  call(file) {
    const callee = (params, results, body, locals = []) => ({ params, results, locals, body: [...body, END] }); // prettier-ignore
    const twice = callee([I32], [I32], [local(0), push(2), MUL]);
    program(file, "one", [int(4)], [int(8)], [local(0), call(1)], { more: [twice], gasUsed: 2n * STEP + CALL + 3n * STEP + PRODUCT }); // prettier-ignore
    program(file, "order", [int(7), int(2)], [int(5)], [local(0), local(1), call(1)], { more: [callee([I32, I32], [I32], [local(0), local(1), SUB])] }); // prettier-ignore
    program(file, "results", [], [int(1), int(2)], [call(1)], { more: [callee([], [I32, I32], [push(1), push(2)])] }); // prettier-ignore
    program(file, "locals-are-its-own", [int(3)], [int(3)], [push(8), call(1), DROP, local(0)], { more: [callee([I32], [I32], [push(1), set(0), local(0)])] }); // prettier-ignore
    program(file, "locals-start-anew", [], [int(0), int(0)], [call(1), call(1)], { more: [callee([], [I32], [local(0), push(5), set(0)], [I32])] }); // prettier-ignore
    // n! by recursion.
    const factorial = [local(0), push(1), ins("le"), when([], [I32]), push(1), ELSE, local(0), local(0), push(1), SUB, call(0), MUL, END]; // prettier-ignore
    program(file, "recursion", [int(6)], [int(720)], factorial);
    program(file, "recursion/10", [int(10)], [int(3_628_800)], factorial);
    const DEPTH = ["#traps", "execution.md#limits-of-a-run"];
    program(file, "depth", [int(6)], [int(720)], factorial, { limits: { callDepth: 6 }, clauses: DEPTH }); // prettier-ignore
    program(file, "depth/short", [int(6)], [], factorial, { types: [I32], limits: { callDepth: 5 }, clauses: DEPTH, trap: "CallDepth" }); // prettier-ignore
    program(file, "depth/one", [int(4)], [], [local(0), call(1)], { types: [I32], more: [twice], limits: { callDepth: 1 }, clauses: DEPTH, trap: "CallDepth", gasUsed: STEP + CALL }); // prettier-ignore
    program(file, "for-ever", [], [], [call(0)], { trap: "CallDepth", clauses: DEPTH });
    program(file, "stack-before-depth", [int(4)], [], [local(0), call(1)], { types: [I32], more: [twice], limits: { callDepth: 1, stackDepth: 2 }, clauses: [...DEPTH, "execution.md#one-instruction"], trap: "CallDepth" }); // prettier-ignore
    const wide = callee([], [], [], new Array(100).fill(I32));
    program(file, "stack", [], [], [call(1)], { more: [wide], limits: { stackDepth: 100 }, clauses: DEPTH }); // prettier-ignore
    program(file, "stack/short", [], [], [call(1)], { more: [wide], limits: { stackDepth: 99, callDepth: 1 }, clauses: [...DEPTH, "execution.md#one-instruction"], trap: "StackLimit", gasUsed: CALL }); // prettier-ignore
    bounds(file, [int(4)], [int(8)], [local(0), call(1)], { more: [twice] });
    program(file, "gas/short-of-call", [], [], [call(0)], { trap: "OutOfGas", limits: { gas: CALL - 1n }, gasUsed: 0n, clauses: ["#gas"] }); // prettier-ignore
    invalid(file, "function", "Index", [call(1)]);
    invalid(file, "argument-missing", "StackUnderflow", [call(1), DROP], { more: [twice] });
    invalid(file, "argument-type", "Type", [push(1, "u8"), call(1), DROP], { more: [twice] });
    malformed(file, "call");
  },
  drop(file) {
    program(file, "scalar", [], [], [push(1), DROP], { gasUsed: 3n * STEP });
    program(file, "tensor", [tensor("i64", [1, 2, 3])], [], [local(0), DROP]);
    program(file, "frees", [tensor("i8", [1, 2])], [tensor("i8", [1, 2])], [local(0), ins("neg"), DROP, local(0), ins("neg"), DROP, local(0)], { limits: { memoryBytes: 4n }, clauses: [...CONTROL, "execution.md#limits-of-a-run"] }); // prettier-ignore
    bounds(file, [int(1)], [int(1)], [local(0), push(1), DROP]);
    invalid(file, "nothing", "StackUnderflow", [DROP]);
    malformed(file, "drop");
  },
  "local.get"(file) {
    program(file, "param", [int(5)], [int(5)], [local(0)], { gasUsed: 2n * STEP });
    for (const dtype of ALL) {
      program(file, `initial/${dtype}`, [], [scalar(dtype, 0)], [local(0)], { locals: [{ dtype, rank: 0 }], clauses: [...CONTROL, "execution.md#state"] }); // prettier-ignore
      program(file, `initial/${dtype}/rank-2`, [], [tensor(dtype, [], [0, 0])], [local(0)], { locals: [{ dtype, rank: 2 }], clauses: [...CONTROL, "execution.md#state"] }); // prettier-ignore
      const x = new Random(`local.get${dtype}`).tensor(dtype, [2, 3]);
      program(file, `value/${dtype}`, [x], [x, x], [local(0), local(0)]);
    }
    bounds(file, [int(5)], [int(5)], [local(0)]);
    invalid(file, "index", "Index", [local(1), DROP], { params: [I32] });
    invalid(file, "index-of-none", "Index", [local(0), DROP]);
    malformed(file, "local.get");
  },
  "local.set"(file) {
    program(file, "declared", [], [int(3)], [push(3), set(0), local(0)], { locals: [I32] });
    program(file, "param", [int(1)], [int(3)], [push(3), set(0), local(0)]);
    program(file, "value-before-stays", [int(1)], [int(1), int(3)], [local(0), push(3), set(0), local(0)]); // prettier-ignore
    const x = tensor("i16", [1, 2, 3, 4], [2, 2]);
    program(file, "tensor", [x], [x], [local(0), set(1), local(1)], { locals: [{ dtype: "i16", rank: 2 }] }); // prettier-ignore
    bounds(file, [], [int(3)], [push(3), set(0), local(0)], { locals: [I32] });
    invalid(file, "index", "Index", [push(1), set(1)], { locals: [I32] });
    invalid(file, "nothing", "StackUnderflow", [set(0)], { locals: [I32] });
    invalid(file, "dtype", "Type", [push(1, "i8"), set(0)], { locals: [I32] });
    invalid(file, "rank", "Type", [push(1), set(0)], { locals: [{ dtype: "i32", rank: 1 }] });
    malformed(file, "local.set");
  },
  "local.tee"(file) {
    program(file, "keeps", [], [int(3), int(3)], [push(3), tee(0), local(0)], { locals: [I32] });
    program(file, "overwrites", [int(1)], [int(2), int(2)], [push(2), tee(0), local(0)]);
    bounds(file, [], [int(3)], [push(3), tee(0)], { locals: [I32] });
    invalid(file, "index", "Index", [push(1), tee(1), DROP], { locals: [I32] });
    invalid(file, "nothing", "StackUnderflow", [tee(0), DROP], { locals: [I32] });
    invalid(file, "dtype", "Type", [push(1, "i64"), tee(0), DROP], { locals: [I32] });
    malformed(file, "local.tee");
  },
  "local.take"(file) {
    const clauses = [...CONTROL, "execution.md#state"];
    program(file, "once", [int(5)], [int(5)], [take(0)]);
    program(file, "then-initial", [int(5)], [int(5), int(0)], [take(0), local(0)], { clauses });
    for (const dtype of ALL) {
      const x = new Random(`local.take${dtype}`).tensor(dtype, [3]);
      program(file, `twice/${dtype}`, [x], [x, tensor(dtype, [])], [take(0), take(0)], { clauses });
    }
    const x = tensor("i8", [1, 2, 3, 4]);
    const doubled = tensor("i8", [2, 4, 6, 8]);
    // Operand and result of `add` alone: the local holds nothing any more.
    const limits = (bytes) => ({ memoryBytes: bytes });
    const LIVE = ["#meaning", "execution.md#limits-of-a-run"];
    const add = [take(0), tee(0), take(0), ADD, ins("neg"), ins("neg")];
    program(file, "ends-a-life", [x], [doubled], add, { limits: limits(8n), clauses: LIVE });
    program(file, "ends-a-life/short", [x], [], add, { types: [{ dtype: "i8", rank: 1 }], limits: limits(7n), clauses: LIVE, trap: "MemoryLimit" }); // prettier-ignore
    program(file, "local.get-does-not", [x], [], [local(0), local(0), ADD, ins("neg"), ins("neg")], { types: [{ dtype: "i8", rank: 1 }], limits: limits(8n), clauses: LIVE, trap: "MemoryLimit" }); // prettier-ignore
    bounds(file, [int(5)], [int(5)], [take(0)]);
    invalid(file, "index", "Index", [take(1), DROP], { params: [I32] });
    malformed(file, "local.take");
  },
  const(file) {
    for (const dtype of ALL) {
      const random = new Random(`const${dtype}`);
      for (const shape of [[], [4], [2, 3], [0, 2], [1, 1, 2, 1, 1, 1, 1, 2]]) {
        const x = random.tensor(dtype, shape);
        program(file, `${dtype}/${shape.join("x") || "scalar"}`, [], [x], [constant(0)], { parameters: [x] }); // prettier-ignore
      }
      const ends = tensor(dtype, edges(dtype));
      program(file, `${dtype}/ends`, [], [ends, ends], [constant(0), constant(0)], { parameters: [ends] }); // prettier-ignore
    }
    const [one, two] = [tensor("i8", [1]), tensor("i16", [2, 2])];
    program(file, "which", [], [two, one], [constant(1), constant(0)], { parameters: [one, two] });
    program(file, "does-not-count", [], [two], [constant(0)], { parameters: [two], limits: { memoryBytes: 0n, elements: 0n }, clauses: ["#meaning", "execution.md#limits-of-a-run"] }); // prettier-ignore
    program(file, "result-counts", [], [tensor("i16", [-2, -2])], [constant(0), ins("neg")], { parameters: [two], limits: { memoryBytes: 4n }, clauses: ["execution.md#limits-of-a-run"] }); // prettier-ignore
    const large = new Random("const-large").tensor("i32", [40_000]);
    program(file, "chunks", [], [tensor("i32", [large.values.reduce((m, v) => (v > m ? v : m))])], [constant(0), ins("reduce.max", { axes: [0] })], { parameters: [large], clauses: [...CONTROL, "module.md#parameters"] }); // prettier-ignore
    bounds(file, [], [one], [constant(0)], { parameters: [one] });
    invalid(file, "index", "Index", [constant(1), DROP], { parameters: [one] });
    invalid(file, "none", "Index", [constant(0), DROP]);
    malformed(file, "const");
  },
  scalar(file) {
    for (const dtype of ALL) {
      for (const value of edges(dtype)) {
        program(file, `${dtype}/${value}`, [], [scalar(dtype, value)], [push(value, dtype)]);
      }
      if (dtype === "i64") continue;
      for (const value of [info(dtype).min - 1n, info(dtype).max + 1n]) {
        invalid(file, `${dtype}/${value}`, "Constraint", [push(value, dtype), DROP], { clauses: ["#stack", "#immediates"] }); // prettier-ignore
      }
    }
    program(file, "does-not-count", [], [int(1)], [push(1)], { limits: { memoryBytes: 0n, elements: 0n }, clauses: ["execution.md#limits-of-a-run"] }); // prettier-ignore
    bounds(file, [], [int(1)], [push(1)]);
    malformed(file, "scalar");
  },
  random(file) {
    const clauses = ["#meaning", "execution.md#randomness", "README.md#numerics"];
    const counter = (value) => push(value, "i64");
    const draw = (dtype, stream, dims) => ins("random", { dtype, stream, dims });
    const seed = hex(sha256("a seed of the vectors"));
    for (const dtype of INTEGERS) {
      for (const dims of [[], [1], [3], [40], [5, 7], [0], [2, 0]]) {
        program(file, `${dtype}/${dims.join("x") || "scalar"}`, [scalar("i64", 3)], undefined, [local(0), draw(dtype, 7, dims)], { types: [{ dtype, rank: dims.length }], clauses, seed }); // prettier-ignore
      }
      // By hand, as the page says it.
      const block = (n) => sha256(fromHex(seed), littleEndian(9, 4), littleEndian(-5, 8), littleEndian(n, 8)); // prettier-ignore
      const bytes = Uint8Array.from([...block(0), ...block(1)]);
      const values = valuesOf(dtype, bytes);
      program(file, `${dtype}/two-blocks`, [], [tensor(dtype, values)], [counter(-5), draw(dtype, 9, [values.length])], { clauses, seed }); // prettier-ignore
    }
    for (const value of [0n, -1n, info("i64").max, info("i64").min]) {
      for (const stream of [0, 1, 0xffffffff]) {
        program(file, `counter/${value}/${stream}`, [scalar("i64", value)], undefined, [local(0), draw("i32", stream, [4])], { types: [{ dtype: "i32", rank: 1 }], clauses, seed }); // prettier-ignore
      }
    }
    program(file, "no-seed", [], undefined, [counter(1), draw("u8", 0, [8])], { types: [{ dtype: "u8", rank: 1 }], clauses }); // prettier-ignore
    program(file, "same-twice", [], undefined, [counter(1), draw("i16", 2, [5]), counter(1), draw("i16", 2, [5]), ins("eq")], { types: [{ dtype: "bool", rank: 1 }], clauses, seed }); // prettier-ignore
    const one = [counter(1), draw("i16", 2, [5])];
    const types = { types: [{ dtype: "i16", rank: 1 }] };
    const GAS = 2n * STEP + 2_000_000n + 40_000n * 10n;
    program(file, "gas/exact", [], undefined, one, { ...types, clauses: ["#gas"], limits: { gas: GAS }, gasUsed: GAS }); // prettier-ignore
    program(file, "gas/short", [], undefined, one, { ...types, clauses: ["#gas"], limits: { gas: GAS - STEP - 1n }, gasUsed: STEP, trap: "OutOfGas" }); // prettier-ignore
    program(file, "gas/empty-counts-one", [], undefined, [counter(1), draw("i64", 2, [0, 3])], { types: [{ dtype: "i64", rank: 2 }], clauses: ["#gas", "execution.md#gas"], gasUsed: 2n * STEP + 2_000_000n + 40_000n * 24n }); // prettier-ignore
    program(file, "limit/elements", [], undefined, one, { ...types, clauses: ["#traps"], limits: { elements: 5n } }); // prettier-ignore
    program(file, "limit/elements/short", [], undefined, one, { ...types, clauses: ["#traps"], limits: { elements: 4n }, trap: "ElementLimit" }); // prettier-ignore
    program(file, "limit/memory", [], undefined, one, { ...types, clauses: ["#traps"], limits: { memoryBytes: 10n } }); // prettier-ignore
    program(file, "limit/memory/short", [], undefined, one, { ...types, clauses: ["#traps"], limits: { memoryBytes: 9n }, trap: "MemoryLimit" }); // prettier-ignore
    invalid(file, "counter-missing", "StackUnderflow", [draw("i8", 0, [1]), DROP]);
    invalid(file, "counter-dtype", "Type", [push(1), draw("i8", 0, [1]), DROP]);
    invalid(file, "counter-rank", "Type", [local(0), draw("i8", 0, [1]), DROP], { params: [{ dtype: "i64", rank: 1 }] }); // prettier-ignore
    malformed(file, "random");
  },
};
