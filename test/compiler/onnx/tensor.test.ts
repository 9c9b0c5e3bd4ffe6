import { describe, expect, test } from "vitest";
import { CompileError } from "../../../src/core/errors.js";
import { tensorFromProto, tensorToProto } from "../../../src/compiler/onnx/tensor.js";
import type { TensorProto } from "../../../src/compiler/onnx/schema.js";

const dims = (...values: number[]): BigInt64Array => BigInt64Array.from(values, (v) => BigInt(v));

function raw(dataType: number, count: number, bytes: number[]): TensorProto {
  return { dataType, dims: dims(count), rawData: Uint8Array.from(bytes) };
}

describe("tensorFromProto", () => {
  test.each<[string, TensorProto, (number | bigint)[]]>([
    ["float32", raw(1, 2, [0, 0, 0xc0, 0x3f, 0, 0, 0x80, 0xff]), [1.5, -Infinity]],
    ["uint8", raw(2, 2, [0, 255]), [0, 255]],
    ["int8", raw(3, 2, [127, 128]), [127, -128]],
    ["uint16", raw(4, 1, [0xff, 0xff]), [65535]],
    ["int16", raw(5, 1, [0xff, 0xff]), [-1]],
    ["int32", raw(6, 1, [0, 0, 0, 0x80]), [-2147483648]],
    ["int64", raw(7, 1, [255, 255, 255, 255, 255, 255, 255, 127]), [2n ** 63n - 1n]],
    ["bool", raw(9, 3, [0, 1, 7]), [0, 1, 1]],
    // Subnormal 2^−24, largest 65504, −2, infinity.
    ["float16", raw(10, 4, [1, 0, 0xff, 0x7b, 0, 0xc0, 0, 0x7c]), [2 ** -24, 65504, -2, Infinity]],
    ["float64", raw(11, 1, [0, 0, 0, 0, 0, 0, 0xf0, 0xbf]), [-1]],
    ["uint32", raw(12, 1, [0xff, 0xff, 0xff, 0xff]), [4294967295]],
    ["uint64", raw(13, 1, [255, 255, 255, 255, 255, 255, 255, 255]), [2n ** 64n - 1n]],
    ["bfloat16", raw(16, 2, [0x80, 0x3f, 0x20, 0xc1]), [1, -10]],
    // One, the largest, the least, minus one; each format's own NaN or infinity.
    ["float8e4m3fn", raw(17, 5, [0x38, 0x7e, 0x01, 0xb8, 0x7f]), [1, 448, 2 ** -9, -1, NaN]],
    ["float8e4m3fnuz", raw(18, 5, [0x40, 0x7f, 0x01, 0xc0, 0x80]), [1, 240, 2 ** -10, -1, NaN]],
    [
      "float8e5m2",
      raw(19, 6, [0x3c, 0x7b, 0x01, 0xbc, 0x7c, 0xfe]),
      [1, 57344, 2 ** -16, -1, Infinity, NaN],
    ],
    ["float8e5m2fnuz", raw(20, 4, [0x40, 0x7f, 0x01, 0x80]), [1, 57344, 2 ** -17, NaN]],
    // Two a byte, the lower half first; the last half may be empty.
    ["uint4", raw(21, 3, [0x8f, 0x07]), [15, 8, 7]],
    ["int4", raw(22, 3, [0x8f, 0x07]), [-1, -8, 7]],
  ])("reads raw %s", (elementType, proto, expected) => {
    const constant = tensorFromProto(proto);
    expect(constant.elementType).toBe(elementType);
    expect(Array.from(constant.data as ArrayLike<number>)).toEqual(expected);
  });

  test.each<[string, TensorProto, (number | bigint)[]]>([
    ["float_data", { dataType: 1, floatData: Float32Array.of(0.5) }, [0.5]],
    ["double_data", { dataType: 11, doubleData: Float64Array.of(0.1) }, [0.1]],
    ["int32_data as int8", { dataType: 3, int32Data: Int32Array.of(-3) }, [-3]],
    ["int32_data as float16", { dataType: 10, int32Data: Int32Array.of(0x3c00) }, [1]],
    ["int64_data", { dataType: 7, int64Data: BigInt64Array.of(-5n) }, [-5n]],
    ["uint64_data as uint32", { dataType: 12, uint64Data: BigUint64Array.of(4000000000n) }, [4e9]],
  ])("reads %s", (_, proto, expected) => {
    const constant = tensorFromProto({ ...proto, dims: dims(1) });
    expect(Array.from(constant.data as ArrayLike<number>)).toEqual(expected);
  });

  test("reads raw data that does not lie on a multiple of its size", () => {
    const bytes = Uint8Array.of(9, 0, 0, 0x80, 0x3f);
    const constant = tensorFromProto({ dataType: 1, rawData: bytes.subarray(1) });
    expect([...(constant.data as Float64Array)]).toEqual([1]);
  });

  test("reads strings", () => {
    const stringData = [new TextEncoder().encode("ß"), new Uint8Array()];
    expect(tensorFromProto({ dataType: 8, dims: dims(2), stringData }).data).toEqual(["ß", ""]);
  });

  test.each<[string, TensorProto, RegExp]>([
    ["too few bytes", raw(1, 2, [0, 0, 0, 0]), /need 8 bytes, the data has 4/],
    ["too few elements", { dataType: 7, dims: dims(3) }, /need 3 elements, the data holds 0/],
    ["negative dims", { dataType: 1, dims: dims(-1) }, /impossible/],
    ["absurd dims", { dataType: 1, dims: dims(2 ** 40, 2 ** 40) }, /impossible/],
    ["no type", { dims: dims() }, /undefined is not supported/],
    ["a refused type", { dataType: 14 }, /complex64 is not supported/],
    ["an unknown type", { dataType: 99 }, /number 99 is not supported/],
    ["segments", { dataType: 1, segment: {} }, /segmented/],
  ])("refuses %s", (_, proto, message) => {
    expect(() => tensorFromProto(proto)).toThrow(CompileError);
    expect(() => tensorFromProto(proto)).toThrow(message);
  });

  test("tensorToProto writes what tensorFromProto reads", () => {
    for (const elementType of ["float32", "float64"] as const) {
      const constant = { elementType, dims: [2], data: Float64Array.of(0.5, -2) };
      expect(tensorFromProto(tensorToProto("t", constant))).toEqual(constant);
    }
    const int64 = {
      elementType: "int64",
      dims: [1],
      data: BigInt64Array.of(-(2n ** 62n)),
    } as const;
    expect(tensorFromProto(tensorToProto("t", int64))).toEqual(int64);
  });
});

describe("external data", () => {
  const proto = (entries: Record<string, string>): TensorProto => ({
    name: "w",
    dataType: 1,
    dims: dims(2),
    dataLocation: 1,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });

  test("is asked for by place, offset and length", () => {
    const asked: unknown[] = [];
    const constant = tensorFromProto(proto({ location: "w/data.bin", offset: "64" }), (...args) => {
      asked.push(args);
      return Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0x40);
    });
    expect(asked).toEqual([["w/data.bin", 64, 8]]);
    expect([...(constant.data as Float64Array)]).toEqual([1, 2]);
  });

  test.each(["/etc/passwd", "../up", "a/../../up", "C:\\x", "\\x", "a\\..\\b", "", "a\0b"])(
    "never leaves the model's folder: %j",
    (location) => {
      const load = (): Uint8Array => new Uint8Array(8);
      expect(() => tensorFromProto(proto({ location }), load)).toThrow(/only relative paths/);
    },
  );

  test.each<[Record<string, string>, RegExp]>([
    [{ location: "d", length: "12" }, /has 12 bytes, its dims need 8/],
    [{ location: "d", offset: "-1" }, /offset "-1" is not a number of bytes/],
    [{ location: "d", offset: "1e99" }, /not a number of bytes/],
  ])("refuses %j", (entries, message) => {
    expect(() => tensorFromProto(proto(entries), () => new Uint8Array(8))).toThrow(message);
  });

  test("needs a reader, and all the bytes", () => {
    expect(() => tensorFromProto(proto({ location: "d" }))).toThrow(/no way to read external data/);
    expect(() => tensorFromProto(proto({ location: "d" }), () => new Uint8Array(4))).toThrow(
      /need 8 bytes, the data has 4/,
    );
  });
});
