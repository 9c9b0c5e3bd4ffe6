import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CompileError } from "../../../src/core/errors.js";
import { importModel } from "../../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import { decodeMessage, decodeModel, encodeModel } from "../../../src/compiler/onnx/wire.js";
import { optimise } from "../../../src/compiler/optimise.js";

function smallModel(): Uint8Array {
  return new ModelBuilder(13)
    .input("x", "float32", ["n", 3])
    .constant("w", tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]))
    .constant("shape", tensor("int64", [2], [-1, 1]))
    .node("MatMul", ["x", "w"], ["p"])
    .node("Softmax", ["p"], ["s"], { axis: -1 })
    .node("Reshape", ["s", "shape"], ["y"])
    .output("y", "float32")
    .encode();
}

/** Compiles hostile bytes as far as they go; anything but a typed error is a failure. */
function survives(bytes: Uint8Array): boolean {
  try {
    optimise(importModel(bytes));
    return true;
  } catch (error) {
    if (error instanceof CompileError) return false;
    throw error;
  }
}

describe("decodeMessage", () => {
  test("reads bytes written by hand", () => {
    // dims 2 and 3, one by one; data type 1; name "w"; float_data packed: 1, −2.
    const bytes = Uint8Array.of(
      ...[0x08, 2, 0x08, 3, 0x10, 1, 0x42, 1, 0x77],
      ...[0x22, 8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0],
    );
    const proto = decodeMessage("TensorProto", bytes);
    expect(proto.name).toBe("w");
    expect(proto.dataType).toBe(1);
    expect([...(proto.dims ?? [])]).toEqual([2n, 3n]);
    expect([...(proto.floatData ?? [])]).toEqual([1, -2]);
  });

  test("reads 64-bit integers exactly", () => {
    const bytes = Uint8Array.of(0x18, ...new Array<number>(9).fill(0xff), 0x01);
    expect(decodeMessage("AttributeProto", bytes).i).toBe(-1n);
  });

  test("skips fields that it does not know", () => {
    // Field 500 as a varint, as bytes, as fixed32 and as fixed64, then the name.
    const tag = (wire: number): number[] => [0xa0 | wire, 0x1f];
    const bytes = Uint8Array.of(
      ...[...tag(0), 7, ...tag(2), 2, 9, 9, ...tag(5), 1, 2, 3, 4],
      ...[...tag(1), 1, 2, 3, 4, 5, 6, 7, 8, 0x42, 1, 0x77],
    );
    expect(decodeMessage("TensorProto", bytes)).toEqual({ name: "w" });
  });

  test("gives back what encodeModel was given", () => {
    const model = decodeModel(smallModel());
    expect(decodeModel(encodeModel(model))).toEqual(model);
    expect(model.graph?.node?.map((n) => n.opType)).toEqual(["MatMul", "Softmax", "Reshape"]);
  });
});

describe("hostile bytes", () => {
  test("every truncation is refused, or reads as a shorter model", () => {
    const bytes = smallModel();
    for (let length = 0; length < bytes.length; length++) survives(bytes.subarray(0, length));
    expect(survives(bytes.subarray(0, bytes.length - 1))).toBe(false);
    expect(survives(bytes)).toBe(true);
  });

  test("a length beyond the end names the byte", () => {
    const bytes = Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0);
    expect(() => decodeModel(bytes)).toThrow(/length of 2147483647 .* at byte 6/);
  });

  test("deep nesting is refused", () => {
    // Graph → node → attribute → graph …, each a length around what is inside.
    let bytes: number[] = [];
    const wrap = (tag: number): void => {
      const length = bytes.length;
      const prefix = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
      bytes = [tag, ...prefix, ...bytes];
    };
    for (let i = 0; i < 60; i++) [0x32, 0x2a, 0x0a].forEach(wrap);
    wrap(0x3a);
    expect(() => decodeModel(Uint8Array.from(bytes))).toThrow(/nested deeper/);
  });

  test("random and mutated bytes raise nothing but CompileError", () => {
    const model = smallModel();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void survives(bytes)));
    const mutation = fc.array(fc.tuple(fc.nat({ max: model.length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(mutation, (changes) => {
        const bytes = model.slice();
        for (const [at, value] of changes) bytes[at] = value;
        survives(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("a few bytes cannot ask for gigabytes", () => {
    const b = new ModelBuilder(13).input("x", "float32", [1]);
    b.constant("size", tensor("int64", [2], [60_000, 60_000]));
    for (let i = 0; i < 20; i++) b.node("ConstantOfShape", ["size"], [`c${String(i)}`]);
    b.node(
      "Sum",
      Array.from({ length: 20 }, (_, i) => `c${String(i)}`),
      ["y"],
    );
    const graph = importModel(b.output("y", "float32").encode());
    expect(graph.nodes.filter((n) => n.opType === "ConstantOfShape")).toHaveLength(20);
  });

  test("shape formulas that double are refused", () => {
    const b = new ModelBuilder(13).input("v0", "float32", ["n"]);
    for (let i = 0; i < 64; i++) {
      const [from, to] = [`v${String(i)}`, `v${String(i + 1)}`];
      b.node("Concat", [from, from], [to], { axis: 0 });
    }
    expect(() => importModel(b.output("v64", "float32").encode())).toThrow(
      /formula grows too long/,
    );
  });
});
