import { POWERS_OF_TWO } from "../reference/hostTensor.js";

/** Integers up to this magnitude are exact in float32, and so are sums that stay within. */
const FLOAT32_EXACT = 2 ** 24;

/** How wide the limbs of two operands are, and how many of them there are. */
export interface LimbPlan {
  readonly aWidth: number;
  readonly aCount: number;
  readonly bWidth: number;
  readonly bCount: number;
}

/**
 * Splits operands of `aBits` and `bBits` signed bits so that a sum of k products of limbs is exact
 * in float32 in whatever order it is taken, with the fewest products of limbs. Limbs of w bits are
 * balanced: at most 2^(w−1) in magnitude.
 * @returns undefined when k is too large for any split
 */
export function planLimbs(k: number, aBits: number, bBits: number): LimbPlan | undefined {
  let best: LimbPlan | undefined;
  for (let aWidth = 2; aWidth <= Math.max(aBits, 2); aWidth++) {
    let bWidth = Math.max(bBits, 2);
    while (k * POWERS_OF_TWO[aWidth + bWidth - 2]! > FLOAT32_EXACT) bWidth--;
    if (bWidth < 2) break;
    const plan = {
      aWidth,
      aCount: Math.ceil(aBits / aWidth),
      bWidth,
      bCount: Math.ceil(bBits / bWidth),
    };
    if (!best || plan.aCount * plan.bCount < best.aCount * best.bCount) best = plan;
  }
  return best;
}

/** The values in `count` balanced limbs of `width` bits, least first. */
export function limbsOf(values: Float64Array, width: number, count: number): Float32Array[] {
  const base = POWERS_OF_TWO[width]!;
  const half = base / 2;
  const rest = values.slice();
  return Array.from({ length: count }, (_, l) => {
    const limb = new Float32Array(rest.length);
    if (l === count - 1) {
      limb.set(rest);
    } else {
      for (let i = 0; i < limb.length; i++) {
        const v = rest[i]!;
        const high = Math.floor((v + half) / base);
        limb[i] = v - high * base;
        rest[i] = high;
      }
    }
    return limb;
  });
}
