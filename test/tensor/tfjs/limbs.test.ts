import fc from "fast-check";
import { expect, it } from "vitest";
import { limbsOf, planLimbs } from "../../../src/tensor/tfjs/limbs.js";

const bits = fc.integer({ min: 1, max: 33 });

it("splits so that sums of products stay exact in float32 and limbs cover the operands", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 22 }), bits, bits, (k, aBits, bBits) => {
      const { aWidth, aCount, bWidth, bCount } = planLimbs(k, aBits, bBits)!;
      expect(k * 2 ** (aWidth - 1) * 2 ** (bWidth - 1)).toBeLessThanOrEqual(2 ** 24);
      expect(aWidth * aCount).toBeGreaterThanOrEqual(aBits);
      expect(bWidth * bCount).toBeGreaterThanOrEqual(bBits);
    }),
  );
});

it("says when there are too many terms", () => {
  expect(planLimbs(2 ** 22 + 1, 2, 2)).toBeUndefined();
});

it("splits 8 by 8 bits of up to 1,024 terms not at all", () => {
  const products = (k: number): number => {
    const { aCount, bCount } = planLimbs(k, 8, 8)!;
    return aCount * bCount;
  };
  expect(products(1_024)).toBe(1);
  expect(products(1_025)).toBe(2);
});

it("makes limbs that are balanced and add up", () => {
  const value = bits.chain((n) =>
    fc.tuple(fc.constant(n), fc.integer({ min: -(2 ** (n - 1)), max: 2 ** (n - 1) - 1 })),
  );
  fc.assert(
    fc.property(value, fc.integer({ min: 2, max: 20 }), ([n, v], width) => {
      const count = Math.ceil(n / width);
      const limbs = limbsOf(Float64Array.of(v), width, count).map((limb) => limb[0]!);
      for (const limb of limbs) expect(Math.abs(limb)).toBeLessThanOrEqual(2 ** (width - 1));
      expect(limbs.reduce((sum, limb, i) => sum + limb * 2 ** (i * width), 0)).toBe(v);
    }),
  );
});
