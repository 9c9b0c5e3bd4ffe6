import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/core/shape.js";
import {
  broadcastShapes,
  byteLength,
  chargedCount,
  elementCount,
  sameShape,
  stridesOf,
} from "../../src/core/shape.js";

describe("shapes", () => {
  it.each<[Shape, number, number, Shape]>([
    [[], 1, 1, []],
    [[7], 7, 7, [1]],
    [[2, 3, 4], 24, 24, [12, 4, 1]],
    [[5, 0, 3], 0, 15, [0, 3, 1]],
  ])("%j: %s elements, %s to charge, strides %j", (shape, elements, charged, strides) => {
    expect(elementCount(shape)).toBe(elements);
    expect(chargedCount(shape)).toBe(charged);
    expect(stridesOf(shape)).toEqual(strides);
    expect(byteLength({ dtype: "i64", shape })).toBe(elements * 8);
    expect(byteLength({ dtype: "bool", shape })).toBe(elements);
  });

  it.each<[Shape, Shape, boolean]>([
    [[], [], true],
    [[2, 3], [2, 3], true],
    [[2, 3], [2, 4], false],
    [[2, 3], [2], false],
    [[2], [2, 3], false],
  ])("%j and %j are the same: %s", (a, b, same) => {
    expect(sameShape(a, b)).toBe(same);
  });

  it.each<[readonly Shape[], Shape]>([
    [[[3, 1]], [3, 1]],
    [
      [
        [2, 3],
        [2, 3],
      ],
      [2, 3],
    ],
    [
      [[4, 1, 3], [2, 1], []],
      [4, 2, 3],
    ],
    // The third counts too where the first two agree.
    [
      [[2], [2], [3, 2]],
      [3, 2],
    ],
    [[[0], [1]], [0]],
  ])("%j broadcast to %j", (shapes, result) => {
    expect(broadcastShapes(shapes)).toEqual(result);
  });

  it.each<[readonly Shape[]]>([[[[2], [3]]], [[[0], [2]]], [[[2], [2], [3]]]])(
    "%j do not broadcast",
    (shapes) => {
      expect(() => broadcastShapes(shapes)).toThrow(
        expect.objectContaining({ name: "Trap", code: "ShapeMismatch" }),
      );
    },
  );
});
