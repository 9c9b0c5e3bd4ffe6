// Scatter, sorting, cumulative sums, indices of what is not 0.

import { copyBytes } from "./move";
import { storeSum } from "./reduce";
import { I16, I32, I64, I8, saturate } from "./types";

const ADD: i32 = 1;
const MAX: i32 = 2;

@inline
function indexAt(indices: usize, wide: i32, i: usize): usize {
  return wide ? <usize>load<i64>(indices + (i << 3)) : <usize>load<i32>(indices + (i << 2));
}

/**
 * Copies slices of `sliceBytes` bytes: `dst[o, indices[i]] = src[o, i]`, in order. Indices are i32, or
 * i64 if `wide`, in 0..axis−1.
 */
export function scatter(
  src: usize, outer: usize, axis: usize, sliceBytes: usize, indices: usize, wide: i32, n: usize, dst: usize,
): void {
  for (; outer > 0; --outer, dst += axis * sliceBytes) {
    for (let i: usize = 0; i < n; ++i, src += sliceBytes) {
      const p = dst + indexAt(indices, wide, i) * sliceBytes;
      if (sliceBytes == 1) store<u8>(p, load<u8>(src));
      else if (sliceBytes == 2) store<u16>(p, load<u16>(src));
      else if (sliceBytes == 4) store<u32>(p, load<u32>(src));
      else if (sliceBytes == 8) store<u64>(p, load<u64>(src));
      else copyBytes(p, src, sliceBytes);
    }
  }
}

/** `U` is the type of the destination: that of the elements, or i64 for sums that may exceed it. */
@inline
function combine<T, U>(
  op: i32, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize, dst: usize,
): void {
  for (; outer > 0; --outer, dst += axis * inner * sizeof<U>()) {
    for (let i: usize = 0; i < n; ++i) {
      let p = dst + indexAt(indices, wide, i) * inner * sizeof<U>();
      for (let j = inner; j > 0; --j, src += sizeof<T>(), p += sizeof<U>()) {
        const old = load<U>(p), x = <U>load<T>(src);
        store<U>(p, op == ADD ? <U>(old + x) : op == MAX ? max<U>(old, x) : min<U>(old, x));
      }
    }
  }
}

function combineAny<T>(
  op: i32, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize, dst: usize,
): void {
  if (op == ADD) combine<T, T>(ADD, src, outer, axis, inner, indices, wide, n, dst);
  else if (op == MAX) combine<T, T>(MAX, src, outer, axis, inner, indices, wide, n, dst);
  else combine<T, T>(3, src, outer, axis, inner, indices, wide, n, dst);
}

/**
 * Combines slices of `inner` elements: `dst[o, indices[i]] op= src[o, i]`; add 1 (no sum may leave the
 * dtype), max 2, min 3.
 */
export function scatterInto(
  op: i32, type: i32, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize,
  dst: usize,
): void {
  if (type == I16) combineAny<i16>(op, src, outer, axis, inner, indices, wide, n, dst);
  else if (type == I8) combineAny<i8>(op, src, outer, axis, inner, indices, wide, n, dst);
  else if (type == I32) combineAny<i32>(op, src, outer, axis, inner, indices, wide, n, dst);
  else if (type == I64) combineAny<i64>(op, src, outer, axis, inner, indices, wide, n, dst);
  else combineAny<u8>(op, src, outer, axis, inner, indices, wide, n, dst);
}

function addWide<T>(
  src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize, sums: usize, dst: usize,
): void {
  const count = outer * axis * inner;
  for (let i: usize = 0; i < count; ++i) store<i64>(sums + (i << 3), <i64>load<T>(dst + i * sizeof<T>()));
  combine<T, i64>(ADD, src, outer, axis, inner, indices, wide, n, sums);
  for (let i: usize = 0; i < count; ++i) store<T>(dst + i * sizeof<T>(), saturate<T>(load<i64>(sums + (i << 3))));
}

/** `scatterInto` by adding where sums may leave a dtype of at most 32 bits. `sums`: 8 bytes an element of `dst`. */
export function scatterAdd(
  type: i32, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize, sums: usize,
  dst: usize,
): void {
  if (type == I16) addWide<i16>(src, outer, axis, inner, indices, wide, n, sums, dst);
  else if (type == I8) addWide<i8>(src, outer, axis, inner, indices, wide, n, sums, dst);
  else if (type == I32) addWide<i32>(src, outer, axis, inner, indices, wide, n, sums, dst);
  else addWide<u8>(src, outer, axis, inner, indices, wide, n, sums, dst);
}

/** An element that scatters into i64 sums, or into products, make: exact, 16 bytes. */
@unmanaged
class Exact {
  /** Low half of a sum; magnitude of a product. */
  low: u64;
  /** High half of a sum; of a product bit 0 is the sign, bit 1 says that it is beyond 64 bits. */
  high: i64;
}

@inline
function addExact(e: Exact, x: i64): void {
  e.low += <u64>x;
  e.high += (x >> 63) + <i64>(e.low < <u64>x);
}

@inline
function multiplyExact(e: Exact, x: i64): void {
  const factor = x < 0 ? <u64>0 - <u64>x : <u64>x;
  if (factor == 0) e.low = 0;
  if (e.low == 0) return;
  if (x < 0) e.high ^= 1;
  if ((e.high & 2) != 0 || e.low > <u64>0x8000000000000000 / factor) e.high |= 2;
  else e.low *= factor;
}

@inline
function sumOf(e: Exact): i64 {
  if (e.high == <i64>e.low >> 63) return <i64>e.low;
  return e.high < 0 ? i64.MIN_VALUE : i64.MAX_VALUE;
}

@inline
function productOf(e: Exact): i64 {
  if (e.low == 0) return 0;
  const negative = (e.high & 1) != 0;
  if ((e.high & 2) != 0 || e.low > <u64>i64.MAX_VALUE) return negative ? i64.MIN_VALUE : i64.MAX_VALUE;
  return negative ? -<i64>e.low : <i64>e.low;
}

@inline
function exactOf<T>(
  product: bool, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize,
  scratch: usize, dst: usize,
): void {
  const count = outer * axis * inner;
  for (let i: usize = 0; i < count; ++i) {
    const e = changetype<Exact>(scratch + (i << 4));
    const x = <i64>load<T>(dst + i * sizeof<T>());
    e.low = product && x < 0 ? <u64>0 - <u64>x : <u64>x;
    e.high = product ? <i64>(x < 0) : x >> 63;
  }
  for (let to = scratch; outer > 0; --outer, to += axis * inner << 4) {
    for (let i: usize = 0; i < n; ++i) {
      let p = to + (indexAt(indices, wide, i) * inner << 4);
      for (let j = inner; j > 0; --j, src += sizeof<T>(), p += 16) {
        if (product) multiplyExact(changetype<Exact>(p), <i64>load<T>(src));
        else addExact(changetype<Exact>(p), <i64>load<T>(src));
      }
    }
  }
  for (let i: usize = 0; i < count; ++i) {
    const e = changetype<Exact>(scratch + (i << 4));
    store<T>(dst + i * sizeof<T>(), saturate<T>(product ? productOf(e) : sumOf(e)));
  }
}

function productsOf<T>(
  src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize, scratch: usize, dst: usize,
): void {
  exactOf<T>(true, src, outer, axis, inner, indices, wide, n, scratch, dst);
}

/**
 * `scatterInto` by adding i64 (`product` 0), or by multiplying: exact, saturated once. `scratch`: 16
 * bytes an element of `dst`.
 */
export function scatterExact(
  product: i32, type: i32, src: usize, outer: usize, axis: usize, inner: usize, indices: usize, wide: i32, n: usize,
  scratch: usize, dst: usize,
): void {
  if (!product) exactOf<i64>(false, src, outer, axis, inner, indices, wide, n, scratch, dst);
  else if (type == I16) productsOf<i16>(src, outer, axis, inner, indices, wide, n, scratch, dst);
  else if (type == I8) productsOf<i8>(src, outer, axis, inner, indices, wide, n, scratch, dst);
  else if (type == I32) productsOf<i32>(src, outer, axis, inner, indices, wide, n, scratch, dst);
  else if (type == I64) productsOf<i64>(src, outer, axis, inner, indices, wide, n, scratch, dst);
  else productsOf<u8>(src, outer, axis, inner, indices, wide, n, scratch, dst);
}

/** Merges the sorted runs [0, middle) and [middle, n) of indices at `from`; keys decide, the left first of equals. */
@inline
function merge<T>(keys: usize, from: usize, middle: usize, n: usize, to: usize): void {
  let left: usize = 0, right = middle;
  for (let k: usize = 0; k < n; ++k, to += 4) {
    const takeLeft = right == n || (left < middle &&
      load<T>(keys + <usize>load<u32>(from + (left << 2)) * sizeof<T>()) <=
        load<T>(keys + <usize>load<u32>(from + (right << 2)) * sizeof<T>()));
    store<u32>(to, load<u32>(from + ((takeLeft ? left : right) << 2)));
    if (takeLeft) ++left;
    else ++right;
  }
}

function sortOf<T>(src: usize, outer: usize, n: usize, inner: usize, scratch: usize, dst: usize): void {
  const keys = scratch;
  const first = scratch + n * 8, second = first + n * 4;
  for (let i: usize = 0; i < outer * inner; ++i) {
    const start = (i / inner) * inner * n + (i % inner);
    let from = first, to = second;
    for (let k: usize = 0; k < n; ++k) {
      store<T>(keys + k * sizeof<T>(), load<T>(src + (start + k * inner) * sizeof<T>()));
      store<u32>(from + (k << 2), <u32>k);
    }
    for (let width: usize = 1; width < n; width <<= 1) {
      for (let k: usize = 0; k < n; k += 2 * width) {
        merge<T>(keys, from + (k << 2), min(width, n - k), min(2 * width, n - k), to + (k << 2));
      }
      const other = from;
      from = to;
      to = other;
    }
    for (let k: usize = 0; k < n; ++k) store<u32>(dst + ((start + k * inner) << 2), load<u32>(from + (k << 2)));
  }
}

/** i32 indices over n that sort [outer, n, inner], stable. `scratch`: 16 bytes for each of n. */
export function argsort(
  type: i32, src: usize, outer: usize, n: usize, inner: usize, scratch: usize, dst: usize,
): void {
  if (type == I16) sortOf<i16>(src, outer, n, inner, scratch, dst);
  else if (type == I8) sortOf<i8>(src, outer, n, inner, scratch, dst);
  else if (type == I32) sortOf<i32>(src, outer, n, inner, scratch, dst);
  else if (type == I64) sortOf<i64>(src, outer, n, inner, scratch, dst);
  else sortOf<u8>(src, outer, n, inner, scratch, dst);
}

/** Sums of i64 are taken in 128 bits. */
function runI64(to: i32, src: usize, n: usize, inner: usize, dst: usize): void {
  const size: usize = to == I32 ? 4 : 8;
  for (let j: usize = 0; j < inner; ++j) {
    let low: i64 = 0, high: i64 = 0;
    for (let k: usize = 0; k < n; ++k) {
      const x = load<i64>(src + ((k * inner + j) << 3));
      low += x;
      high += (x >> 63) + <i64>(<u64>low < <u64>x);
      const sum = high == low >> 63 ? low : high < 0 ? i64.MIN_VALUE : i64.MAX_VALUE;
      storeSum(to, dst + (k * inner + j) * size, sum);
    }
  }
}

function runOf<T>(to: i32, src: usize, n: usize, inner: usize, sums: usize, dst: usize): void {
  for (let j: usize = 0; j < inner; ++j) store<i64>(sums + (j << 3), 0);
  for (; n > 0; --n) {
    for (let j: usize = 0; j < inner; ++j, src += sizeof<T>()) {
      const sum = load<i64>(sums + (j << 3)) + <i64>load<T>(src);
      store<i64>(sums + (j << 3), sum);
      dst = storeSum(to, dst, sum);
    }
  }
}

/**
 * Cumulative sums of [outer, n, inner] over n, exact, each saturated to I32 or I64. `sums`: 8 bytes for
 * each of inner.
 */
export function cumsum(
  type: i32, to: i32, src: usize, outer: usize, n: usize, inner: usize, sums: usize, dst: usize,
): void {
  const size: usize = to == I32 ? 4 : 8;
  for (; outer > 0; --outer, dst += n * inner * size) {
    if (type == I16) runOf<i16>(to, src, n, inner, sums, dst);
    else if (type == I8) runOf<i8>(to, src, n, inner, sums, dst);
    else if (type == I32) runOf<i32>(to, src, n, inner, sums, dst);
    else if (type == I64) runI64(to, src, n, inner, dst);
    else runOf<u8>(to, src, n, inner, sums, dst);
    src += n * inner * (type == I64 ? 8 : type == I32 ? 4 : type == I16 ? 2 : 1);
  }
}

function nonzeroOf<T>(src: usize, n: usize, dst: usize): usize {
  const start = dst;
  for (let i: usize = 0; i < n; ++i) {
    store<u32>(dst, <u32>i);
    dst += load<T>(src + i * sizeof<T>()) != 0 ? 4 : 0;
  }
  return (dst - start) >> 2;
}

/** Writes the indices of elements (of 1, 2, 4 or 8 bytes) that are not 0 and returns how many; `dst`: n + 1 i32. */
export function nonzero(bytes: i32, src: usize, n: usize, dst: usize): usize {
  if (bytes == 1) return nonzeroOf<u8>(src, n, dst);
  if (bytes == 2) return nonzeroOf<u16>(src, n, dst);
  if (bytes == 4) return nonzeroOf<u32>(src, n, dst);
  return nonzeroOf<u64>(src, n, dst);
}
