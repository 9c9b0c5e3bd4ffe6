/** Figures of merit, each written so that it can be checked by reading. */

/** Signal to noise of `actual` as an approximation of `float`, in decibels. */
export function sqnrDb(float: ArrayLike<number>, actual: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < float.length; i++) {
    const x = float[i]!;
    signal += x * x;
    noise += (x - actual[i]!) ** 2;
  }
  return actual.length === float.length ? 10 * Math.log10(signal / noise) : -Infinity;
}

/** Place of the greatest element; of several, the first. */
export function argmax(x: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (x[i]! > x[best]!) best = i;
  return best;
}

export function mean(x: readonly number[]): number {
  return x.reduce((a, b) => a + b, 0) / x.length;
}
