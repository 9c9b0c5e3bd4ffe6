import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import { EPILOGUE_BYTES, writeProduct } from "./descriptors.js";
import type { Engine } from "./engine.js";
import { channelParameters, isPerChannel, writeSteps } from "./epilogue.js";
import { magnitude } from "./interval.js";
import type { Base, Pending } from "./tensor.js";
import { channelsOf, dtypeOf } from "./tensor.js";
import { forEachRows } from "./spread.js";
import type { Storage } from "./storage.js";

type MulWide = Extract<Base, { kind: "mulWide" }>;

/** Products between multiplying and rescaling: they stay in the first-level cache. */
const CHUNK = 2048;

/**
 * Multiplies elementwise and does what follows, chunk by chunk.
 * @returns undefined when it cannot be proved that adding the bias does not saturate
 */
export function multiply(engine: Engine, pending: Pending): Storage | undefined {
  const { base, bias, rescale } = pending;
  const { a, b, attributes, shape } = base as MulWide;
  if (elementCount(shape) === 0) return engine.allocate(dtypeOf(pending), shape);
  const { accumulator } = attributes;
  const most = accumulator === "i32" ? 0x7fffffff : Number(1n << 62n);
  const product = magnitude(a.interval) * magnitude(b.interval);
  const sum = product + (bias === undefined ? 0 : magnitude(bias.interval));
  if (bias !== undefined && sum > most) return undefined;

  const { wasm } = engine;
  const plain = bias === undefined && rescale === undefined;
  const channels = channelsOf(pending);
  // Parameters that differ by channel, and a bias, come in whole rows of channels.
  const byChannel = bias !== undefined || isPerChannel(pending);
  const unit = byChannel ? channels : 0;
  const chunk = byChannel ? Math.max(Math.floor(CHUNK / unit), 1) * unit : CHUNK;
  const scratch = plain ? 0 : engine.threadScratch(chunk * 12);
  const parameters = plain
    ? undefined
    : channelParameters(engine, pending, accumulator === "i64", channels, accumulator, sum);
  const dtype = dtypeOf(pending);
  const out = engine.allocate(dtype, shape);
  if (parameters !== undefined) {
    writeSteps(engine, engine.arguments, pending, parameters, accumulator, sum);
  }

  const [aInfo, bInfo] = [DTYPE_INFO[a.dtype], DTYPE_INFO[b.dtype]];
  const accumulatorCode = DTYPE_INFO[accumulator].code;
  const outBytes = DTYPE_INFO[dtype].bytes;
  const at = engine.arguments + EPILOGUE_BYTES;
  forEachRows(engine, shape, [a, b], ({ rows, cols, at: from, rowBytes, steps, result }) => {
    const fields = {
      to: accumulatorCode,
      aType: aInfo.code,
      a: from[0]!,
      aRow: rowBytes[0]!,
      aStep: steps[0]!,
      bType: bInfo.code,
      b: from[1]!,
      bRow: rowBytes[1]!,
      bStep: steps[1]!,
      dst: out.pointer + result * outBytes,
      cols,
    };
    if (plain) {
      const { to, aType, aRow, aStep, bType, bRow, bStep, dst } = fields;
      wasm.mulWide(to, aType, fields.a, aRow, aStep, bType, fields.b, bRow, bStep, dst, rows, cols);
      return;
    }
    const epilogue = engine.arguments;
    writeProduct(engine.heap.words, at, { ...fields, unit, chunk, epilogue });
    wasm.multiply(at, 0, rows, 0, cols, scratch);
  });
  return out;
}
