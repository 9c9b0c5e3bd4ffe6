// Data movement: strided copies (transpose, slice, expand, concat, pad), gather, fill.

/** Sides of the blocks in which a transposition walks. */
const BLOCK: usize = 16;

@inline
export function copyBytes(dst: usize, src: usize, bytes: usize): void {
  // The host's copy costs tens of nanoseconds to call.
  if (bytes >= 256) {
    memory.copy(dst, src, bytes);
    return;
  }
  if (bytes >= 16) {
    const srcEnd = src + bytes - 16, dstEnd = dst + bytes - 16;
    for (; dst < dstEnd; src += 16, dst += 16) v128.store(dst, v128.load(src));
    v128.store(dstEnd, v128.load(srcEnd));
    return;
  }
  if (bytes >= 8) {
    const last = load<u64>(src + bytes - 8);
    store<u64>(dst, load<u64>(src));
    store<u64>(dst + bytes - 8, last);
    return;
  }
  if (bytes >= 4) {
    const last = load<u32>(src + bytes - 4);
    store<u32>(dst, load<u32>(src));
    store<u32>(dst + bytes - 4, last);
    return;
  }
  for (; bytes > 0; --bytes, ++src, ++dst) store<u8>(dst, load<u8>(src));
}

/** One dimension of a strided copy: see `copy`. */
@unmanaged
class Dimension {
  count: usize;
  srcStep: usize;
  dstStep: usize;
}

@inline
function copyRun<T>(src: usize, srcStep: usize, dst: usize, dstStep: usize, n: usize): void {
  if (srcStep == sizeof<T>() && dstStep == sizeof<T>()) {
    copyBytes(dst, src, n * sizeof<T>());
  } else if (srcStep == 0) {
    const value = load<T>(src);
    if (dstStep == sizeof<T>()) {
      const all = v128.splat<T>(value), lanes: usize = 16 / sizeof<T>();
      for (; n >= lanes; n -= lanes, dst += 16) v128.store(dst, all);
    }
    for (; n > 0; --n, dst += dstStep) store<T>(dst, value);
  } else {
    for (; n > 0; --n, src += srcStep, dst += dstStep) store<T>(dst, load<T>(src));
  }
}

/** The last two dimensions, in blocks whose cache lines serve all their rows. */
function copyBlocks<T>(count: usize, outer: Dimension, inner: Dimension, src: usize, dst: usize): void {
  for (let i: usize = 0; i < count; i += BLOCK) {
    const rows = min(BLOCK, count - i);
    for (let j: usize = 0; j < inner.count; j += BLOCK) {
      const cols = min(BLOCK, inner.count - j);
      let p = src + i * outer.srcStep + j * inner.srcStep;
      let q = dst + i * outer.dstStep + j * inner.dstStep;
      for (let r = rows; r > 0; --r, p += outer.srcStep, q += outer.dstStep) {
        copyRun<T>(p, inner.srcStep, q, inner.dstStep, cols);
      }
    }
  }
}

/** Inner dimensions below it are walked by the outer one: beginning a run costs as much as some elements. */
const SHORT: usize = 8;
/** Elements of the outer dimension that stay in the cache meanwhile. */
const STRIP: usize = 512;

/** The last two dimensions, the inner of which is short. */
function copyShort<T>(count: usize, outer: Dimension, inner: Dimension, src: usize, dst: usize): void {
  for (let i: usize = 0; i < count; i += STRIP) {
    const n = min(STRIP, count - i);
    let p = src + i * outer.srcStep, q = dst + i * outer.dstStep;
    for (let j = inner.count; j > 0; --j, p += inner.srcStep, q += inner.dstStep) {
      copyRun<T>(p, outer.srcStep, q, outer.dstStep, n);
    }
  }
}

/** Repeats the `bytes` at `dst` until there are `count` of them. */
function repeat(dst: usize, bytes: usize, count: usize): void {
  const all = bytes * count;
  for (let done = bytes; done < all; ) {
    const more = min(done, all - done);
    copyBytes(dst + done, dst, more);
    done += more;
  }
}

/** Whether elements lie side by side in the destination. */
function isDense<T>(rank: i32, dims: usize): bool {
  const at = dims + <usize>(rank - 1) * offsetof<Dimension>();
  let step = sizeof<T>();
  for (let p = at; p >= dims; p -= offsetof<Dimension>()) {
    const d = changetype<Dimension>(p);
    if (d.dstStep != step) return false;
    step *= d.count;
  }
  return true;
}

/** `count` elements of the outermost of `rank` dimensions. */
function copyLevel<T>(rank: i32, count: usize, dims: usize, src: usize, dst: usize): void {
  const d = changetype<Dimension>(dims);
  if (rank == 0) {
    store<T>(dst, load<T>(src));
  } else if (rank == 1) {
    copyRun<T>(src, d.srcStep, dst, d.dstStep, count);
  } else {
    const next = dims + offsetof<Dimension>();
    const inner = changetype<Dimension>(next);
    if (d.srcStep == 0 && count > 1 && d.dstStep == inner.count * inner.dstStep && isDense<T>(rank - 1, next)) {
      copyLevel<T>(rank - 1, inner.count, next, src, dst);
      repeat(dst, d.dstStep, count);
      return;
    }
    if (rank == 2 && inner.count < SHORT && count > inner.count) {
      copyShort<T>(count, d, inner, src, dst);
      return;
    }
    if (rank == 2 && d.srcStep == sizeof<T>() && inner.srcStep != sizeof<T>() && inner.srcStep != 0) {
      copyBlocks<T>(count, d, inner, src, dst);
      return;
    }
    for (; count > 0; --count, src += d.srcStep, dst += d.dstStep) {
      copyLevel<T>(rank - 1, inner.count, next, src, dst);
    }
  }
}

/**
 * Copies elements of 1, 2, 4 or 8 bytes between strided tensors. `dims`: `rank` times three i32,
 * outermost first: count, bytes from one element to the next in the source (0 repeats, negative goes
 * back) and in the destination. Of the outermost dimension (without any: of the one element) `count`
 * are copied, from `first`.
 */
export function copy(
  bytes: i32, rank: i32, dims: usize, src: usize, dst: usize, first: usize, count: usize,
): void {
  if (rank > 0) {
    const d = changetype<Dimension>(dims);
    src += first * d.srcStep;
    dst += first * d.dstStep;
  }
  if (bytes == 1) copyLevel<u8>(rank, count, dims, src, dst);
  else if (bytes == 2) copyLevel<u16>(rank, count, dims, src, dst);
  else if (bytes == 4) copyLevel<u32>(rank, count, dims, src, dst);
  else copyLevel<u64>(rank, count, dims, src, dst);
}

/** n elements of 1, 2, 4 or 8 bytes, all `value`. */
export function fill(bytes: i32, dst: usize, n: usize, value: i64): void {
  const x =
    bytes == 1 ? i8x16.splat(<i8>value)
    : bytes == 2 ? i16x8.splat(<i16>value)
    : bytes == 4 ? i32x4.splat(<i32>value)
    : i64x2.splat(value);
  let left = n * <usize>bytes;
  for (; left >= 16; left -= 16, dst += 16) v128.store(dst, x);
  for (let word = i64x2.extract_lane(x, 0); left > 0; --left, ++dst) {
    store<u8>(dst, <u8>word);
    word = rotr<i64>(word, 8);
  }
}

/**
 * `dst[o, i] = src[o, indices[i]]` for [outer, axis] slices of `sliceBytes` bytes. Indices are i32, or
 * i64 if `wide`, in 0..axis−1.
 */
export function gather(
  src: usize, outer: usize, axis: usize, sliceBytes: usize, indices: usize, wide: i32, n: usize, dst: usize,
): void {
  for (; outer > 0; --outer, src += axis * sliceBytes) {
    for (let i: usize = 0; i < n; ++i, dst += sliceBytes) {
      const index = wide ? <usize>load<i64>(indices + (i << 3)) : <usize>load<i32>(indices + (i << 2));
      const p = src + index * sliceBytes;
      if (sliceBytes == 1) store<u8>(dst, load<u8>(p));
      else if (sliceBytes == 2) store<u16>(dst, load<u16>(p));
      else if (sliceBytes == 4) store<u32>(dst, load<u32>(p));
      else if (sliceBytes == 8) store<u64>(dst, load<u64>(p));
      else copyBytes(dst, p, sliceBytes);
    }
  }
}
