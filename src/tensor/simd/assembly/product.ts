// Products of two tensors and what follows them, in chunks that stay in the first-level cache.

import { Epilogue, finish, resultBytes } from "./epilogue";
import { I64, byteSize } from "./types";
import { mulWide } from "./weighted";

/** Fields and their order are mirrored by `PRODUCT` in `../descriptors.ts`. */
@unmanaged
class Product {
  /** dtype of products: I32 or I64. */
  to: i32;
  /** Operands are rows, as those of `mulWide`. */
  aType: i32;
  a: usize;
  aRow: usize;
  aStep: i32;
  bType: i32;
  b: usize;
  bRow: usize;
  bStep: i32;
  dst: usize;
  /** Of a row. */
  cols: i32;
  /** Channels of the epilogue, of which chunks are whole rows; 0 if parameters are the same for all. */
  unit: i32;
  /** Products between multiplying and what follows, a multiple of `unit`. */
  chunk: i32;
  epilogue: usize;
}

/**
 * Multiplies as `args`, a `Product`, says, and gives `rows` rows of the result from `firstRow`, and of
 * those `cols` columns from `firstCol`: all, or multiples of `unit` if it is not 0. `scratch`: 12 bytes a product of
 * a chunk, aligned to 16.
 */
export function multiply(
  args: usize, firstRow: i32, rows: i32, firstCol: i32, cols: i32, scratch: usize,
): void {
  const p = changetype<Product>(args);
  const e = changetype<Epilogue>(p.epilogue);
  const wide = p.to == I64;
  const aNext = p.aStep ? byteSize(p.aType) : 0, bNext = p.bStep ? byteSize(p.bType) : 0;
  const dstBytes = resultBytes(e), size: usize = wide ? 8 : 4;
  const narrow = scratch + (<usize>p.chunk << 3);
  const rowsAtOnce = cols == p.cols ? max(p.chunk / cols, 1) : 1;
  for (let i = firstRow, end = firstRow + rows; i < end; i += rowsAtOnce) {
    const height = min(rowsAtOnce, end - i);
    for (let j = firstCol, last = firstCol + cols; j < last; j += p.chunk) {
      const width = min(p.chunk, last - j);
      mulWide(
        p.to, p.aType, p.a + <usize>i * p.aRow + <usize>j * aNext, p.aRow, p.aStep,
        p.bType, p.b + <usize>i * p.bRow + <usize>j * bNext, p.bRow, p.bStep, scratch, height, width,
      );
      const count = height * width, channels = p.unit ? p.unit : count;
      finish(
        e, wide, scratch, <usize>channels * size, count / channels, 0, channels,
        p.dst + (<usize>i * <usize>p.cols + <usize>j) * dstBytes, <usize>channels * dstBytes, narrow,
      );
    }
  }
}
