// Writes digits as .npy files, for trying the command line: `node examples/write-digits.mjs FOLDER`
// makes FOLDER/training with 50 digits to calibrate on and FOLDER/held-out with 50 to test with.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeNpy } from "../dist/cli/files/npy.js";
import { loadDigits, SIDE } from "./digits.mjs";

const COUNT = 50;
const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("Usage: node examples/write-digits.mjs FOLDER");
  process.exit(2);
}

const { training, heldOut } = loadDigits();
write(join(folder, "training"), training);
write(join(folder, "held-out"), heldOut);

/**
 * Digits come sorted by label: these are spread over all ten.
 *
 * @param {string} target
 * @param {typeof training} digits
 */
function write(target, digits) {
  mkdirSync(target, { recursive: true });
  const step = Math.floor(digits.length / COUNT);
  for (let i = 0; i < COUNT; i++) {
    const digit = digits[i * step];
    if (digit === undefined) break;
    const dims = [1, 1, SIDE, SIDE];
    const npy = encodeNpy({ elementType: "float32", dims, data: digit.pixels });
    writeFileSync(join(target, `${digit.label}-${i}.npy`), npy);
  }
  console.log(`${target}: ${COUNT} digits, named LABEL-NUMBER.npy`);
}
