import { describe, expect, it } from "vitest";
import type { Limits } from "../../src/vm/limits.js";
import { DEFAULT_LIMITS, resolveLimits } from "../../src/vm/limits.js";

describe("resolveLimits", () => {
  it("puts those of the caller in place of the defaults", () => {
    expect(resolveLimits()).toEqual(DEFAULT_LIMITS);
    expect(resolveLimits({ gas: 5n, elements: 0 })).toEqual({
      ...DEFAULT_LIMITS,
      gas: 5n,
      elements: 0,
    });
    expect(resolveLimits({ gas: undefined } as unknown as Partial<Limits>)).toEqual(DEFAULT_LIMITS);
  });

  it.each<[string, unknown, unknown]>([
    ["gas", 0n, 0n],
    ["gas", 7, 7n],
    ["gas", (1n << 64n) - 1n, (1n << 64n) - 1n],
    ["memoryBytes", 0, 0],
    ["stackDepth", Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ["callDepth", 1, 1],
  ])("takes %s of %s", (name, given, limit) => {
    expect(resolveLimits({ [name]: given })).toMatchObject({ [name]: limit });
  });

  it.each<[string, unknown]>([
    ["gas", -1],
    ["gas", -1n],
    ["gas", 1.5],
    ["gas", 1n << 64n],
    ["memoryBytes", -1],
    ["memoryBytes", 5n],
    ["elements", 1.5],
    ["stackDepth", 2 ** 53],
    ["callDepth", 0],
    ["memory", 1],
  ])("refuses %s of %s, and says which", (name, given) => {
    expect(() => resolveLimits({ [name]: given })).toThrow(
      expect.objectContaining({ name: "InputError", code: "Limit", place: { name } }),
    );
  });
});
