import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import type { Block } from "./blocks.js";
import { forEachBlock } from "./blocks.js";
import type { Engine } from "./engine.js";
import { channelParameters, isPerChannel, writeSteps } from "./epilogue.js";
import { magnitude } from "./interval.js";
import type { Base, Pending } from "./tensor.js";
import { channelsOf, dtypeOf } from "./tensor.js";
import type { Storage } from "./storage.js";
import { sumsAreShort } from "./values.js";

type MulWide = Extract<Base, { kind: "mulWide" }>;

/** Products between multiplying and rescaling: they stay in the first-level cache. */
const CHUNK = 2048;

/**
 * Multiplies elementwise and does what follows, chunk by chunk.
 * @returns undefined when it cannot be proved that adding the bias does not saturate
 */
export function multiply(engine: Engine, pending: Pending): Storage | undefined {
  const { base, bias, rescale, table } = pending;
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
  const unit = byChannel ? channels : 1;
  const chunk = plain ? Infinity : Math.max(Math.floor(CHUNK / unit), 1) * unit;
  const products = plain ? 0 : engine.scratch(chunk * 8 + chunk * 4);
  const narrow = products + chunk * 8;
  const parameters = plain
    ? undefined
    : channelParameters(engine, pending, accumulator === "i64", channels, accumulator, sum);
  const dtype = dtypeOf(pending);
  const out = engine.allocate(dtype, shape);
  if (parameters !== undefined) {
    const steps = { bias, rescale } as Pending;
    writeSteps(engine, engine.arguments, steps, parameters, accumulator, sum);
  }

  const [aInfo, bInfo] = [DTYPE_INFO[a.dtype], DTYPE_INFO[b.dtype]];
  const [aStart, bStart] = [engine.addressOf(a), engine.addressOf(b)];
  const accumulatorCode = DTYPE_INFO[accumulator].code;
  const narrowDtype = rescale?.output.dtype ?? accumulator;
  const outBytes = DTYPE_INFO[dtype].bytes;
  const entries = table === undefined ? 0 : engine.addressOf(table.table);
  const short = table !== undefined && sumsAreShort(engine, table) ? 1 : 0;

  const part = (block: Block, row: number, column: number, rows: number, cols: number): void => {
    const { offsets, rowSteps, steps } = block;
    const at = out.pointer + (block.result + row * block.cols + column) * outBytes;
    const aAt = offsets[0]! + row * rowSteps[0]! + column * steps[0]!;
    const bAt = offsets[1]! + row * rowSteps[1]! + column * steps[1]!;
    wasm.mulWide(
      accumulatorCode,
      aInfo.code,
      aStart + aAt * aInfo.bytes,
      rowSteps[0]! * aInfo.bytes,
      steps[0]!,
      bInfo.code,
      bStart + bAt * bInfo.bytes,
      rowSteps[1]! * bInfo.bytes,
      steps[1]!,
      plain ? at : products,
      rows,
      cols,
    );
    if (plain) return;
    const count = rows * cols;
    const width = byChannel ? channels : count;
    const rescaled = table === undefined ? at : narrow;
    wasm.rescale(engine.arguments, accumulatorCode, products, count / width, width, rescaled);
    if (table === undefined) return;
    const { code, bytes } = DTYPE_INFO[table.dtype];
    if (table.segmentsLog2 === 0) {
      wasm.lutDirect(DTYPE_INFO[narrowDtype].code, narrow, count, entries, bytes, at);
    } else {
      const { segmentsLog2, guardBits } = table;
      wasm.lutInterpolate(narrow, count, entries, segmentsLog2, guardBits, short, code, at);
    }
  };

  forEachBlock(shape, [a.shape, b.shape], (block) => {
    if (block.cols > chunk) {
      for (let row = 0; row < block.rows; row++) {
        for (let column = 0; column < block.cols; column += chunk) {
          part(block, row, column, 1, Math.min(chunk, block.cols - column));
        }
      }
      return;
    }
    const rows = Math.min(block.rows, Math.floor(chunk / block.cols));
    for (let row = 0; row < block.rows; row += rows) {
      part(block, row, 0, Math.min(rows, block.rows - row), block.cols);
    }
  });
  return out;
}
