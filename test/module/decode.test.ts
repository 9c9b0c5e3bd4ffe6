import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError, LinkError, MalformedError } from "../../src/core/errors.js";
import { decodeModule } from "../../src/module/decode.js";
import { encodeModule } from "../../src/module/encode.js";
import * as limits from "../../src/module/limits.js";
import { linkParameters } from "../../src/module/link.js";
import type { Module, Port } from "../../src/module/module.js";
import type { Packable } from "../../src/module/pack.js";
import { pack, packBinHeader } from "../../src/module/pack.js";
import type { Instruction } from "../../src/opcodes/index.js";
import { OPS } from "../../src/opcodes/index.js";
import { arbitraryModule } from "../support/arbitraryModule.js";
import { TINY } from "../support/tinyModule.js";

const EMPTY_CONFIGURATION: Packable = [1, 1, [], [], [], []];
/** The parts of the container, each as the bytes of its element. */
interface Elements {
  configuration: Uint8Array;
  code: Uint8Array;
  aggregation: Uint8Array;
  manifest: Uint8Array;
  data: Uint8Array;
  provenance: Uint8Array;
}
const bin = (content: Uint8Array): Uint8Array => join(packBinHeader(content.length), content);
const join = (...pieces: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(pieces));

/** An empty module, in which some elements are what the test says. */
function container(elements: Partial<Elements>): Uint8Array {
  const all: Elements = {
    configuration: bin(pack(EMPTY_CONFIGURATION)),
    code: bin(pack([])),
    aggregation: bin(pack([])),
    manifest: bin(pack([])),
    data: pack([]),
    provenance: pack([]),
    ...elements,
  };
  const { configuration, code, aggregation, manifest, data, provenance } = all;
  const head = [Uint8Array.of(0x98), pack("aivm"), pack(1)];
  return join(...head, configuration, code, aggregation, manifest, data, provenance);
}
const withConfiguration = (value: Packable): Uint8Array =>
  container({ configuration: bin(pack(value)) });
const withCode = (value: Packable): Uint8Array => container({ code: bin(pack(value)) });
const withBody = (...body: readonly Packable[]): Uint8Array => withCode([[[], [], [], body]]);
const withManifest = (value: Packable, data: Packable): Uint8Array =>
  container({ manifest: bin(pack(value)), data: pack(data) });

function errorOf(bytes: Uint8Array): MalformedError {
  try {
    decodeModule(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedError);
    return error as MalformedError;
  }
  return expect.unreachable("it was accepted");
}
const codeOf = (bytes: Uint8Array): string => errorOf(bytes).code;

const port = (...rest: readonly Packable[]): Packable => {
  const [dtype = 2, shape = [], scale = []] = rest;
  return ["x", dtype, shape, scale];
};
const withPort = (value: Packable, dimensions: Packable = [["N", 100]]): Uint8Array =>
  withConfiguration([1, 1, [], dimensions, [["main", 0, [value], []]], []]);

describe("the container", () => {
  it("may be empty", () => {
    const module = decodeModule(container({}));
    expect(module.functions).toEqual([]);
    expect(encodeModule(module)).toEqual(container({}));
  });

  it("begins with aivm and a version that is known", () => {
    for (const bytes of ["", "aivm", "\x98\xa4aivn", "\x08\x07\x12\x07pytorch", "PK\x03\x04"]) {
      expect(codeOf(new Uint8Array(Buffer.from(bytes, "latin1")))).toBe("Signature");
    }
    expect(codeOf(join(container({}).subarray(0, 6), pack(2), container({}).subarray(7)))).toBe(
      "FormatVersion",
    );
    expect(codeOf(withConfiguration([2, 1, [], [], [], []]))).toBe("IsaVersion");
  });

  it("ends where it ends, as do its parts", () => {
    const bytes = container({});
    expect(codeOf(join(bytes, Uint8Array.of(0)))).toBe("TrailingBytes");
    expect(codeOf(container({ code: bin(Uint8Array.of(0x90, 0x90)) }))).toBe("TrailingBytes");
    for (let length = 0; length < bytes.length; length++) {
      expect(["Signature", "Truncated"]).toContain(codeOf(bytes.subarray(0, length)));
    }
  });

  it("holds byte strings where parts are, and nothing but its own types", () => {
    expect(codeOf(container({ configuration: pack(EMPTY_CONFIGURATION) }))).toBe("UnexpectedType");
    expect(codeOf(container({ provenance: Uint8Array.of(0xc0) }))).toBe("UnexpectedType");
    expect(codeOf(container({ provenance: Uint8Array.of(0x80) }))).toBe("UnexpectedType");
    expect(codeOf(container({ code: bin(new Uint8Array()) }))).toBe("Length");
  });

  it("says at which byte of the whole it is wrong", () => {
    const bytes = container({});
    const at = bytes.length - 1;
    expect(errorOf(join(bytes.subarray(0, at), Uint8Array.of(0xc0))).place.offset).toBe(at);
    const configuration = join(pack(EMPTY_CONFIGURATION).subarray(0, 6), Uint8Array.of(0xcb));
    // 7 bytes of head, 2 of the part's header, 6 of the part.
    expect(errorOf(container({ configuration: bin(configuration) })).place.offset).toBe(15);
    const inFunction = errorOf(
      withCode([
        [[], [], [], [[0x05]]],
        [[], [], [], [[0xff]]],
      ]),
    );
    expect(inFunction.place.function).toBe(1);
  });

  it("says at which instruction it is wrong", () => {
    const unknown = errorOf(withBody([0xff]));
    const arity = errorOf(withBody([0x05, 0]));
    expect(unknown.code).toBe("UnknownOpcode");
    expect(arity.code).toBe("Length");
    // The instruction is an array; its opcode comes right after the header.
    expect(unknown.place.offset).toBe(arity.place.offset! + 1);
    expect(withBody([0xff])[unknown.place.offset!]).toBe(0xcc);
  });

  it("takes a parameter of exactly 4 GiB − 1", () => {
    const root = new Uint8Array(32);
    const module = decodeModule(withManifest([[2, [65_535, 65_537], root]], [[]]));
    expect(module.parameters[0]!.shape).toEqual([65_535, 65_537]);
  });

  it("does not follow nesting that the format does not have", () => {
    const deep = new Uint8Array(10_240).fill(0x91);
    expect(codeOf(container({ code: bin(deep) }))).toBe("Length");
    expect(codeOf(container({ configuration: bin(deep) }))).toBe("Length");
    expect(codeOf(container({ provenance: deep }))).toBe("Length");
    expect(codeOf(join(Uint8Array.of(0x98, 0xa4, 0x61, 0x69, 0x76, 0x6d), deep))).toBe(
      "UnexpectedType",
    );
  });

  it("does not believe declared lengths", () => {
    const huge = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff);
    expect(codeOf(container({ configuration: Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff) }))).toBe(
      "Truncated",
    );
    expect(codeOf(container({ code: bin(huge) }))).toBe("Length");
    expect(
      codeOf(container({ code: bin(join(Uint8Array.of(0x91, 0x94, 0x90, 0x90, 0x90), huge)) })),
    ).toBe("Truncated");
    expect(codeOf(container({ data: huge }))).toBe("Length");
    expect(codeOf(container({ provenance: Uint8Array.of(0xdc, 0x01, 0x00) }))).toBe("Truncated");
  });

  it("is decoded from bytes", () => {
    expect(() => decodeModule("aivm" as never)).toThrow(InputError);
  });
});

describe("the configuration", () => {
  it.each<[string, string, Packable]>([
    ["Length", "a field too many", [1, 1, [], [], [], [], 0]],
    ["DuplicateName", "two features of a name", [1, 1, ["a", "a"], [], [], []]],
    [
      "DuplicateName",
      "two dimensions of a name",
      [
        1,
        1,
        [],
        [
          ["N", 1],
          ["N", 2],
        ],
        [],
        [],
      ],
    ],
    [
      "DuplicateName",
      "two entries of a name",
      [
        1,
        1,
        [],
        [],
        [
          ["e", 0, [], []],
          ["e", 1, [], []],
        ],
        [],
      ],
    ],
    ["DuplicateName", "two inputs of a name", [1, 1, [], [], [["e", 0, [port(), port()], []]], []]],
    [
      "DuplicateName",
      "two outputs of a name",
      [1, 1, [], [], [["e", 0, [], [port(), port()]]], []],
    ],
    ["Length", "an empty name", [1, 1, [], [["", 1]], [], []]],
    [
      "Length",
      "a name that is too long",
      [1, 1, ["x".repeat(limits.MAX_NAME_BYTES + 1)], [], [], []],
    ],
    ["OutOfRange", "a dimension of at most 0", [1, 1, [], [["N", 0]], [], []]],
    ["OutOfRange", "a dimension of at most 2^31", [1, 1, [], [["N", 2 ** 31]], [], []]],
    ["OutOfRange", "a negative version", [1, -1, [], [], [], []]],
    ["OutOfRange", "an aggregation of no entry", [1, 1, [], [], [["e", 0, [], []]], [[1, 0]]]],
    [
      "Order",
      "two aggregations of an entry",
      [
        1,
        1,
        [],
        [],
        [
          ["e", 0, [], []],
          ["f", 0, [], []],
        ],
        [
          [0, 0],
          [0, 1],
        ],
      ],
    ],
    [
      "Order",
      "aggregations out of order",
      [
        1,
        1,
        [],
        [],
        [
          ["e", 0, [], []],
          ["f", 0, [], []],
        ],
        [
          [1, 0],
          [0, 1],
        ],
      ],
    ],
  ])("throws %s for %s", (code, _what, configuration) => {
    expect(codeOf(withConfiguration(configuration))).toBe(code);
  });

  it.each<[string, string, Packable]>([
    ["OutOfRange", "an unknown dtype", port(6)],
    ["Length", "rank 9", port(2, Array(9).fill(1))],
    ["OutOfRange", "a dimension of 2^31", port(2, [2 ** 31])],
    ["OutOfRange", "a negative dimension", port(2, [-1])],
    ["OutOfRange", "no such named dimension", port(2, [[1, 1, 0, 1]])],
    ["OutOfRange", "a multiplier of 0", port(2, [[0, 0, 0, 1]])],
    ["OutOfRange", "a divisor of 0", port(2, [[0, 1, 0, 0]])],
    ["DimensionRange", "a derived dimension that is always negative", port(2, [[0, 1, -101, 1]])],
    ["DimensionRange", "a derived dimension of 2^31", port(2, [[0, 21_474_836, 48, 1]])],
    ["Length", "half a scale", port(2, [], [1, 0])],
    ["OutOfRange", "a mantissa of 0", port(2, [], [0, 0, 0])],
    ["OutOfRange", "a mantissa of 2^31", port(2, [], [2 ** 31, 0, 0])],
    ["OutOfRange", "an exponent of −1075", port(2, [], [1, -1075, 0])],
    ["OutOfRange", "an exponent of 1024", port(2, [], [1, 1024, 0])],
    ["OutOfRange", "a zero point beyond i8", port(2, [], [1, 0, 128])],
    ["OutOfRange", "a negative zero point of u8", port(1, [], [1, 0, -1])],
  ])("throws %s for %s in a port", (code, _what, value) => {
    expect(codeOf(withPort(value))).toBe(code);
  });

  it("takes the extremes of ports", () => {
    const shape = [[0, 21_474_836, 47, 1], [0, 1, -100, 1], 2 ** 31 - 1, 0];
    const values = [
      port(2, shape),
      port(5, [], [2 ** 31 - 1, 1023, -(2n ** 63n)]),
      port(1, [], [1, -1074, 255]),
    ];
    for (const value of values) {
      const bytes = withPort(value);
      expect(encodeModule(decodeModule(bytes))).toEqual(bytes);
    }
  });

  it("bounds a derived dimension's numerator too", () => {
    const most = [["N", 2 ** 31 - 1]];
    expect(codeOf(withPort(port(2, [[0, 2 ** 31 - 1, 0, 2 ** 31 - 1]]), most))).toBe(
      "DimensionRange",
    );
    expect(decodeModule(withPort(port(2, [[0, 2 ** 22, 0, 2 ** 22]]), most)).functions).toEqual([]);
  });
});

describe("code", () => {
  const block = (arity: number): Packable => [0x01, [Array(arity).fill([0, 0]), []]];
  it.each<[string, string, Packable]>([
    ["UnknownOpcode", "an opcode that is not taken", [0xff]],
    ["OutOfRange", "an opcode beyond a byte", [0x100]],
    ["Length", "an instruction without opcode", []],
    ["Length", "a missing immediate", [0x0b]],
    ["Length", "an immediate too many", [0x05, 0]],
    ["OutOfRange", "a label beyond 31 bits", [0x06, 2 ** 31]],
    ["OutOfRange", "a negative local", [0x0b, -1]],
    ["OutOfRange", "a trap detail beyond its maximum", [0x00, 65_536]],
    ["OutOfRange", "an unknown dtype", [OPS.cast.code, 6]],
    ["OutOfRange", "a dtype that is not among the record's", [OPS.rescale.code, 1, 1, 0, 0, 0, 0]],
    ["OutOfRange", "a shift of 63", [OPS.rescale.code, 1, 63, 2, 0, 0, 0]],
    ["UnexpectedType", "a number for a list", [OPS.reshape.code, 1]],
    ["UnexpectedType", "a list for a number", [OPS.scalar.code, 2, []]],
    ["Length", "nine dimensions", [OPS.reshape.code, Array(9).fill(1)]],
    ["Order", "axes that repeat", [OPS["reduce.max"].code, [1, 1]]],
    ["Order", "axes that descend", [OPS["reduce.max"].code, [2, 1]]],
    ["OutOfRange", "axis 8", [OPS["reduce.max"].code, [8]]],
    ["Order", "a permutation that repeats", [OPS.transpose.code, [0, 0]]],
    ["Order", "a permutation with a gap", [OPS.transpose.code, [0, 2]]],
    ["Length", "an odd number of pads", [OPS.conv.code, 8, 8, 4, [1], [1], [0], 1, 0]],
    ["Length", "seven spatial axes", [OPS.conv.code, 8, 8, 4, Array(7).fill(1), [1], [0, 0], 1, 0]],
    ["OutOfRange", "a stride of 0", [OPS.conv.code, 8, 8, 4, [0], [1], [0, 0], 1, 0]],
    ["OutOfRange", "rank 9 in a block type", [0x01, [[[0, 9]], []]]],
    ["Length", "a type that is no pair", [0x01, [[[0]], []]]],
    ["Length", "too many parameters of a block", block(limits.MAX_BLOCK_ARITY + 1)],
  ])("throws %s for %s", (code, _what, instruction) => {
    expect(codeOf(withBody(instruction, [0x05]))).toBe(code);
  });

  it("has an instruction in every body, and bounded lists of everything", () => {
    const types = (count: number): Packable => Array(count).fill([0, 0]);
    expect(codeOf(withCode([[[], [], [], []]]))).toBe("Length");
    expect(codeOf(withCode([[types(limits.MAX_FUNCTION_ARITY + 1), [], [], [[5]]]]))).toBe(
      "Length",
    );
    expect(codeOf(withCode([[[], types(limits.MAX_FUNCTION_ARITY + 1), [], [[5]]]]))).toBe(
      "Length",
    );
    expect(codeOf(withCode([[[], [], types(limits.MAX_LOCALS + 1), [[5]]]]))).toBe("Length");
    expect(codeOf(withCode(Array(limits.MAX_FUNCTIONS + 1).fill([[], [], [], [[5]]])))).toBe(
      "Length",
    );
    const bytes = withCode([
      [
        types(limits.MAX_FUNCTION_ARITY),
        [],
        types(limits.MAX_LOCALS),
        [block(limits.MAX_BLOCK_ARITY), [5]],
      ],
    ]);
    expect(encodeModule(decodeModule(bytes))).toEqual(bytes);
  });

  it("has a bounded number of instructions over both parts", () => {
    const functions = (count: number): Uint8Array =>
      bin(pack([[[], [], [], Array(count).fill([5])]]));
    const half = limits.MAX_INSTRUCTIONS / 2;
    const most = container({ code: functions(half), aggregation: functions(half) });
    expect(decodeModule(most).aggregation[0]!.body).toHaveLength(half);
    expect(codeOf(container({ code: functions(half), aggregation: functions(half + 1) }))).toBe(
      "Length",
    );
  });
});

describe("parameters and provenance", () => {
  const root = new Uint8Array(32);
  it.each<[string, string, Packable, Packable]>([
    ["Length", "a root of 31 bytes", [[2, [], new Uint8Array(31)]], [[]]],
    ["OutOfRange", "an unknown dtype", [[6, [], root]], [[]]],
    ["OutOfRange", "a negative dimension", [[2, [-1], root]], [[]]],
    ["TooLarge", "4 GiB", [[2, [65_536, 65_536], root]], [[]]],
    ["TooLarge", "4 GiB beside a zero", [[2, [0, 65_536, 65_536], root]], [[]]],
    ["Length", "fewer data than parameters", [[2, [], root]], []],
    ["Length", "more data than parameters", [], [[]]],
    ["Length", "an absence that is not empty", [[2, [], root]], [[0]]],
    ["UnexpectedType", "a string for data", [[2, [], root]], ["x"]],
  ])("throw %s for %s", (code, _what, manifest, data) => {
    expect(codeOf(withManifest(manifest, data))).toBe(code);
  });

  it("tell absent data from no bytes", () => {
    const { parameterData } = decodeModule(
      withManifest(
        [
          [2, [0], root],
          [2, [0], root],
        ],
        [[], new Uint8Array()],
      ),
    );
    expect(parameterData).toEqual([undefined, new Uint8Array()]);
  });

  it.each<[string, string, Packable]>([
    [
      "Order",
      "keys out of order",
      [
        ["b", ""],
        ["a", ""],
      ],
    ],
    [
      "Order",
      "a key twice",
      [
        ["a", ""],
        ["a", ""],
      ],
    ],
    [
      "Order",
      "the order of UTF-16",
      [
        ["\u{10000}", ""],
        ["\uff5e", ""],
      ],
    ],
    ["Length", "an empty key", [["", ""]]],
    ["Length", "a pair of three", [["a", "", ""]]],
    ["UnexpectedType", "a number as value", [["a", 1]]],
  ])("throw %s for %s", (code, _what, provenance) => {
    expect(codeOf(container({ provenance: pack(provenance) }))).toBe(code);
  });

  it("keep keys that objects treat specially", () => {
    const pairs: Packable = [
      ["10", "a"],
      ["9", "b"],
      ["__proto__", "c"],
      ["constructor", "d"],
    ];
    const bytes = container({ provenance: pack(pairs) });
    const { provenance } = decodeModule(bytes);
    expect(Object.entries(provenance).sort()).toEqual(pairs);
    expect(encodeModule({ ...TINY, provenance })).toHaveLength(
      encodeModule({ ...TINY, provenance: {} }).length + bytes.length - container({}).length,
    );
  });
});

describe("encodeModule", () => {
  const functions = (instruction: unknown): Module["functions"] => [
    {
      params: [],
      results: [],
      locals: [],
      body: [instruction as Instruction, { op: "end", imm: {} }],
    },
  ];
  const input = (change: Partial<Port>): Module => {
    const [entry] = TINY.configuration.entries;
    const entries = [{ ...entry!, inputs: [{ ...entry!.inputs[0]!, ...change }] }];
    return { ...TINY, configuration: { ...TINY.configuration, entries } };
  };
  it.each<[string, string, Module]>([
    [
      "NotEncodable",
      "a fraction",
      { ...TINY, functions: functions({ op: "local.get", imm: { local: 0.5 } }) },
    ],
    [
      "NotEncodable",
      "a missing immediate",
      { ...TINY, functions: functions({ op: "local.get", imm: {} }) },
    ],
    [
      "NotEncodable",
      "an integer beyond 64 bits",
      { ...TINY, functions: functions({ op: "scalar", imm: { dtype: "i64", value: 2n ** 63n } }) },
    ],
    [
      "OutOfRange",
      "an immediate out of range",
      { ...TINY, functions: functions({ op: "trap", imm: { detail: 65_536 } }) },
    ],
    [
      "DuplicateName",
      "two provisions of a feature",
      { ...TINY, configuration: { ...TINY.configuration, features: ["a", "a"] } },
    ],
    [
      "OutOfRange",
      "an exponent out of range",
      input({ scale: { mantissa: 1, exponent: 2000, zeroPoint: 0n } }),
    ],
    ["NotEncodable", "half a surrogate pair", input({ name: "\ud800" })],
    ["Length", "data for no parameter", { ...TINY, parameterData: [undefined, undefined] }],
  ])("throws MalformedError %s for %s", (code, _what, module) => {
    expect(() => encodeModule(module)).toThrow(
      expect.objectContaining({ name: "MalformedError", code }),
    );
  });
});

/** A configuration of entry points of so many inputs as there may be, each as large as it gets. */
function wideEntries(count: number): Packable {
  const port = (i: number): Packable => [`${i}`, 2, Array(8).fill([0, 1, 0, 1]), [1, 0, 0]];
  const ports = Array.from({ length: limits.MAX_PORTS }, (_, i) => port(i));
  const entries = Array.from({ length: count }, (_, i) => [`e${i}`, 0, ports, []]);
  return [1, 1, [], [["N", 1]], entries, []];
}

describe("hostile bytes", () => {
  it("are refused where all entry points together have too many ports", () => {
    const most = limits.MAX_ALL_PORTS / limits.MAX_PORTS;
    expect(decodeModule(withConfiguration(wideEntries(most))).configuration.entries).toHaveLength(
      most,
    );
    expect(codeOf(withConfiguration(wideEntries(most + 1)))).toBe("Length");
  });

  /** Decodes and links; whatever is accepted must be canonical. Returns whether it was. */
  function accepts(bytes: Uint8Array): boolean {
    let module: Module;
    try {
      module = decodeModule(bytes);
    } catch (error) {
      if (error instanceof MalformedError) return false;
      throw error;
    }
    expect(Buffer.compare(encodeModule(module), bytes)).toBe(0);
    try {
      linkParameters(module);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
    }
    return true;
  }

  it("raise MalformedError when random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const signed = join(container({}).subarray(0, 7), noise);
        return (
          !accepts(noise) &&
          !accepts(signed) &&
          !accepts(container({ code: bin(join(noise, noise)) }))
        );
      }),
      { numRuns: 500 },
    );
  });

  it("raise MalformedError or LinkError when mutated, or are canonical", () => {
    let accepted = 0;
    let runs = 0;
    const edit = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("flip", "set", "insert", "remove"),
      byte: fc.oneof(
        fc.nat({ max: 255 }),
        fc.constantFrom(0x80, 0x90, 0xc0, 0xc4, 0xcb, 0xcc, 0xd3, 0xdc, 0xdd),
      ),
    });
    fc.assert(
      fc.property(
        arbitraryModule(),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        (module, edits) => {
          let bytes = encodeModule(module);
          for (const { at, kind, byte } of edits) {
            const i = at % bytes.length;
            const [head, tail] = [bytes.slice(0, i), bytes.slice(i)];
            if (kind === "insert") bytes = join(head, Uint8Array.of(byte), tail);
            else if (kind === "remove") bytes = join(head, tail.slice(1));
            else bytes[i] = kind === "set" ? byte : bytes[i]! ^ (1 << (byte & 7));
          }
          runs++;
          if (accepts(bytes)) accepted++;
        },
      ),
      { numRuns: 1_000 },
    );
    // Else the mutations would only test the first check.
    expect(accepted).toBeGreaterThan(runs / 50);
  });

  it("cannot make the decoder hold more than 8 bytes for each of theirs and 16 MiB", () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const held = (bytes: Uint8Array): number => {
      gc();
      const before = process.memoryUsage();
      const module = decodeModule(bytes);
      gc();
      const after = process.memoryUsage();
      expect(module.provenance).toEqual({});
      return after.heapUsed + after.external - before.heapUsed - before.external;
    };
    const lists = (n: number): Packable => Array(n).fill(1);
    const instructions: readonly Packable[] = [
      [OPS["local.get"].code, 3],
      [OPS["reduce.sum"].code, [1], 5],
      [OPS.rescale.code, 1, 1, 5, 0, 0, 0],
      [OPS.slice.code, lists(8), lists(8), lists(8)],
      [OPS.conv.code, 8, 8, 4, lists(6), lists(6), lists(12), 1, 0],
      [0x01, [[[0, 0]], []]],
    ];
    for (const instruction of instructions) {
      const bytes = withBody(...Array<Packable>(limits.MAX_INSTRUCTIONS).fill(instruction));
      expect(held(bytes)).toBeLessThan(8 * bytes.length + 16 * 2 ** 20);
    }
    const entries = withConfiguration(wideEntries(limits.MAX_ALL_PORTS / limits.MAX_PORTS));
    expect(held(entries)).toBeLessThan(8 * entries.length + 16 * 2 ** 20);
  });
});
