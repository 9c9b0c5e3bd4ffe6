import { describe, expect, it } from "vitest";
import { MalformedError } from "../../src/core/errors.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { formatAssembly } from "../../src/module/disassemble.js";
import { encodeModule } from "../../src/module/encode.js";
import type { Module, ModuleFunction } from "../../src/module/module.js";
import { EXAMPLES, MACHINE_EXAMPLES } from "../../src/opcodes/examples.js";
import type { Instruction, TensorOpName } from "../../src/opcodes/index.js";

const NAME = 'a "name"\\ with # é, 線, 🦊, a tab\t, a\nline, \u2028 and \u0085';
const header = "aivm isa=1 gas=1";

/** Well formed and full of every instruction; not valid. */
function everything(): Module {
  const tensorBody = (Object.keys(EXAMPLES) as TensorOpName[]).map(
    (op) => ({ op, imm: EXAMPLES[op].imm }) as Instruction,
  );
  const machineBody = Object.values(MACHINE_EXAMPLES).flatMap(
    (text) => parseAssembly(`${header}\n${text}`).functions[0]!.body,
  );
  const type = { dtype: "i16", rank: 4 } as const;
  const all: ModuleFunction = {
    params: [type, { dtype: "bool", rank: 0 }],
    results: [type],
    locals: Array.from({ length: 30 }, () => type),
    body: [...tensorBody, ...machineBody, { op: "end", imm: {} }],
  };
  const scale = { mantissa: 0x7fffffff, exponent: -1074, zeroPoint: -32768n };
  const derived = (multiplier: number, offset: number, divisor: number) => ({
    dimension: 1,
    multiplier,
    offset,
    divisor,
  });
  return {
    configuration: {
      isaVersion: 1,
      gasVersion: 1,
      features: [NAME, "another"],
      dimensions: [
        { name: "N", maximum: 7 },
        { name: NAME, maximum: 0x7fffffff },
      ],
      entries: [
        {
          name: NAME,
          function: 0,
          inputs: [{ name: "x", dtype: "i16", shape: [derived(1, 0, 1), 3, 0], scale }],
          outputs: [{ name: NAME, dtype: "bool", shape: [] }],
        },
        {
          name: "second",
          function: 1,
          inputs: [],
          outputs: [
            {
              name: "y",
              dtype: "i64",
              shape: [derived(3, -5, 7), derived(1, 4, 8), derived(1, 0, 4)],
            },
          ],
        },
      ],
      aggregations: [{ entry: 1, function: 0 }],
    },
    functions: [all, { params: [], results: [], locals: [], body: [{ op: "end", imm: {} }] }],
    aggregation: [all],
    parameters: [
      { dtype: "i32", shape: [2, 10], root: new Uint8Array(32).fill(0xa5) },
      { dtype: "u8", shape: [3], root: new Uint8Array(32).fill(1) },
      { dtype: "i64", shape: [0], root: new Uint8Array(32) },
      { dtype: "bool", shape: [], root: new Uint8Array(32).fill(255) },
    ],
    parameterData: [
      Uint8Array.from({ length: 80 }, (_, i) => (i * 37) & 255),
      undefined,
      new Uint8Array(0),
      Uint8Array.of(1),
    ],
    provenance: { [NAME]: NAME, "10": "", "9": "nine", __proto__x: "" },
  };
}

describe("modules as text", () => {
  it("read back to the same bytes", () => {
    const module = everything();
    const text = formatAssembly(module);
    expect(Buffer.from(encodeModule(parseAssembly(text)))).toEqual(
      Buffer.from(encodeModule(module)),
    );
    expect(formatAssembly(parseAssembly(text))).toBe(text);
  });

  it("name immediates in the order of the record, whatever order an object has them in", () => {
    const module = everything();
    const permuted = module.functions.map((f) => ({
      ...f,
      body: f.body.map(
        ({ op, imm }) =>
          ({
            op,
            imm: Object.fromEntries(Object.entries(imm).reverse()),
          }) as unknown as Instruction,
      ),
    }));
    expect(formatAssembly({ ...module, functions: permuted })).toBe(formatAssembly(module));
  });

  it("have one instruction a line, indented by block", () => {
    const text = formatAssembly(parseAssembly(`${header}\n${MACHINE_EXAMPLES.else}`));
    expect(text).toBe(`aivm isa=1 gas=1

function (bool:0, i8:1)->(i8:1) # function 0
  local.get local=1
  local.get local=0
  if type=(i8:1)->(i8:1)
    abs
  else
    neg
  end
end
`);
  });

  it("stay linear in the code however deep it nests", () => {
    const deep = (n: number): number => {
      const block: Instruction = { op: "block", imm: { type: { params: [], results: [] } } };
      const body = new Array<Instruction>(n).fill(block);
      return formatAssembly({
        ...parseAssembly(header),
        functions: [{ params: [], results: [], locals: [], body }],
      }).length;
    };
    expect(deep(3000) - deep(2000)).toBe(deep(2000) - deep(1000));
  });

  it("take parameters as numbers, little-endian, and compute their roots", () => {
    const text = `${header}\nparameter i16 [3]\nvalues -2 258\nvalues 32767`;
    const module = parseAssembly(text);
    expect(module.parameterData).toEqual([Uint8Array.of(0xfe, 0xff, 2, 1, 0xff, 0x7f)]);
    // SHA-256 of 00 fe ff 02 01 ff 7f, by another implementation.
    expect(Buffer.from(module.parameters[0]!.root).toString("hex")).toBe(ROOT);
  });
});

const ROOT = "49e053dad114ee175c73afce7c3a8f75f235e428aab48dc628e4edf803f3a8ef";

describe("text that is no module", () => {
  it.each([
    ["", "1:1"],
    ["function ()->()", "1:1"],
    [`${header}\n${header}`, "2:"],
    [`${header}\nnonsense`, "2:1"],
    [`${header}\n  add`, "2:3"],
    [`${header}\nfunction ()->()\n  add 1`, "3:7"],
    [`${header}\nfunction ()->()\n  cast dtype=f32`, "3:14"],
    [`${header}\nfunction ()->()\n  cast type=i8`, "3:8"],
    [`${header}\nfunction ()->()\n  local.get local=99999999999999999`, "3:19"],
    [`${header}\nfunction ()->()\n  scalar dtype=i64 value=9223372036854775808`, "3:"],
    [`${header}\nfunction ()->()\n  scalar dtype=i64 value=${"9".repeat(1_000_000)}`, "3:26"],
    [`${header}\nfunction ()->()\n  reduce.max axes=[1,0]`, "3:"],
    [`${header}\nfunction ()->()\n  reduce.max axes=[1,`, "3:22"],
    [`${header}\nfunction ()->()\n  trap detail=65536`, "3:"],
    [`${header}\nfunction (f32:1)->()`, "2:11"],
    [`${header}\nfeature "open`, "2:9"],
    [`${header}\nfeature "\\x"`, "2:9"],
    [`${header}\ninput "x" i8 []`, "2:1"],
    [`${header}\nentry "e" function=0\ninput "x" i8 ["N"]`, "3:15"],
    [`${header}\nentry "e" function=0\nentry "e" function=0`, "3:7"],
    [`${header}\naggregate "e" function=0`, "2:11"],
    [`${header}\nparameter i8 [1] absent`, "2:18"],
    [`${header}\nparameter i8 [1] root="0g"`, "2:23"],
    [`${header}\nparameter i8 [1] root="00" absent\ndata "00"`, "3:1"],
    [`${header}\nparameter i8 [1]\nvalues 128`, "3:8"],
    [`${header}\nprovenance "a" "b"\nprovenance "a" "b"`, "3:12"],
    [`${header}\n@`, "2:1"],
  ])("%#: is refused with its place", (text, place) => {
    let error: unknown;
    try {
      parseAssembly(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(MalformedError);
    expect((error as MalformedError).code).toBe("Syntax");
    expect((error as MalformedError).message).toContain(`line ${place}`);
  });

  it("never raises anything else, whatever is cut, doubled or changed", () => {
    const text = formatAssembly(everything());
    let seed = 12345;
    const next = (bound: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 0x100000000) * bound);
    };
    const outcomes = new Set<string>();
    for (let round = 0; round < 300; round++) {
      const at = next(text.length);
      const length = next(20);
      const piece = ["", '"', "[", "-", "9".repeat(30), text.slice(next(text.length)).slice(0, 50)][
        next(6)
      ]!;
      try {
        parseAssembly(text.slice(0, at) + piece + text.slice(at + length));
        outcomes.add("read");
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        outcomes.add(error.code);
      }
    }
    expect(outcomes).toEqual(new Set(["read", "Syntax"]));
  });

  it("is read in one pass, however long its lines and strings", () => {
    const long = 2_000_000;
    expect(() => parseAssembly(`${header}\nfeature "${"a".repeat(long)}`)).toThrow(MalformedError);
    expect(() => parseAssembly(`${header}\nfeature "${"\\".repeat(long)}`)).toThrow(MalformedError);
    expect(() => parseAssembly(`${header}\n${" ".repeat(long)}@`)).toThrow(MalformedError);
    expect(() => parseAssembly(`${header}\n${"(".repeat(long)}`)).toThrow(MalformedError);
    expect(
      parseAssembly(`${header}\nfeature "${"a".repeat(long)}"`).configuration.features[0],
    ).toHaveLength(long);
  });
});
