/** Scales as the compiler computes with them: float64 with few enough bits to be exact anywhere. */
import { InternalError } from "../../core/errors.js";

const BUFFER = new DataView(new ArrayBuffer(8));

/** `x = mantissa · 2^exponent` with a mantissa of at most `bits` bits, rounded half away from 0; x > 0. */
export function splitScale(
  x: number,
  bits = 31,
): { readonly mantissa: number; readonly exponent: number } {
  if (!(x > 0) || x === Infinity) throw new InternalError(`${String(x)} is not a scale`);
  let exponent = exponentOf(x) - (bits - 1);
  let mantissa = Math.floor(scaleByPowerOfTwo(x, -exponent) + 0.5);
  if (mantissa === powerOfTwo(bits)) {
    mantissa /= 2;
    exponent++;
  }
  while (mantissa % 2 === 0) {
    mantissa /= 2;
    exponent++;
  }
  return { mantissa, exponent };
}

/** The nearest scale whose mantissa has 31 bits: every scale of the compiler is one of these. */
export function roundScale(x: number): number {
  const { mantissa, exponent } = splitScale(x);
  return scaleByPowerOfTwo(mantissa, exponent);
}

/** ⌊log2 |x|⌋ of a finite x ≠ 0, exactly. */
export function exponentOf(x: number): number {
  BUFFER.setFloat64(0, x);
  const biased = (BUFFER.getUint16(0) >> 4) & 0x7ff;
  if (biased !== 0) return biased - 1023;
  return exponentOf(x * powerOfTwo(64)) - 64;
}

/** 2^n for −1022 ≤ n ≤ 1023, from its bits: engines do not agree on what `**` rounds to. */
export function powerOfTwo(n: number): number {
  BUFFER.setUint32(0, (n + 1023) << 20);
  BUFFER.setUint32(4, 0);
  return BUFFER.getFloat64(0);
}

/** `x · 2^n`, exact unless it underflows. */
export function scaleByPowerOfTwo(x: number, n: number): number {
  let result = x;
  let left = n;
  for (; left > 1000; left -= 1000) result *= powerOfTwo(1000);
  for (; left < -1000; left += 1000) result *= powerOfTwo(-1000);
  return result * powerOfTwo(left);
}

/** How `rescale` applies a real factor: `multiplier / 2^shift`. */
export interface Multiplier {
  readonly multiplier: number;
  readonly shift: number;
}

/**
 * The multiplier of 31 bits (fewer below 2^-32) and the shift that come nearest to `factor`.
 * From 2^30 on the factor is 2^30: every integer but 0 saturates 16 bits all the same.
 */
export function toMultiplier(factor: number): Multiplier {
  if (factor === 0) return { multiplier: 0, shift: 1 };
  const magnitude = Math.abs(factor);
  const exponent = exponentOf(magnitude);
  if (exponent >= 30) return { multiplier: factor < 0 ? -0x7fffffff : 0x7fffffff, shift: 1 };
  let shift = Math.min(30 - exponent, 62);
  let multiplier = Math.floor(scaleByPowerOfTwo(magnitude, shift) + 0.5);
  if (multiplier === 0x80000000) {
    multiplier /= 2;
    shift--;
  }
  return { multiplier: factor < 0 ? -multiplier : multiplier, shift };
}

/** The least multiplier that a shift shared with larger ones may leave: an error of 2^-17 of it. */
const LEAST_SHARED = 65_536;

/** What a shared shift may add to the error of a result, in its steps. */
const SHARED_ERROR = 1 / 64;

/**
 * Multipliers for many factors. They share the shift of the greatest where each keeps 16 bits under it,
 * or as many as what it meets can tell: engines then shift all lanes alike.
 *
 * @param most the greatest magnitude that each factor meets, if known
 */
export function toMultipliers(
  factors: readonly number[],
  most?: readonly number[],
): readonly Multiplier[] {
  const { shift } = toMultiplier(
    factors.reduce((most, factor) => Math.max(most, Math.abs(factor)), 0),
  );
  const shared = factors.map((factor): Multiplier => {
    const multiplier = Math.floor(scaleByPowerOfTwo(factor, shift) + 0.5);
    return { multiplier: Math.min(multiplier, 0x7fffffff), shift };
  });
  const half = scaleByPowerOfTwo(1, -shift - 1);
  const enough = shared.every(
    ({ multiplier }, i) =>
      Math.abs(multiplier) >= LEAST_SHARED ||
      factors[i] === 0 ||
      (most?.[i] ?? Infinity) * half <= SHARED_ERROR,
  );
  return enough ? shared : factors.map(toMultiplier);
}
