import { contract } from "./contraction.js";
import { binary } from "./elementwise.js";
import type { Engine } from "./engine.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { Pending } from "./tensor.js";
import { SimdTensor } from "./tensor.js";
import { multiply } from "./product.js";
import { lookUp, rescaleStored } from "./rescale.js";
import type { Storage } from "./storage.js";

/** Does work that was put off. */
export function compute(engine: Engine, pending: Pending): Storage {
  const storage = fused(engine, pending) ?? unfused(engine, pending);
  engine.packed.trim();
  return storage;
}

/** Undefined when it cannot be proved that adding the bias does not saturate. */
function fused(engine: Engine, pending: Pending): Storage | undefined {
  return pending.base.kind === "mulWide" ? multiply(engine, pending) : contract(engine, pending);
}

/** Instruction by instruction, as the program has them. */
function unfused(engine: Engine, { base, bias, rescale, table }: Pending): Storage {
  const { accumulator } = base.attributes;
  const sums = fused(engine, { base })!;
  let x = new SimdTensor(accumulator, base.shape, DTYPE_INTERVAL[accumulator], sums);
  const replace = (next: SimdTensor): void => {
    engine.release(x);
    x = next;
  };
  if (bias) replace(binary(engine, "add", x, bias, base.shape));
  if (rescale) replace(rescaleStored(engine, x, rescale));
  if (table) replace(lookUp(engine, x, table, DTYPE_INTERVAL[table.dtype]));
  return x.storage!;
}
