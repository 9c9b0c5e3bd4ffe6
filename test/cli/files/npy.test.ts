import { describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy } from "../../../src/cli/files/npy.js";
import type { HostArray } from "../../../src/core/hostArray.js";

/** A `.npy` file laid out by hand, as the format's description has it. */
function npy(dictionary: string, data: readonly number[], version = 1): Uint8Array {
  const text = `${dictionary}\n`;
  const length =
    version === 1
      ? [text.length & 255, text.length >> 8]
      : [text.length & 255, text.length >> 8, 0, 0];
  const header = [...text].map((c) => c.charCodeAt(0));
  return Uint8Array.from([
    0x93,
    ...Buffer.from("NUMPY"),
    version,
    0,
    ...length,
    ...header,
    ...data,
  ]);
}

const dict = (descr: string, shape: string, fortran = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

const refused = (bytes: Uint8Array, code: string, says: RegExp): void => {
  expect(() => decodeNpy(bytes, "x.npy")).toThrow(
    expect.objectContaining({ name: "InputError", code, message: expect.stringMatching(says) }),
  );
};

describe("decodeNpy", () => {
  it.each<[string, number[], HostArray["elementType"], HostArray["data"]]>([
    ["|b1", [0, 1, 7], "bool", Uint8Array.of(0, 1, 1)],
    ["|u1", [0, 1, 255], "uint8", Uint8Array.of(0, 1, 255)],
    ["|i1", [0, 127, 128], "int8", Int8Array.of(0, 127, -128)],
    ["<u2", [1, 0, 0, 1, 255, 255], "uint16", Uint16Array.of(1, 256, 65535)],
    [">u2", [0, 1, 1, 0, 255, 255], "uint16", Uint16Array.of(1, 256, 65535)],
    ["<i2", [1, 0, 0, 128, 255, 255], "int16", Int16Array.of(1, -32768, -1)],
    [">i2", [0, 1, 128, 0, 255, 255], "int16", Int16Array.of(1, -32768, -1)],
    ["<u4", [1, 0, 0, 0, 0, 0, 0, 128, 2, 0, 0, 0], "uint32", Uint32Array.of(1, 2 ** 31, 2)],
    [
      ">i4",
      [0, 0, 0, 1, 128, 0, 0, 0, 255, 255, 255, 254],
      "int32",
      Int32Array.of(1, -(2 ** 31), -2),
    ],
    [
      "<i8",
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 255, 255, 255, 255, 255, 255, 255, 255],
      "int64",
      BigInt64Array.of(1n, -(2n ** 63n), -1n),
    ],
    [
      ">u8",
      [0, 0, 0, 0, 0, 0, 0, 1, 128, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
      "uint64",
      BigUint64Array.of(1n, 2n ** 63n, 2n ** 64n - 1n),
    ],
    // 1, the smallest subnormal, −∞
    [
      "<f2",
      [0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc],
      "float16",
      Float32Array.of(1, 2 ** -24, -Infinity),
    ],
    [">f2", [0x7b, 0xff, 0xc0, 0x00, 0x00, 0x00], "float16", Float32Array.of(65504, -2, 0)],
    ["<f4", [0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 192, 127], "float32", Float32Array.of(1, -2, NaN)],
    [
      ">f4",
      [63, 128, 0, 0, 192, 0, 0, 0, 0, 0, 0, 1],
      "float32",
      Float32Array.of(1, -2, 2 ** -149),
    ],
    [
      ">f8",
      [63, 240, 0, 0, 0, 0, 0, 0, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      "float64",
      Float64Array.of(1, -2, 5e-324),
    ],
  ])("reads %s", (descr, bytes, elementType, data) => {
    expect(decodeNpy(npy(dict(descr, "(3,)"), bytes), "x.npy")).toEqual({
      elementType,
      dims: [3],
      data,
    });
  });

  it("reads every header version, and keys in any order and quotes", () => {
    const want = { elementType: "uint8", dims: [2], data: Uint8Array.of(5, 6) };
    for (const version of [1, 2, 3]) {
      expect(decodeNpy(npy(dict("|u1", "(2,)"), [5, 6], version), "x.npy")).toEqual(want);
    }
    const other = `{"shape":(2,),"descr":"|u1","fortran_order":False}      `;
    expect(decodeNpy(npy(other, [5, 6]), "x.npy")).toEqual(want);
  });

  it("turns Fortran order into row-major order", () => {
    // Column-major bytes of [[[0, 1], [2, 3], [4, 5]]] (1 × 3 × 2): the first axis varies fastest.
    const bytes = npy(dict("|u1", "(1, 3, 2)", "True"), [0, 2, 4, 1, 3, 5]);
    expect(decodeNpy(bytes, "x.npy")).toEqual({
      elementType: "uint8",
      dims: [1, 3, 2],
      data: Uint8Array.of(0, 1, 2, 3, 4, 5),
    });
  });

  it("reads scalars and empty arrays", () => {
    expect(decodeNpy(npy(dict("|i1", "()"), [255]), "x.npy")).toMatchObject({
      dims: [],
      data: Int8Array.of(-1),
    });
    const empty = npy(dict("<f4", "(3, 0, 1000000000000)"), []);
    expect(decodeNpy(empty, "x.npy")).toMatchObject({
      dims: [3, 0, 1e12],
      data: new Float32Array(),
    });
  });

  it("copies: later changes of the file's bytes change nothing", () => {
    const bytes = Buffer.from(npy(dict("|u1", "(2,)"), [5, 6]));
    const { data } = decodeNpy(bytes, "x.npy");
    bytes.fill(0);
    expect(data).toEqual(Uint8Array.of(5, 6));
  });

  it("refuses what is no .npy file", () => {
    refused(new Uint8Array(), "BadNpy", /signature/);
    refused(Buffer.from("PK\x03\x04 not an array"), "BadNpy", /^x\.npy .*signature.*numpy\.save/);
    refused(npy(dict("|u1", "(1,)"), [1], 9), "BadNpy", /version 9/);
    refused(npy(dict("|u1", "(1,)"), [1]).subarray(0, 30), "BadNpy", /passes the end/);
    refused(npy(dict("|u1", "(1,)"), [1], 2).subarray(0, 11), "BadNpy", /ends inside the header/);
  });

  it.each([
    "",
    "{}",
    "{'descr': '|u1'}",
    "{'descr': '|u1', 'shape': (1,), }",
    "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1,), }",
    "{'descr': '|u1' 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'x': 1}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), } import os",
    `${" ".repeat(60000)}`,
  ])("refuses the header %j", (header) => {
    refused(npy(header, [1]), "BadNpy", /not the dictionary/);
  });

  it.each([
    "(1)",
    "(-1,)",
    "(1.5,)",
    "(1e3,)",
    "(,)",
    "(1,,1)",
    "(0x1,)",
    "3",
    "(99999999999999999999,)",
  ])("refuses the shape %s", (shape) =>
    refused(npy(dict("|u1", shape), [1]), "BadNpy", /shape .* is impossible/),
  );

  it.each(["|O", "<c8", "<U3", "|S4", "|V2", "u1", "=f4", "|f4", "<f3", "<m8[ns]", "^f4"])(
    "refuses elements of type %s",
    (descr) => refused(npy(dict(descr, "(1,)"), [0, 0, 0, 0]), "UnsupportedNpy", /astype/),
  );

  it("refuses structured types", () => {
    const header = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
    refused(npy(header, [0, 0, 0, 0]), "UnsupportedNpy", /a structured type/);
  });

  it("compares the shape with the length before it allocates", () => {
    refused(
      npy(dict("<f8", "(1000000, 1000000, 1000000)"), [0]),
      "BadNpy",
      /needs 8e?\+?.* the file has 1/,
    );
    refused(npy(dict("<f4", "(2,)"), [0, 0, 0, 0]), "BadNpy", /needs 8 bytes .* the file has 4/);
    refused(npy(dict("<f4", "(1,)"), [0, 0, 0, 0, 0]), "BadNpy", /needs 4 bytes .* the file has 5/);
    refused(npy(dict("<f4", "()"), []), "BadNpy", /needs 4 bytes/);
  });
});

describe("encodeNpy", () => {
  it("writes the header that NumPy writes", () => {
    const bytes = encodeNpy({ elementType: "float32", dims: [1, 2], data: Float32Array.of(1, -2) });
    const text = Buffer.from(bytes).toString("latin1");
    // 128 bytes: signature, version 1.0, length 118, dictionary, spaces, newline.
    expect(text.slice(0, 10)).toBe("\x93NUMPY\x01\x00\x76\x00");
    expect(text.slice(10, 128)).toBe(
      `${"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".padEnd(117)}\n`,
    );
    expect([...bytes.subarray(128)]).toEqual([0, 0, 128, 63, 0, 0, 0, 192]);
  });

  it.each<HostArray>([
    { elementType: "bool", dims: [2], data: Uint8Array.of(0, 1) },
    { elementType: "int8", dims: [], data: Int8Array.of(-5) },
    { elementType: "uint16", dims: [0, 3], data: new Uint16Array() },
    { elementType: "int64", dims: [1, 1, 2], data: BigInt64Array.of(-(2n ** 63n), 7n) },
    { elementType: "uint64", dims: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
    { elementType: "float64", dims: [2], data: Float64Array.of(Math.PI, -0) },
    {
      elementType: "float16",
      dims: [5],
      data: Float32Array.of(0.5, -65504, 2 ** -24, Infinity, NaN),
    },
    { elementType: "uint8", dims: new Array<number>(40).fill(1), data: Uint8Array.of(9) },
  ])("is read back: $elementType $dims", (array) => {
    expect(decodeNpy(encodeNpy(array), "x.npy")).toEqual(array);
  });

  it("writes the view it is given, not the buffer below it", () => {
    const data = Int16Array.of(1, 2, 3, 4).subarray(1, 3);
    const read = decodeNpy(encodeNpy({ elementType: "int16", dims: [2], data }), "x.npy");
    expect(read.data).toEqual(Int16Array.of(2, 3));
  });

  it("rounds float16 to nearest, ties to even", () => {
    // Neighbours of 1 are 2^−10 apart; 65520 is halfway to where infinity begins.
    const data = Float32Array.of(
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65519,
      65520,
      2 ** -25,
      3 * 2 ** -26,
    );
    const read = decodeNpy(encodeNpy({ elementType: "float16", dims: [6], data }), "x.npy");
    expect(read.data).toEqual(Float32Array.of(1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -24));
  });
});
