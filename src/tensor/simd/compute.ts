import { elementCount } from "../../core/shape.js";
import { contract } from "./contraction.js";
import type { Engine } from "./engine.js";
import { onHost } from "./host.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { Base, Pending } from "./pending.js";
import { lookUp, rescaleStored } from "./rescale.js";
import type { Storage } from "./storage.js";
import { SimdTensor } from "./tensor.js";

/** Does work that was put off. */
export function compute(engine: Engine, pending: Pending): Storage {
  const storage = fused(engine, pending) ?? unfused(engine, pending);
  engine.packed.trim();
  return storage;
}

function fused(engine: Engine, pending: Pending): Storage | undefined {
  const { base } = pending;
  if (base.kind === "mulWide" || base.shape.length > 4) return undefined;
  return contract(engine, pending);
}

/** Instruction by instruction, as the program has them. */
function unfused(engine: Engine, { base, bias, rescale, table }: Pending): Storage {
  const { accumulator } = base.attributes;
  let storage: Storage | undefined = base.kind === "mulWide" ? undefined : fused(engine, { base });
  storage ??= onHostBase(engine, base);
  let x = new SimdTensor(accumulator, base.shape, DTYPE_INTERVAL[accumulator], storage);
  const replace = (next: SimdTensor): void => {
    engine.release(x);
    x = next;
  };
  if (bias) replace(onHost(engine, "binary", "add", x, bias, base.shape));
  if (rescale) replace(rescaleStored(engine, x, rescale));
  if (table) replace(lookUp(engine, x, table));
  return x.storage!;
}

/** Multiply-accumulates of a contraction. */
function macsOf({ b, shape, kind }: Base): number {
  const k = kind === "matmul" ? b.shape[b.shape.length - 2]! : elementCount(b.shape.slice(0, -1));
  return elementCount(shape) * k;
}

function onHostBase(engine: Engine, base: Base): Storage {
  const { a, b, shape } = base;
  if (base.kind !== "mulWide") engine.inheritedMacs += macsOf(base);
  switch (base.kind) {
    case "matmul":
      return onHost(engine, "matmul", a, b, base.attributes, shape).storage!;
    case "conv":
      return onHost(engine, "conv", a, b, base.attributes, shape).storage!;
    case "mulWide":
      return onHost(engine, "mulWide", a, b, base.attributes.accumulator, shape).storage!;
  }
}
