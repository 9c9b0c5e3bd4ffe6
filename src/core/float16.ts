/** IEEE 754 binary16 in its 16 bits. */
const SUBNORMAL_STEP = 1 / 16777216; // 2^−24

/** The value of a float16, exactly. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  return sign * (1024 + fraction) * SUBNORMAL_STEP * (1 << (exponent - 1));
}

/** The float16 nearest to `value`, ties to even; too large values become infinities. */
export function numberToFloat16(value: number): number {
  if (value !== value) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // The largest float16 is 65504; from halfway to the next power of two on, infinity is nearest.
  if (size >= 65520) return sign | 0x7c00;
  let exponent = 0;
  while (size >= 2048 * SUBNORMAL_STEP * (1 << exponent)) exponent++;
  const units = size / (SUBNORMAL_STEP * (1 << exponent)); // exact: a power of two
  let rounded = Math.floor(units);
  const rest = units - rounded;
  if (rest > 0.5 || (rest === 0.5 && rounded % 2 === 1)) rounded++;
  // `rounded` has 11 bits with the implicit one; a carry moves into the exponent by itself.
  return sign | ((exponent << 10) + rounded);
}
