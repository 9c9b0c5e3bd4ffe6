import { describe, expect, it } from "vitest";
import { InvalidError } from "../../src/core/errors.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { MAX_NESTING, MAX_STACK_HEIGHT } from "../../src/module/limits.js";
import type { Module } from "../../src/module/module.js";
import type { InvalidCode } from "../../src/module/typing.js";
import { validateModule } from "../../src/module/validate.js";

/** Two parameters for `const`: a 3×2 matrix, and one of 70,000 rows. */
const PARAMETERS = `
parameter i8 [3, 2]
values 1 2 3 4 5 6
parameter i8 [140000, 1] root="${"00".repeat(32)}" absent
parameter i8 [2, 140000, 1] root="${"00".repeat(32)}" absent
`;

const parse = (text: string): Module => parseAssembly(`aivm isa=1 gas=1\n${text}`);
/** A module whose function 0 has that type and body; locals 0… are its parameters. */
const program = (type: string, body: string): string =>
  `${PARAMETERS}function ${type}\n${body.replaceAll(";", "\n")}`;

function codeOf(text: string): InvalidCode | undefined {
  const module = parse(text);
  try {
    validateModule(module);
    return undefined;
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    expect(error.message.length).toBeGreaterThan(20);
    return error.code as InvalidCode;
  }
}

const accepts = (type: string, body: string): void =>
  expect(codeOf(program(type, body))).toBeUndefined();
const refuses = (code: InvalidCode, type: string, body: string): void =>
  expect(codeOf(program(type, body))).toBe(code);

const get = (...locals: number[]): string => locals.map((i) => `local.get local=${i};`).join("");

const RESCALE = "multiplier=1 shift=1 dtype=i8 zeroPoint=0";
const CONV = "strides=[1] dilations=[1] pads=[0,0] groups=1";
const RESIZE = "sizes=[2] numerators=[1] denominators=[1] offsets=[0]";

/** rule → [type, accepted body, refused body, code]. */
const RULES: Record<string, readonly [string, string, string, InvalidCode]> = {
  "operand dtype in a list": [
    "(i8:1, bool:1)->(i8:1)",
    `${get(0)} abs; end`,
    `${get(1)} abs; drop; ${get(0)} end`,
    "Type",
  ],
  "operand of the dtype of another": [
    "(i8:1, i16:1)->(i8:1)",
    `${get(0, 0)} add; end`,
    `${get(0, 1)} add; end`,
    "Type",
  ],
  "operand of one rank": [
    "(i8:1, i16:1, i16:2)->(i16:1)",
    `${get(0, 1)} lut; end`,
    `${get(0, 2)} lut; end`,
    "Type",
  ],
  "operand rank in an interval": [
    "(i8:2, i8:1)->(i32:2)",
    `${get(0, 0)} matmul aBits=8 bBits=8 accumulator=i32; end`,
    `${get(0, 1)} matmul aBits=8 bBits=8 accumulator=i32; end`,
    "Type",
  ],
  "operand of the rank of another": [
    "(i8:3, i8:4)->(i32:3)",
    `${get(0, 0)} conv aBits=8 bBits=8 accumulator=i32 ${CONV} padValue=0; end`,
    `${get(0, 1)} conv aBits=8 bBits=8 accumulator=i32 ${CONV} padValue=0; end`,
    "Type",
  ],
  "repeated operands of one dtype": [
    "(i8:1, i16:1)->(i8:1)",
    `${get(0, 0)} concat count=2 axis=0; end`,
    `${get(0, 1)} concat count=2 axis=0; end`,
    "Type",
  ],
  "repeated operands of one rank": [
    "(i8:1, i8:2)->(i8:1)",
    `${get(0, 0, 0)} concat count=3 axis=0; end`,
    `${get(0, 0, 1)} concat count=3 axis=0; end`,
    "Type",
  ],
  "as many repeated operands as counted": [
    "(i8:1)->(i8:1)",
    `${get(0, 0)} concat count=2 axis=0; end`,
    `${get(0, 0)} concat count=3 axis=0; end`,
    "StackUnderflow",
  ],
  "shape operand where it is asked for": [
    "(i8:1, i64:1)->(i8:2)",
    `${get(0, 1)} reshape dims=[-2,-2]; end`,
    `${get(0, 1)} reshape dims=[2,3]; end`,
    "Type",
  ],
  "result dtype by immediate": [
    "(i8:1)->(i32:1)",
    `${get(0)} cast dtype=i32; end`,
    `${get(0)} cast dtype=i64; end`,
    "Type",
  ],
  "result rank is the greatest": [
    "(i8:1, i8:2)->(i8:2)",
    `${get(0, 1)} add; end`,
    `${get(0, 0)} add; end`,
    "Type",
  ],
  "result rank is the length of a list": [
    "(i8:1)->(i8:2)",
    `${get(0)} reshape dims=[1,-1]; end`,
    `${get(0)} reshape dims=[-1]; end`,
    "Type",
  ],
  "result rank is the longer of list and operand": [
    "(i8:2)->(i8:2)",
    `${get(0)} expand dims=[3]; end`,
    `${get(0)} expand dims=[1,1,1]; end`,
    "Type",
  ],
  "result rank is a sum": [
    "(i8:2, i32:2)->(i8:3)",
    `${get(0, 1)} gather axis=1; end`,
    `${get(0)} scalar dtype=i32 value=0; gather axis=1; end`,
    "Type",
  ],
  "result rank at most 8": [
    "(i8:4, i32:6, i32:5)->(i8:8)",
    `${get(0, 2)} gather axis=0; end`,
    `${get(0, 1)} gather axis=0; end`,
    "Type",
  ],
  "axis below the rank": [
    "(i8:2)->(i32:2)",
    `${get(0)} argmax axis=1; end`,
    `${get(0)} argmax axis=2; end`,
    "Immediate",
  ],
  "axes below the rank": [
    "(i8:2)->(i8:2)",
    `${get(0)} reduce.max axes=[0,1]; end`,
    `${get(0)} reduce.max axes=[0,2]; end`,
    "Immediate",
  ],
  "perm of the rank": [
    "(i8:2)->(i8:2)",
    `${get(0)} transpose perm=[1,0]; end`,
    `${get(0)} transpose perm=[2,1,0]; end`,
    "Immediate",
  ],
  "perAxis has an entry an axis": [
    "(i8:2)->(i8:2)",
    `${get(0)} slice starts=[0,0] ends=[1,1] steps=[1,1]; end`,
    `${get(0)} slice starts=[0] ends=[1,1] steps=[1,1]; end`,
    "Immediate",
  ],
  "perAxis leaves out batch and channels": [
    "(i8:3)->(i8:3)",
    `${get(0)} resize.nearest ${RESIZE}; end`,
    `${get(0)} resize.nearest ${RESIZE.replace("[2]", "[2,2,2]")}; end`,
    "Immediate",
  ],
  ordered: [
    "(i8:1)->(i8:1)",
    `${get(0)} clamp lo=-1 hi=-1; end`,
    `${get(0)} clamp lo=1 hi=0; end`,
    "Constraint",
  ],
  "inDtype of an operand": [
    "(u8:1)->(u8:1)",
    `${get(0)} pad before=[1] after=[1] interior=[0] value=255; end`,
    `${get(0)} pad before=[1] after=[1] interior=[0] value=256; end`,
    "Constraint",
  ],
  "inDtype of an immediate": [
    "(i32:1)->(i8:1)",
    `${get(0)} rescale ${RESCALE} lo=-128 hi=127; end`,
    `${get(0)} rescale ${RESCALE} lo=-129 hi=127; end`,
    "Constraint",
  ],
  bitsOf: [
    "(i8:2)->(i32:2)",
    `${get(0, 0)} matmul aBits=8 bBits=8 accumulator=i32; end`,
    `${get(0, 0)} matmul aBits=9 bBits=8 accumulator=i32; end`,
    "Constraint",
  ],
  inBits: [
    "(i8:3)->(i32:3)",
    `${get(0, 0)} conv aBits=7 bBits=8 accumulator=i32 ${CONV} padValue=-64; end`,
    `${get(0, 0)} conv aBits=7 bBits=8 accumulator=i32 ${CONV} padValue=64; end`,
    "Constraint",
  ],
  nonZero: [
    "(i8:1)->(i8:1)",
    `${get(0)} slice starts=[0] ends=[1] steps=[-1]; end`,
    `${get(0)} slice starts=[0] ends=[1] steps=[0]; end`,
    "Constraint",
  ],
  noneIs: [
    "(i8:1)->(i8:1)",
    `${get(0)} expand dims=[0]; end`,
    `${get(0)} expand dims=[-1]; end`,
    "Constraint",
  ],
  length: ["()->(i32:1)", "iota dims=[3]; end", "iota dims=[3,3]; end", "Constraint"],
  atMostOne: [
    "(i8:1)->(i8:2)",
    `${get(0)} reshape dims=[-1,2]; end`,
    `${get(0)} reshape dims=[-1,-1]; end`,
    "Constraint",
  ],
  triple: [
    "(i32:2, i16:2)->(i64:2)",
    `${get(0, 1)} matmul aBits=32 bBits=16 accumulator=i64; end`,
    `${get(1, 0)} matmul aBits=16 bBits=32 accumulator=i64; end`,
    "Constraint",
  ],
  copiesAxis: [
    "(i8:2)->(i8:2)",
    `${get(0)} reshape dims=[-3,-4]; end`,
    `${get(0)} reshape dims=[-3,-5]; end`,
    "Constraint",
  ],
  // 140,000 · 2^7 · 2^7 > 2^31 − 1, 140,000 · 2^7 · 2^6 is not.
  "accumulator, rows": [
    "(i8:2)->(i32:2)",
    `${get(0)} const parameter=1; matmul aBits=8 bBits=7 accumulator=i32; end`,
    `${get(0)} const parameter=1; matmul aBits=8 bBits=8 accumulator=i32; end`,
    "AccumulatorBound",
  ],
  // The taps count too: 2 · 140,000 · 2^7 · 2^6 > 2^31 − 1.
  "accumulator, taps": [
    "(i8:3)->(i32:3)",
    `${get(0)} const parameter=2; conv aBits=7 bBits=7 accumulator=i32 ${CONV} padValue=0; end`,
    `${get(0)} const parameter=2; conv aBits=8 bBits=7 accumulator=i32 ${CONV} padValue=0; end`,
    "AccumulatorBound",
  ],
  "accumulator is left to the run where b is no const": [
    "(i8:2)->(i32:2)",
    `const parameter=1; local.set local=0; ${get(0, 0)} matmul aBits=8 bBits=8 accumulator=i32; end`,
    `${get(0)} const parameter=1; matmul aBits=8 bBits=8 accumulator=i32; end`,
    "AccumulatorBound",
  ],
};

describe("typing of tensor instructions", () => {
  it.each(Object.entries(RULES))("%s", (_rule, [type, good, bad, code]) => {
    accepts(type, good);
    refuses(code, type, bad);
  });

  it("refuses immediates that no decoder would let through", () => {
    const module = parse(program("(i8:2)->(i8:2)", `${get(0)} reduce.max axes=[0,1]; end`));
    for (const axes of [[1, 0], [0, 0], [-1], [0.5], [8], new Array<number>(9).fill(0)]) {
      const body = module.functions[0]!.body.map((instruction) =>
        instruction.op === "reduce.max" ? { ...instruction, imm: { axes } } : instruction,
      );
      const changed = { ...module, functions: [{ ...module.functions[0]!, body }] };
      expect(() => validateModule(changed)).toThrow(
        expect.objectContaining({
          code: "Immediate",
          place: { name: "code", function: 0, pc: 1, op: "reduce.max" },
        }),
      );
    }
  });
});

/** instruction → [type, accepted body, [refused body, code]…] */
const MACHINE: Record<string, readonly [string, string, ...(readonly [string, InvalidCode])[]]> = {
  trap: [
    "()->(i8:1)",
    "trap detail=1; end",
    ["trap detail=1; scalar dtype=i8 value=0; end", "Type"],
  ],
  block: [
    "(i8:1)->(i8:1)",
    `${get(0)} block type=(i8:1)->(i8:1); end; end`,
    [`${get(0)} block type=(i8:2)->(i8:1); end; end`, "Type"],
    ["block type=(i8:1)->(i8:1); end; end", "StackUnderflow"],
    [`${get(0)} block type=()->(i8:1); end; end`, "StackUnderflow"],
    [`${get(0)} block type=()->(); ${get(0)} end; end`, "StackLeftover"],
  ],
  loop: [
    "(i8:1, bool:0)->(i8:1)",
    `${get(0)} loop type=(i8:1)->(i8:1); ${get(1)} br.if label=0; end; end`,
    [`loop type=()->(i8:1); ${get(0, 1)} br.if label=0; drop; end; end`, "StackUnderflow"],
  ],
  if: [
    "(i8:1, bool:0)->(i8:1)",
    `${get(0, 1)} if type=(i8:1)->(i8:1); neg; end; end`,
    [`${get(0, 0)} if type=(i8:1)->(i8:1); neg; end; end`, "Type"],
    [`${get(1)} if type=()->(i8:1); ${get(0)} end; end`, "Type"],
  ],
  else: [
    "(i8:1, bool:0)->(i8:1)",
    `${get(1)} if type=()->(i8:1); ${get(0)} else; ${get(0)} neg; end; end`,
    [`${get(0)} else; end`, "Structure"],
    [
      `${get(1)} if type=()->(i8:1); ${get(0)} else; ${get(0)} else; ${get(0)} end; end`,
      "Structure",
    ],
    [`${get(1)} if type=()->(i8:1); ${get(0)} else; ${get(1)} end; end`, "Type"],
    [`${get(1)} if type=()->(i8:1); else; ${get(0)} end; end`, "StackUnderflow"],
  ],
  end: [
    "()->()",
    "end",
    ["end; end", "Structure"],
    ["block type=()->(); end", "Structure"],
    ["scalar dtype=i8 value=0; end", "StackLeftover"],
  ],
  br: [
    "(i8:1)->(i8:1)",
    `block type=()->(i8:1); ${get(0)} br label=1; neg; end; end`,
    [`${get(0)} br label=1; end`, "Index"],
    ["br label=0; end", "StackUnderflow"],
  ],
  "br.if": [
    "(i8:1, bool:0)->(i8:1)",
    `${get(0, 1)} br.if label=0; neg; end`,
    [`${get(0, 0)} br.if label=0; end`, "Type"],
    [`${get(1)} br.if label=0; ${get(0)} end`, "StackUnderflow"],
  ],
  return: [
    "(i8:1)->(i8:1)",
    `block type=()->(); ${get(0)} return; end; ${get(0)} end`,
    ["return; end", "StackUnderflow"],
  ],
  call: [
    "(i8:1)->(i8:1)",
    `${get(0)} call function=0; end`,
    [`${get(0)} call function=1; end`, "Index"],
    [`${get(0)} abs; drop; call function=0; end`, "StackUnderflow"],
  ],
  drop: ["(i8:1)->()", `${get(0)} drop; end`, ["drop; end", "StackUnderflow"]],
  "local.get": ["(i8:1)->(i8:1)", `${get(0)} end`, [`${get(1)} end`, "Index"]],
  "local.set": [
    "(i8:1, i8:1)->()",
    `${get(0)} local.set local=1; end`,
    [`${get(0)} local.set local=2; end`, "Index"],
    ["scalar dtype=i8 value=0; local.set local=1; end", "Type"],
  ],
  "local.tee": [
    "(i8:1)->(i8:1)",
    `${get(0)} local.tee local=0; end`,
    [`${get(0)} local.tee local=9; end`, "Index"],
    ["local.tee local=0; end", "StackUnderflow"],
  ],
  "local.take": ["(i8:1)->(i8:1)", "local.take local=0; end", ["local.take local=1; end", "Index"]],
  const: ["()->(i8:2)", "const parameter=0; end", ["const parameter=3; end", "Index"]],
  scalar: [
    "()->(u8:0)",
    "scalar dtype=u8 value=255; end",
    ["scalar dtype=u8 value=256; end", "Constraint"],
    ["scalar dtype=bool value=2; end", "Constraint"],
    ["scalar dtype=i8 value=0; end", "Type"],
  ],
  random: [
    "(i64:0, i32:0)->(i8:2)",
    `${get(0)} random dtype=i8 stream=0 dims=[2,2]; end`,
    [`${get(1)} random dtype=i8 stream=0 dims=[2,2]; end`, "Type"],
    [`${get(0)} random dtype=i8 stream=0 dims=[2]; end`, "Type"],
  ],
};

describe("typing of machine instructions", () => {
  it.each(Object.entries(MACHINE))("%s", (_op, [type, good, ...bad]) => {
    accepts(type, good);
    for (const [body, code] of bad) refuses(code, type, body);
  });
});

describe("unreachable code", () => {
  it("has operands of unknown type wherever they are missing", () => {
    accepts("()->(i8:1)", "trap detail=0; add; abs; end");
    accepts("()->(i8:1)", "trap detail=0; concat count=1024 axis=3; end");
    accepts(
      "()->(i32:3)",
      "trap detail=0; conv aBits=8 bBits=8 accumulator=i32 strides=[1] dilations=[1] pads=[0,0] groups=1 padValue=500; end",
    );
    accepts("()->()", "trap detail=0; drop; drop; end");
    accepts("()->(i16:2)", "trap detail=0; br.if label=0; end");
  });

  it("knows what does not depend on them", () => {
    refuses("Type", "()->(i8:1)", "trap detail=0; eq; abs; drop; end");
    refuses("Type", "()->(i8:1)", "trap detail=0; cast dtype=i16; end");
    refuses("Type", "()->(i8:1)", "trap detail=0; reshape dims=[1,1]; end");
    refuses(
      "Type",
      "(i8:2)->(i8:1)",
      `trap detail=0; ${get(0)} add; matmul aBits=8 bBits=8 accumulator=i32; end`,
    );
    refuses("StackLeftover", "(i8:1)->()", `trap detail=0; ${get(0)} end`);
  });

  it("still checks what is there", () => {
    refuses("Type", "(bool:1)->(bool:1)", `trap detail=0; ${get(0)} abs; end`);
    refuses("Immediate", "(i8:1)->(i8:1)", `trap detail=0; ${get(0)} reduce.max axes=[1]; end`);
  });

  it("ends with the block", () => {
    refuses("StackUnderflow", "()->(i8:1)", "block type=()->(); trap detail=0; end; end");
  });
});

describe("entry points", () => {
  const entry = (ports: string, type: string): InvalidCode | undefined =>
    codeOf(
      `dimension "N" maximum=4\nentry "main" function=0\n${ports}\nfunction ${type}\ntrap detail=0\nend`,
    );

  it("have the types of their function", () => {
    const ports = `input "x" i16 ["N", 3]\noutput "y" i64 [("N"*2+1)/2]`;
    expect(entry(ports, "(i16:2)->(i64:1)")).toBeUndefined();
    expect(entry(ports, "(i16:3)->(i64:1)")).toBe("Signature");
    expect(entry(ports, "(i8:2)->(i64:1)")).toBe("Signature");
    expect(entry(ports, "(i16:2, i16:2)->(i64:1)")).toBe("Signature");
    expect(entry(ports, "(i16:2)->(i64:2)")).toBe("Signature");
    expect(entry(ports, "(i16:2)->()")).toBe("Signature");
  });

  it("name a function", () => {
    expect(codeOf(`entry "main" function=0`)).toBe("Index");
  });

  it("are aggregated by functions over the stacked outputs, the votes and the total", () => {
    const aggregated = (type: string, index = 0): InvalidCode | undefined =>
      codeOf(
        `entry "main" function=0\noutput "y" i16 [3]\naggregate "main" function=${index}\nfunction ()->(i16:1)\ntrap detail=0\nend\naggregation ${type}\ntrap detail=0\nend`,
      );
    expect(aggregated("(i16:2, i64:1, i64:0)->(i16:1)")).toBeUndefined();
    expect(aggregated("(i16:1, i64:1, i64:0)->(i16:1)")).toBe("Signature");
    expect(aggregated("(i16:2, i64:1)->(i16:1)")).toBe("Signature");
    expect(aggregated("(i16:2, i32:1, i64:0)->(i16:1)")).toBe("Signature");
    expect(aggregated("(i16:2, i64:1, i64:1)->(i16:1)")).toBe("Signature");
    expect(aggregated("(i16:2, i64:1, i64:0)->(i16:2)")).toBe("Signature");
    expect(aggregated("(i16:2, i64:1, i64:0)->(i16:1)", 1)).toBe("Index");
  });

  it("are aggregated only where a leading axis leaves the rank at most 8", () => {
    const ofRank = (rank: number): InvalidCode | undefined => {
      const type = `(i8:${Math.min(rank + 1, 8)}, i64:1, i64:0)->(i8:${rank})`;
      const dims = Array(rank).fill(1).join(", ");
      return codeOf(
        `entry "main" function=0\noutput "y" i8 [${dims}]\naggregate "main" function=0\nfunction ()->(i8:${rank})\ntrap detail=0\nend\naggregation ${type}\ntrap detail=0\nend`,
      );
    };
    expect(ofRank(7)).toBeUndefined();
    expect(ofRank(8)).toBe("Signature");
  });

  it("call only functions of their own part", () => {
    const text = (index: number): string =>
      `function ()->()\nend\nfunction ()->()\nend\naggregation ()->()\ncall function=${index}\nend`;
    expect(codeOf(text(0))).toBeUndefined();
    expect(codeOf(text(1))).toBe("Index");
  });
});

describe("versions", () => {
  it.each(["aivm isa=2 gas=1", "aivm isa=1 gas=2", 'aivm isa=1 gas=1\nfeature "relaxed"'])(
    "%s is refused",
    (text) => {
      expect(() => validateModule(parseAssembly(text))).toThrow(
        expect.objectContaining({ code: "Version" }),
      );
    },
  );
});

describe("limits of validity", () => {
  const nested = (depth: number): string =>
    program("()->()", `${"block type=()->();".repeat(depth)}${"end;".repeat(depth)}end`);
  it("nesting", () => {
    expect(codeOf(nested(MAX_NESTING))).toBeUndefined();
    expect(codeOf(nested(MAX_NESTING + 1))).toBe("Limit");
  });

  it("operands on the stack", () => {
    const height = (n: number): string =>
      program("()->()", `${"scalar dtype=i8 value=0;".repeat(n)}${"drop;".repeat(n)}end`);
    expect(codeOf(height(MAX_STACK_HEIGHT))).toBeUndefined();
    expect(codeOf(height(MAX_STACK_HEIGHT + 1))).toBe("Limit");
  });

  it.each([
    ["straight code", "local.get local=0; drop;"],
    ["branches", "local.get local=0; br.if label=0;"],
    [
      "operands that unreachable code does not have",
      "trap detail=0; concat count=1024 axis=0; drop;",
    ],
    ["branches out of blocks that carry much", `br label=0;`],
    ["blocks with parameters", "scalar dtype=i8 value=0; block type=(i8:0)->(i8:0); end; drop;"],
  ])("steps grow as the code does: %s", (_what, piece) => {
    const steps = (times: number): number =>
      validateModule(parse(program("(bool:0)->()", `${piece.repeat(times)}end`))).steps;
    const instructions = piece.split(";").filter((part) => part.trim() !== "").length;
    expect(steps(2000) - steps(1000)).toBe(steps(1000) - steps(0));
    expect(steps(1000)).toBeLessThanOrEqual(1000 * instructions * 8 + 10);
  });
});

describe("the plan", () => {
  const planOf = (type: string, body: string) =>
    validateModule(parse(program(type, body))).functions[0]!;

  it("says where if, else and branches go", () => {
    const body = [
      "scalar dtype=i8 value=1", // 0
      "block type=()->(i8:0)", // 1
      "scalar dtype=i16 value=1", // 2
      "scalar dtype=i8 value=2", // 3
      "local.get local=0", // 4
      "br.if label=0", // 5 → 9, carries 1, cut to 1
      "br label=1", // 6 → 20 = leaves, carries 1, cut to 0
      "trap detail=0", // 7
      "end", // 8
      "loop type=(i8:0)->(i8:0)", // 9
      "local.get local=0", // 10
      "br.if label=0", // 11 → 10, carries 1, cut to 1
      "end", // 12
      "local.get local=0", // 13
      "if type=(i8:0)->(i8:0)", // 14 → 17
      "return", // 15 → leaves
      "else", // 16 → 18
      "end", // 17
      "add", // 18
      "end", // 19
    ];
    const { target, arity, height, maxHeight } = planOf("(bool:0)->(i8:0)", body.join(";"));
    expect(
      Object.fromEntries([...target].map((t, pc) => [pc, t] as const).filter(([, t]) => t >= 0)),
    ).toEqual({
      5: 9,
      6: 20,
      11: 10,
      14: 17,
      15: 20,
      16: 18,
    });
    expect([5, 6, 11, 15].map((pc) => [arity[pc], height[pc]])).toEqual([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 0],
    ]);
    expect(maxHeight).toBe(4);
  });

  it("sends an if without else behind its end", () => {
    const { target } = planOf("(bool:0)->()", `${get(0)} if type=()->(); trap detail=0; end; end`);
    expect(target[1]).toBe(4);
  });
});
