import { describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.js";
import type { HostValue } from "../../src/vm/hostValues.js";
import { assembled } from "../support/assembled.js";

const PORTS = `
  dimension "N" maximum=4
  entry "main" function=0
    input "image" i16 ["N", 2] mantissa=1 exponent=-4 zeroPoint=3
    input "token" i64 ["N"]
    input "mask" bool [("N"*2+1)/2]
    output "image" i16 ["N", 2] mantissa=1 exponent=-4 zeroPoint=3
    output "token" i64 ["N"]
    output "mask" bool [("N"*2+1)/2]
  function (i16:2, i64:1, bool:1)->(i16:2, i64:1, bool:1)
    local.get local=0
    local.get local=1
    local.get local=2
  end`;

const GOOD: Record<string, HostValue> = {
  image: { reals: Float32Array.of(0, 0.5, -0.25, 5000), dims: [2, 2] },
  token: { integers: [7, 2n ** 62n] as unknown as number[], dims: [2] },
  mask: { integers: [true, false], dims: [2] },
};

function run(changes: Record<string, HostValue | undefined>) {
  const instance = assembled(PORTS);
  const inputs = Object.entries({ ...GOOD, ...changes }).filter(([, value]) => value !== undefined);
  try {
    return instance.runSync({ inputs: Object.fromEntries(inputs) as Record<string, HostValue> });
  } finally {
    instance.dispose();
  }
}

describe("host values", () => {
  test("reals and integers go in, integers and reals come out", () => {
    const { outputs, statistics } = run({});
    expect(outputs!["image"]!.integers).toEqual(Int16Array.of(3, 11, -1, 32767));
    expect(outputs!["image"]!.reals()).toEqual(Float32Array.of(0, 0.5, -0.25, (32767 - 3) / 16));
    expect(outputs!["image"]!.reals("float64")[3]).toBe(32764 / 16);
    expect(outputs!["token"]!.integers).toEqual(BigInt64Array.of(7n, 2n ** 62n));
    expect(outputs!["mask"]!.integers).toEqual(Uint8Array.of(1, 0));
    expect(statistics.saturated).toEqual({ image: 1 });
    expect(() => outputs!["token"]!.reals()).toThrow(InputError);
  });

  test("integers of any kind do where they are in range", () => {
    const image = (integers: ArrayLike<number> | ArrayLike<bigint>): number[] =>
      Array.from(
        run({ image: { integers, dims: [2, 2] } as HostValue }).outputs!["image"]!.integers,
        Number,
      );
    expect(image(Int16Array.of(1, 2, 3, 4))).toEqual([1, 2, 3, 4]);
    expect(image(Uint8ClampedArray.of(1, 2, 3, 4))).toEqual([1, 2, 3, 4]);
    expect(image(BigInt64Array.of(1n, 2n, 3n, -4n))).toEqual([1, 2, 3, -4]);
    expect(image([1, 2, 3, -32768])).toEqual([1, 2, 3, -32768]);
  });

  const refused: Record<string, [Record<string, HostValue | undefined>, string, RegExp]> = {
    "a missing input": [{ mask: undefined }, "MissingInput", /"mask".*"image", "token", "mask"/],
    "an unknown input": [
      { maks: GOOD["mask"] },
      "UnknownInput",
      /"maks".*"image", "token", "mask"/,
    ],
    "another rank": [
      { token: { integers: [1, 2], dims: [1, 2] } },
      "Shape",
      /"token".*\[1,2\].*\[N\]/,
    ],
    "dims that are no list": [
      { token: { integers: [1, 2], dims: 2 as unknown as number[] } },
      "Shape",
      /"token" has dims 2/,
    ],
    "a negative dimension": [
      { token: { integers: [], dims: [-1] } },
      "Shape",
      /"token" has dims -1, which must be integers/,
    ],
    "a dimension of 2^31": [
      { token: { integers: [], dims: [2 ** 31] } },
      "Shape",
      /"token" has dims 2147483648, which must be integers/,
    ],
    "dims that are none": [{ token: { integers: [1], dims: [1.5] } }, "Shape", /"token"/],
    "too few elements": [
      { token: { integers: [1], dims: [2] } },
      "Shape",
      /1 elements.*\[2\] make 2/,
    ],
    "two values of one name": [
      { token: { integers: [1, 2, 3], dims: [3] } },
      "Shape",
      /"token".*dimension 0 \(N\) is 3, but N is 2/,
    ],
    "a dimension above its maximum": [
      { image: { integers: new Int16Array(10), dims: [5, 2] } },
      "Shape",
      /"image".*N is at most 4/,
    ],
    "another fixed dimension": [
      { image: { integers: new Int16Array(6), dims: [2, 3] } },
      "Shape",
      /"image".*dimension 1 is 3, it must be 2/,
    ],
    "a derived dimension that does not follow": [
      { mask: { integers: [1, 1, 1], dims: [3] } },
      "Shape",
      /⌊\(2·N \+ 1\) \/ 2⌋.*is 3, it must be 2 as N is 2/,
    ],
    "reals for integers": [
      { token: { reals: [1, 2], dims: [2] } },
      "Value",
      /"token" takes integers/,
    ],
    "an integer out of range": [
      { image: { integers: [1, 2, 32768, 4], dims: [2, 2] } },
      "Value",
      /element 2 of input "image" is 32768.*-32768 to 32767/,
    ],
    "a number that is no integer": [
      { image: { integers: [1, 2.5, 3, 4], dims: [2, 2] } },
      "Value",
      /element 1 .* 2.5/,
    ],
    "a bool of 2": [{ mask: { integers: Uint8Array.of(1, 2), dims: [2] } }, "Value", /element 1/],
    "a string": [
      { token: { integers: ["1", "2"] as unknown as number[], dims: [2] } },
      "Value",
      /element 0/,
    ],
    "no data at all": [{ token: null as unknown as HostValue }, "Value", /"token".*hand in/],
    NaN: [{ image: { reals: [0, NaN, 0, 0], dims: [2, 2] } }, "NotANumber", /element 1.*"image"/],
    "bigints for reals": [
      { image: { reals: new BigInt64Array(4), dims: [2, 2] } as unknown as HostValue },
      "NotANumber",
      /element 0.*"image" is of type bigint/,
    ],
    "a symbol for a real": [
      { image: { reals: [0, Symbol("x"), 0, 0], dims: [2, 2] } as unknown as HostValue },
      "NotANumber",
      /element 1.*"image" is of type symbol/,
    ],
  };
  for (const [name, [changes, code, message]] of Object.entries(refused)) {
    test(`refuses ${name}`, () => {
      expect(() => run(changes)).toThrow(message);
      const place = { name: Object.keys(changes)[0] };
      expect(() => run(changes)).toThrow(
        expect.objectContaining({ code, name: "InputError", place }),
      );
    });
  }

  test("a zero dimension is let through to the code", () => {
    const { outputs } = run({
      image: { reals: [], dims: [0, 2] },
      token: { integers: [], dims: [0] },
      mask: { integers: [], dims: [0] },
    });
    expect(outputs!["image"]!.shape).toEqual([0, 2]);
  });
});
