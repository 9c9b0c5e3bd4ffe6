// Programs of machine instructions, and of tensors so small that interpreting is all they cost.
import { parseAssembly } from "../../dist/module/assemble.js";
import { estimateGas } from "../../dist/vm/estimateGas.js";
import { instantiate } from "../../dist/vm/instance.js";

const TIMES = 2000;
const repeat = (/** @type {string} */ lines) => lines.repeat(TIMES);
const loop = (/** @type {string} */ body, n = TIMES) => `
  scalar dtype=i64 value=${n}
  local.set local=0
  loop type=()->()
${body}
    local.get local=0
    scalar dtype=i64 value=1
    sub
    local.tee local=0
    scalar dtype=i64 value=0
    eq
    not
    br.if label=0
  end`;
const HEAD = `aivm isa=1 gas=1
entry "main" function=0
`;

/** Name, text of the body, further functions, locals. @type {readonly (readonly [string, string, string?, string?])[]} */
const PROGRAMS = [
  ["local.get, drop", repeat("local.get local=0\ndrop\n")],
  ["scalar, drop", repeat("scalar dtype=i32 value=1\ndrop\n")],
  [
    "local.get, local.tee, local.set",
    repeat("local.get local=0\nlocal.tee local=0\nlocal.set local=0\n"),
  ],
  ["local.take, local.set", repeat("local.take local=0\nlocal.set local=0\n")],
  ["block, end", repeat("block type=()->()\nend\n")],
  ["block, br, end", repeat("block type=()->()\nbr label=0\nend\n")],
  ["scalar, if, else, end", repeat("scalar dtype=bool value=1\nif type=()->()\nelse\nend\n")],
  [
    "block, scalar, br.if, end",
    repeat("block type=()->()\nscalar dtype=bool value=1\nbr.if label=0\nend\n"),
  ],
  ["call", repeat("call function=1\n"), "function ()->()\nend\n"],
  [
    "call with 4,000 locals",
    repeat("call function=1\n"),
    `function ()->()\n${"locals i64:0,i64:0,i64:0,i64:0,i64:0,i64:0,i64:0,i64:0\n".repeat(500)}end\n`,
  ],
  ["loop", loop("")],
  [
    "growing concat",
    `
  iota dims=[1]
  local.set local=1
${loop(`    local.get local=1
    iota dims=[1]
    concat count=2 axis=0
    local.set local=1`)}`,
    "",
    "i64:0,i32:1",
  ],
];

/** @returns names, gas and a function that gives the nanoseconds of a run, the first of its code or a later one */
export function gasPrograms(backend) {
  return PROGRAMS.map(([name, body, more = "", locals = "i64:0"]) => {
    const text = `${HEAD}function ()->()\nlocals ${locals}\n${body}\nend\n${more}`;
    const module = parseAssembly(text);
    const estimate = estimateGas(module, {});
    const run = (instance) => {
      const start = process.hrtime.bigint();
      const { trap } = instance.runSync();
      const time = Number(process.hrtime.bigint() - start);
      if (trap !== undefined) throw trap;
      return time;
    };
    return {
      name,
      gas: Number(estimate.gas),
      time(rounds) {
        const instance = instantiate(module, { backend });
        const first = run(instance);
        const later = Math.min(...Array.from({ length: rounds }, () => run(instance)));
        instance.dispose();
        return { first, later };
      },
    };
  });
}
