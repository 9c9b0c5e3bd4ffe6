// Operators on one tensor, conversions, and select.

import { BOOL, I16, I32, I64, I8, U8, boundedI64, clampI64, load4, lowWords, maxOf, minOf, saturate, store8 } from "./types";

const NOT: i32 = 0;
const NEG: i32 = 1;
const ABS: i32 = 2;

@inline
function unaryLanes<T>(op: i32, x: v128): v128 {
  if (op == NOT) return v128.not(x);
  const zero = i32x4.splat(0);
  if (!isSigned<T>()) return op == NEG ? zero : x;
  // −MIN wraps to MIN: as an unsigned number the only one above MAX.
  const most = v128.splat<T>(<T>maxOf<T>());
  if (op == ABS) {
    const magnitude = v128.abs<T>(x);
    if (sizeof<T>() == 1) return i8x16.min_u(magnitude, most);
    if (sizeof<T>() == 2) return i16x8.min_u(magnitude, most);
    return i32x4.min_u(magnitude, most);
  }
  if (sizeof<T>() < 4) return v128.sub_sat<T>(zero, x);
  return v128.neg<T>(v128.max<T>(x, v128.neg<T>(most)));
}

/** ⌊√x⌋; 0 for negative x. */
function sqrtFloor(x: i64): i64 {
  if (x <= 0) return 0;
  // Off by at most one: the conversion and the root are each rounded once.
  let root = <u64>sqrt<f64>(<f64>x);
  if (root * root > <u64>x) root -= 1;
  if ((root + 1) * (root + 1) <= <u64>x) root += 1;
  return <i64>root;
}

@inline
function unaryScalar(op: i32, x: i64): i64 {
  if (op == NOT) return ~x;
  if (op == NEG) return x == i64.MIN_VALUE ? i64.MAX_VALUE : -x;
  if (op == ABS) return x == i64.MIN_VALUE ? i64.MAX_VALUE : abs(x);
  return sqrtFloor(x);
}

@inline
function unaryRun<T>(op: i32, src: usize, n: usize, dst: usize): void {
  const end = dst + n * sizeof<T>();
  if (sizeof<T>() < 8 && op <= ABS) {
    for (const last = dst + ((n * sizeof<T>()) & ~15); dst < last; src += 16, dst += 16) {
      v128.store(dst, unaryLanes<T>(op, v128.load(src)));
    }
  }
  for (; dst < end; src += sizeof<T>(), dst += sizeof<T>()) {
    const y = unaryScalar(op, <i64>load<T>(src));
    store<T>(dst, op == NOT ? <T>y : saturate<T>(y));
  }
}

function unaryOf<T>(op: i32, src: usize, n: usize, dst: usize): void {
  if (op == NOT) unaryRun<T>(NOT, src, n, dst);
  else if (op == NEG) unaryRun<T>(NEG, src, n, dst);
  else if (op == ABS) unaryRun<T>(ABS, src, n, dst);
  else unaryRun<T>(3, src, n, dst);
}

function notBool(src: usize, n: usize, dst: usize): void {
  for (const end = src + n; src < end; ++src, ++dst) store<u8>(dst, load<u8>(src) ^ 1);
}

/** `dst = op(src)`: not 0, neg 1, abs 2, sqrt.floor 3. */
export function unary(op: i32, type: i32, src: usize, n: usize, dst: usize): void {
  if (type == BOOL && op == NOT) notBool(src, n, dst);
  else if (type == I16) unaryOf<i16>(op, src, n, dst);
  else if (type == I8) unaryOf<i8>(op, src, n, dst);
  else if (type == I32) unaryOf<i32>(op, src, n, dst);
  else if (type == I64) unaryOf<i64>(op, src, n, dst);
  else unaryOf<u8>(op, src, n, dst);
}

function clampRun<T>(src: usize, n: usize, lo: i64, hi: i64, dst: usize): void {
  const end = dst + n * sizeof<T>();
  if (sizeof<T>() < 8) {
    const least = v128.splat<T>(<T>lo), most = v128.splat<T>(<T>hi);
    for (const last = dst + ((n * sizeof<T>()) & ~15); dst < last; src += 16, dst += 16) {
      v128.store(dst, v128.min<T>(v128.max<T>(v128.load(src), least), most));
    }
  } else {
    const least = i64x2.splat(lo), most = i64x2.splat(hi);
    for (const last = dst + ((n << 3) & ~15); dst < last; src += 16, dst += 16) {
      v128.store(dst, boundedI64(v128.load(src), least, most));
    }
  }
  for (; dst < end; src += sizeof<T>(), dst += sizeof<T>()) {
    store<T>(dst, <T>clampI64(<i64>load<T>(src), lo, hi));
  }
}

/** `dst = min(max(src, lo), hi)`; lo and hi lie in the dtype. */
export function clamp(type: i32, src: usize, n: usize, lo: i64, hi: i64, dst: usize): void {
  if (type == I16) clampRun<i16>(src, n, lo, hi, dst);
  else if (type == I8) clampRun<i8>(src, n, lo, hi, dst);
  else if (type == I32) clampRun<i32>(src, n, lo, hi, dst);
  else if (type == I64) clampRun<i64>(src, n, lo, hi, dst);
  else clampRun<u8>(src, n, lo, hi, dst);
}

function castRun<S, D>(src: usize, n: usize, dst: usize): void {
  const end = dst + n * sizeof<D>();
  if (sizeof<S>() < 8) {
    const last = dst + (n & ~7) * sizeof<D>();
    for (; dst < last; src += 8 * sizeof<S>(), dst += 8 * sizeof<D>()) {
      store8<D>(dst, load4<S>(src), load4<S>(src + 4 * sizeof<S>()));
    }
  } else if (sizeof<D>() < 8) {
    const least = i64x2.splat(minOf<D>()), most = i64x2.splat(maxOf<D>());
    for (const last = dst + (n & ~7) * sizeof<D>(); dst < last; src += 64, dst += 8 * sizeof<D>()) {
      const x0 = boundedI64(v128.load(src), least, most), x1 = boundedI64(v128.load(src, 16), least, most);
      const x2 = boundedI64(v128.load(src, 32), least, most), x3 = boundedI64(v128.load(src, 48), least, most);
      store8<D>(dst, lowWords(x0, x1), lowWords(x2, x3));
    }
  }
  for (; dst < end; src += sizeof<S>(), dst += sizeof<D>()) {
    store<D>(dst, saturate<D>(<i64>load<S>(src)));
  }
}

function castToBool<S>(src: usize, n: usize, dst: usize): void {
  for (const end = dst + n; dst < end; src += sizeof<S>(), ++dst) store<u8>(dst, u8(load<S>(src) != 0));
}

function castFrom<S>(to: i32, src: usize, n: usize, dst: usize): void {
  if (to == I16) castRun<S, i16>(src, n, dst);
  else if (to == I8) castRun<S, i8>(src, n, dst);
  else if (to == U8) castRun<S, u8>(src, n, dst);
  else if (to == I32) castRun<S, i32>(src, n, dst);
  else if (to == I64) castRun<S, i64>(src, n, dst);
  else castToBool<S>(src, n, dst);
}

/** Converts, saturated; to bool: x ≠ 0. */
export function cast(from: i32, to: i32, src: usize, n: usize, dst: usize): void {
  if (from == I16) castFrom<i16>(to, src, n, dst);
  else if (from == I8) castFrom<i8>(to, src, n, dst);
  else if (from == I32) castFrom<i32>(to, src, n, dst);
  else if (from == I64) castFrom<i64>(to, src, n, dst);
  else castFrom<u8>(to, src, n, dst);
}

/** Lanes of all ones where the condition's bytes are not zero. */
@inline
function maskOf<T>(condition: usize): v128 {
  const zero = i32x4.splat(0);
  if (sizeof<T>() == 1) return i8x16.ne(v128.load(condition), zero);
  if (sizeof<T>() == 2) return i16x8.ne(v128.load8x8_u(condition), zero);
  return i32x4.ne(load4<u8>(condition), zero);
}

function selectRun<T>(
  condition: usize, a: usize, aStep: i32, b: usize, bStep: i32, n: usize, dst: usize,
): void {
  const aNext: usize = aStep ? sizeof<T>() : 0, bNext: usize = bStep ? sizeof<T>() : 0;
  const lanes: usize = 16 / sizeof<T>();
  const end = dst + n * sizeof<T>();
  if (sizeof<T>() < 8 && n >= lanes) {
    const a0 = v128.splat<T>(load<T>(a)), b0 = v128.splat<T>(load<T>(b));
    const last = dst + ((n * sizeof<T>()) & ~15);
    for (; dst < last; dst += 16, condition += lanes, a += aNext * lanes, b += bNext * lanes) {
      const x = aNext ? v128.load(a) : a0, y = bNext ? v128.load(b) : b0;
      v128.store(dst, v128.bitselect(x, y, maskOf<T>(condition)));
    }
  }
  for (; dst < end; dst += sizeof<T>(), ++condition, a += aNext, b += bNext) {
    store<T>(dst, load<u8>(condition) ? load<T>(a) : load<T>(b));
  }
}

/** `dst = condition ? a : b` for elements of 1, 2, 4 or 8 bytes; a step of 0 takes one value throughout. */
export function select(
  bytes: i32, condition: usize, a: usize, aStep: i32, b: usize, bStep: i32, n: usize, dst: usize,
): void {
  if (bytes == 1) selectRun<u8>(condition, a, aStep, b, bStep, n, dst);
  else if (bytes == 2) selectRun<i16>(condition, a, aStep, b, bStep, n, dst);
  else if (bytes == 4) selectRun<i32>(condition, a, aStep, b, bStep, n, dst);
  else selectRun<i64>(condition, a, aStep, b, bStep, n, dst);
}
