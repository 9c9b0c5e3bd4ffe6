// Operators on two tensors of one dtype. Operands are rows: `aRow` bytes from one row to the next (0:
// the same row again), `aStep` elements from one column to the next (1, or 0: one value a row). Rows
// of the result are dense. Every function saturates once.

import { divideRun } from "./divide";
import {
  I16, I32, I64, I8, boundedI64, clampI64, lowWords, maxOf, minOf, saturate,
} from "./types";

const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const MIN: i32 = 3;
const MAX: i32 = 4;
const AND: i32 = 5;
const OR: i32 = 6;
const XOR: i32 = 7;
const DIV_FLOOR: i32 = 8;
const DIV_TRUNC: i32 = 9;
const MOD_FLOOR: i32 = 10;
const MOD_TRUNC: i32 = 11;
const SHL: i32 = 12;
const SHR: i32 = 13;

const EQ: i32 = 0;
const LT: i32 = 1;

/** i32 sum or difference that is `wrapped`; bit 31 of `overflow` says where it left i32. */
@inline
function saturateLanes(x: v128, wrapped: v128, overflow: v128): v128 {
  const limit = v128.xor(i32x4.shr_s(x, 31), i32x4.splat(0x7fffffff));
  return v128.bitselect(limit, wrapped, i32x4.shr_s(overflow, 31));
}

/** As `saturateLanes`, of i64. */
@inline
function saturateI64(x: v128, wrapped: v128, overflow: v128): v128 {
  const zero = i64x2.splat(0);
  const limit = v128.xor(i64x2.lt_s(x, zero), i64x2.splat(i64.MAX_VALUE));
  return v128.bitselect(limit, wrapped, i64x2.lt_s(overflow, zero));
}

/** Two i64 lanes within i32, saturated. */
@inline
export function clampToI32(x: v128): v128 {
  return boundedI64(x, i64x2.splat(i32.MIN_VALUE), i64x2.splat(i32.MAX_VALUE));
}

@inline
function mulLanes<T>(x: v128, y: v128): v128 {
  if (sizeof<T>() == 4) {
    return lowWords(
      clampToI32(i64x2.extmul_low_i32x4_s(x, y)),
      clampToI32(i64x2.extmul_high_i32x4_s(x, y)),
    );
  }
  if (sizeof<T>() == 2) {
    return i16x8.narrow_i32x4_s(
      i32x4.extmul_low_i16x8_s(x, y),
      i32x4.extmul_high_i16x8_s(x, y),
    );
  }
  if (isSigned<T>()) {
    return i8x16.narrow_i16x8_s(i16x8.extmul_low_i8x16_s(x, y), i16x8.extmul_high_i8x16_s(x, y));
  }
  const most = i16x8.splat(255); // narrowing takes its operands for signed
  return i8x16.narrow_i16x8_u(
    i16x8.min_u(i16x8.extmul_low_i8x16_u(x, y), most),
    i16x8.min_u(i16x8.extmul_high_i8x16_u(x, y), most),
  );
}

@inline
function opLanes<T>(op: i32, x: v128, y: v128): v128 {
  if (op == AND) return v128.and(x, y);
  if (op == OR) return v128.or(x, y);
  if (op == XOR) return v128.xor(x, y);
  if (sizeof<T>() == 8) {
    if (op == MIN) return v128.bitselect(x, y, i64x2.lt_s(x, y));
    if (op == MAX) return v128.bitselect(x, y, i64x2.gt_s(x, y));
    if (op == ADD) {
      const sum = i64x2.add(x, y);
      return saturateI64(x, sum, v128.and(v128.xor(x, sum), v128.xor(y, sum)));
    }
    const difference = i64x2.sub(x, y);
    return saturateI64(x, difference, v128.and(v128.xor(x, y), v128.xor(x, difference)));
  } else {
    if (op == MIN) return v128.min<T>(x, y);
    if (op == MAX) return v128.max<T>(x, y);
    if (op == MUL) return mulLanes<T>(x, y);
    if (sizeof<T>() < 4) return op == ADD ? v128.add_sat<T>(x, y) : v128.sub_sat<T>(x, y);
    if (op == ADD) {
      const sum = i32x4.add(x, y);
      return saturateLanes(x, sum, v128.and(v128.xor(x, sum), v128.xor(y, sum)));
    }
    const difference = i32x4.sub(x, y);
    return saturateLanes(x, difference, v128.and(v128.xor(x, y), v128.xor(x, difference)));
  }
}

/** Lanes shifted by a count that is less than their bits. */
@inline
function shiftLanes<T>(op: i32, x: v128, count: i32, least: v128, most: v128): v128 {
  if (op == SHR) return v128.shr<T>(x, count);
  let y = v128.shl<T>(x, count);
  y = v128.bitselect(v128.splat<T>(<T>maxOf<T>()), y, v128.gt<T>(x, most));
  return isSigned<T>() ? v128.bitselect(v128.splat<T>(<T>minOf<T>()), y, v128.lt<T>(x, least)) : y;
}

/** What lanes can do of a row whose second operand is one value: how many elements. */
@inline
function scalarRun<T>(op: i32, x: usize, y: i64, dst: usize, n: i32): i32 {
  if (op == SHL || op == SHR) {
    const count = clampI64(y, 0, 63);
    if (count >= 8 * sizeof<T>()) return 0;
    const lanes: i32 = 16 / sizeof<T>();
    const least = v128.splat<T>(<T>(minOf<T>() >> count)), most = v128.splat<T>(<T>(maxOf<T>() >> count));
    for (let c = n; c >= lanes; c -= lanes, x += 16, dst += 16) {
      v128.store(dst, shiftLanes<T>(op, v128.load(x), <i32>count, least, most));
    }
    return n & -lanes;
  }
  if (sizeof<T>() == 8 && (op == DIV_FLOOR || op == DIV_TRUNC)) return divideRun(op == DIV_TRUNC, x, n, y, dst);
  return 0;
}

@inline
function limit<T>(negative: bool): i64 {
  return negative ? minOf<T>() : maxOf<T>();
}

function mulI64(x: i64, y: i64): i64 {
  if (x == 0 || y == 0) return 0;
  const product = x * y;
  const exact = !(x == -1 && y == i64.MIN_VALUE) && !(y == -1 && x == i64.MIN_VALUE) && product / y == x;
  return exact ? product : limit<i64>((x < 0) != (y < 0));
}

function shiftLeft(x: i64, count: i64): i64 {
  const shifted = x << count;
  return select<i64>(shifted, (x >> 63) ^ i64.MAX_VALUE, shifted >> count == x);
}

/** Truncated quotient; the caller has excluded y = 0. */
@inline
function divTrunc(x: i64, y: i64): i64 {
  return y == -1 ? (x == i64.MIN_VALUE ? i64.MAX_VALUE : -x) : x / y;
}

@inline
function remainder(x: i64, y: i64): i64 {
  return y == -1 ? 0 : x % y;
}

@inline
function opScalar<T>(op: i32, x: i64, y: i64): i64 {
  if (op == ADD) {
    const sum = x + y;
    if (sizeof<T>() == 8 && ((x ^ sum) & (y ^ sum)) < 0) return limit<i64>(x < 0);
    return sum;
  }
  if (op == SUB) {
    const difference = x - y;
    if (sizeof<T>() == 8 && ((x ^ y) & (x ^ difference)) < 0) return limit<i64>(x < 0);
    return difference;
  }
  if (op == MUL) return sizeof<T>() == 8 ? mulI64(x, y) : x * y;
  if (op == MIN) return min(x, y);
  if (op == MAX) return max(x, y);
  if (op == AND) return x & y;
  if (op == OR) return x | y;
  if (op == XOR) return x ^ y;
  if (op == SHL) return shiftLeft(x, clampI64(y, 0, 63));
  if (op == SHR) return x >> clampI64(y, 0, 63);
  if (op == DIV_FLOOR || op == DIV_TRUNC) {
    if (y == 0) return x == 0 ? 0 : limit<T>(x < 0);
    const quotient = divTrunc(x, y);
    return quotient - i64(op == DIV_FLOOR && remainder(x, y) != 0 && (x < 0) != (y < 0));
  }
  if (y == 0) return x;
  const rest = remainder(x, y);
  return op == MOD_FLOOR && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

@inline
function rowsOf<T>(
  op: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  const lanes: i32 = 16 / sizeof<T>();
  const aNext: usize = aStep ? sizeof<T>() : 0, bNext: usize = bStep ? sizeof<T>() : 0;
  for (; rows > 0; --rows, a += aRow, b += bRow) {
    let x = a, y = b, c = cols;
    if (op >= DIV_FLOOR && aNext && !bNext) {
      const done = scalarRun<T>(op, x, <i64>load<T>(b), dst, c);
      c -= done;
      x += <usize>done * sizeof<T>();
      dst += <usize>done * sizeof<T>();
    }
    if (op <= XOR && (sizeof<T>() < 8 || op != MUL)) {
      const x0 = v128.splat<T>(load<T>(a)), y0 = v128.splat<T>(load<T>(b));
      for (; c >= lanes; c -= lanes, x += aNext * lanes, y += bNext * lanes, dst += 16) {
        v128.store(dst, opLanes<T>(op, aNext ? v128.load(x) : x0, bNext ? v128.load(y) : y0));
      }
    }
    for (; c > 0; --c, x += aNext, y += bNext, dst += sizeof<T>()) {
      store<T>(dst, saturate<T>(opScalar<T>(op, <i64>load<T>(x), <i64>load<T>(y))));
    }
  }
}

/** One function for each op, so that neither op nor dtype is tested inside a loop. */
function binaryOf<T>(
  op: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  if (op == ADD) rowsOf<T>(ADD, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == SUB) rowsOf<T>(SUB, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == MUL) rowsOf<T>(MUL, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == MIN) rowsOf<T>(MIN, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == MAX) rowsOf<T>(MAX, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == AND) rowsOf<T>(AND, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == OR) rowsOf<T>(OR, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == XOR) rowsOf<T>(XOR, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == DIV_FLOOR) rowsOf<T>(DIV_FLOOR, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == DIV_TRUNC) rowsOf<T>(DIV_TRUNC, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == MOD_FLOOR) rowsOf<T>(MOD_FLOOR, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == MOD_TRUNC) rowsOf<T>(MOD_TRUNC, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == SHL) rowsOf<T>(SHL, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else rowsOf<T>(SHR, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
}

/** `dst = op(a, b)`: add 0, sub, mul, min, max, and, or, xor, div.floor, div.trunc, mod.floor, mod.trunc, shl, shr 13. */
export function binary(
  op: i32, type: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  if (type == I16) binaryOf<i16>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I8) binaryOf<i8>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I32) binaryOf<i32>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I64) binaryOf<i64>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else binaryOf<u8>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
}

@inline
function compareLanes<T>(op: i32, x: v128, y: v128): v128 {
  if (op == EQ) return v128.eq<T>(x, y);
  if (op == LT) return v128.lt<T>(x, y);
  return v128.le<T>(x, y);
}

/** Stores one byte, 0 or 1, for each lane of a mask. */
@inline
function storeMask<T>(dst: usize, mask: v128): void {
  const one = i8x16.splat(1);
  if (sizeof<T>() == 1) {
    v128.store(dst, v128.and(mask, one));
  } else if (sizeof<T>() == 2) {
    v128.store64_lane(dst, v128.and(i8x16.narrow_i16x8_s(mask, mask), one), 0);
  } else if (sizeof<T>() == 8) {
    store<u16>(dst, <u16>(i64x2.extract_lane(mask, 0) & 1) | (<u16>(i64x2.extract_lane(mask, 1) & 1) << 8));
  } else {
    const half = i16x8.narrow_i32x4_s(mask, mask);
    v128.store32_lane(dst, v128.and(i8x16.narrow_i16x8_s(half, half), one), 0);
  }
}

@inline
function compareRows<T>(
  op: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  const lanes: i32 = 16 / sizeof<T>();
  const aNext: usize = aStep ? sizeof<T>() : 0, bNext: usize = bStep ? sizeof<T>() : 0;
  for (; rows > 0; --rows, a += aRow, b += bRow) {
    let x = a, y = b, c = cols;
    if (cols >= lanes) {
      const x0 = v128.splat<T>(load<T>(a)), y0 = v128.splat<T>(load<T>(b));
      for (; c >= lanes; c -= lanes, x += aNext * lanes, y += bNext * lanes, dst += lanes) {
        storeMask<T>(dst, compareLanes<T>(op, aNext ? v128.load(x) : x0, bNext ? v128.load(y) : y0));
      }
    }
    for (; c > 0; --c, x += aNext, y += bNext, ++dst) {
      const p = load<T>(x), q = load<T>(y);
      store<u8>(dst, u8(op == EQ ? p == q : op == LT ? p < q : p <= q));
    }
  }
}

function compareOf<T>(
  op: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  if (op == EQ) compareRows<T>(EQ, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (op == LT) compareRows<T>(LT, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else compareRows<T>(2, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
}

/** One byte, 0 or 1, an element: eq 0, lt 1, le 2. */
export function compare(
  op: i32, type: i32, a: usize, aRow: usize, aStep: i32, b: usize, bRow: usize, bStep: i32, dst: usize, rows: i32, cols: i32,
): void {
  if (type == I16) compareOf<i16>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I8) compareOf<i8>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I32) compareOf<i32>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else if (type == I64) compareOf<i64>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
  else compareOf<u8>(op, a, aRow, aStep, b, bRow, bStep, dst, rows, cols);
}
