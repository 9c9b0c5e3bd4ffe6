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
write("training", training);
write("held-out", heldOut);

/** Digits come sorted by label: these are spread over all ten. */
function write(name, digits) {
  const target = join(folder, name);
  mkdirSync(target, { recursive: true });
  const step = Math.floor(digits.length / COUNT);
  for (let i = 0; i < COUNT; i++) {
    const { label, pixels } = digits[i * step];
    const array = { elementType: "float32", dims: [1, 1, SIDE, SIDE], data: pixels };
    writeFileSync(join(target, `${label}-${i}.npy`), encodeNpy(array));
  }
  console.log(`${target}: ${COUNT} digits, named LABEL-NUMBER.npy`);
}
