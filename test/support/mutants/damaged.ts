import type { SeededRandom } from "../seededRandom.js";

/** A file with a few bytes flipped, set to one of `headers`, cut, doubled or taken from elsewhere. */
export function damaged(
  bytes: Uint8Array,
  random: SeededRandom,
  headers: readonly number[],
): Uint8Array {
  let copy = bytes.slice();
  for (let i = random.int(1, 3); i > 0; i--) {
    const at = random.int(0, copy.length - 1);
    switch (random.int(0, 5)) {
      case 0:
      case 1:
        copy[at] = copy[at]! ^ (1 << random.int(0, 7));
        break;
      case 2:
        copy[at] = random.pick(headers);
        break;
      case 3:
        copy = copy.slice(0, Math.max(1, at));
        break;
      case 4: {
        const piece = copy.slice(at, at + random.int(1, 20));
        copy = Buffer.concat([copy.subarray(0, at), piece, copy.subarray(at)]);
        break;
      }
      default: {
        const from = random.int(0, copy.length - 1);
        copy.copyWithin(at, from, from + random.int(1, 20));
      }
    }
  }
  return copy;
}
