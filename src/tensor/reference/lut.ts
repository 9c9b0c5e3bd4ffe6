import type { Dtype } from "../../core/dtype.js";
import { newArray } from "../../core/dtype.js";
import type { HostTensor } from "./hostTensor.js";
import {
  POWERS_OF_TWO,
  doublesOf,
  fromDoubles,
  hostTensor,
  numberRange,
  saturateDoubles,
} from "./hostTensor.js";

export function lut(x: HostTensor, table: HostTensor): HostTensor {
  const least = numberRange(x.dtype)[0];
  const indices = doublesOf(x);
  const y = newArray(table.dtype, indices.length);
  if (y instanceof BigInt64Array) {
    const entries = table.data as BigInt64Array;
    for (let i = 0; i < y.length; i++) y[i] = entries[indices[i]! - least]!;
  } else {
    const entries = doublesOf(table);
    for (let i = 0; i < y.length; i++) y[i] = entries[indices[i]! - least]!;
  }
  return hostTensor(table.dtype, x.shape, y);
}

export function lutInterpolate(
  x: HostTensor,
  table: HostTensor,
  attributes: { readonly segmentsLog2: number; readonly guardBits: number; readonly dtype: Dtype },
): HostTensor {
  const fractionBits = 16 - attributes.segmentsLog2;
  const steps = POWERS_OF_TWO[fractionBits]!;
  const entries = doublesOf(table);
  const scale = 1 / POWERS_OF_TWO[fractionBits + attributes.guardBits]!;
  // Entries of 32 bits times at most 2^10: far below what a double holds.
  const y = doublesOf(x).map((value) => {
    const u = value + 32_768;
    const i = Math.floor(u / steps);
    const r = u - i * steps;
    return Math.floor((entries[i]! * (steps - r) + entries[i + 1]! * r) * scale + 0.5);
  });
  return attributes.dtype === "i64"
    ? fromDoubles("i64", x.shape, y)
    : saturateDoubles(attributes.dtype, x.shape, y);
}
