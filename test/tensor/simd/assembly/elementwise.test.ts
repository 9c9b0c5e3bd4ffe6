import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES, saturate } from "../../../../src/core/dtype.js";
import { WEIGHTED_SUM_BYTES, writeWeightedSum } from "../../../../src/tensor/simd/descriptors.js";
import { BINARY, COMPARE, UNARY } from "../../../../src/tensor/simd/kernels.js";
import { Arena, Random, bytesOf, code } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;
const random = new Random(6);

function floorDiv(x: bigint, y: bigint): bigint {
  const q = x / y;
  return x % y !== 0n && x < 0n !== y < 0n ? q - 1n : q;
}

type Meaning = (x: bigint, y: bigint, dtype: Dtype) => bigint;

function divide(by: (x: bigint, y: bigint) => bigint): Meaning {
  return (x, y, dtype) =>
    y !== 0n ? by(x, y) : x === 0n ? 0n : x > 0n ? DTYPE_INFO[dtype].max : DTYPE_INFO[dtype].min;
}

function count(y: bigint): bigint {
  return y < 0n ? 0n : y > 63n ? 63n : y;
}

const BINARY_MEANING: Record<keyof typeof BINARY, Meaning> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  min: (x, y) => (x < y ? x : y),
  max: (x, y) => (x > y ? x : y),
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  "div.floor": divide(floorDiv),
  "div.trunc": divide((x, y) => x / y),
  "mod.floor": (x, y) => (y === 0n ? x : x - y * floorDiv(x, y)),
  "mod.trunc": (x, y) => (y === 0n ? x : x % y),
  shl: (x, y) => x << count(y),
  shr: (x, y) => x >> count(y),
};

const COMPARE_MEANING: Record<keyof typeof COMPARE, (x: bigint, y: bigint) => boolean> = {
  eq: (x, y) => x === y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
};

function sqrtFloor(x: bigint): bigint {
  if (x < 2n) return x < 0n ? 0n : x;
  let low = 1n;
  let high = 1n << 32n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle * middle <= x) low = middle;
    else high = middle;
  }
  return low;
}

const UNARY_MEANING: Record<keyof typeof UNARY, Meaning> = {
  not: (x, _, dtype) => (dtype === "bool" ? 1n - x : dtype === "u8" ? 255n - x : ~x),
  neg: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  "sqrt.floor": sqrtFloor,
};

/** Operands of rows × cols elements: dense, one row throughout, one value a row, one value. */
const PATTERNS = [
  { row: true, step: 1 },
  { row: false, step: 1 },
  { row: true, step: 0 },
  { row: false, step: 0 },
] as const;

interface Operand {
  at: number;
  rowBytes: number;
  step: number;
  value: (row: number, col: number) => bigint;
}

function operand(
  dtype: Dtype,
  rows: number,
  cols: number,
  pattern: (typeof PATTERNS)[number],
): Operand {
  const length = pattern.step ? cols : 1;
  const values = random.array(dtype, (pattern.row ? rows : 1) * length);
  return {
    // An empty row is not read.
    at: values.length === 0 ? arena.alloc(16) : arena.put(values),
    rowBytes: pattern.row ? length * bytesOf(dtype) : 0,
    step: pattern.step,
    value: (row, col) =>
      BigInt(values[(pattern.row ? row * length : 0) + (pattern.step ? col : 0)]!),
  };
}

/** Calls `run` for all patterns of two operands and all lengths. */
function forOperands(
  aType: Dtype,
  bType: Dtype,
  run: (a: Operand, b: Operand, rows: number, cols: number) => void,
): void {
  for (let cols = 0; cols <= 40; cols++) {
    const pairs = PATTERNS.flatMap((p) => PATTERNS.map((q) => [p, q] as const));
    // Each length with some of the sixteen combinations; every combination with several lengths.
    for (let i = cols % 4; i < pairs.length; i += 4) {
      const [p, q] = pairs[i]!;
      const rows = 1 + (cols % 3);
      arena.reset();
      run(operand(aType, rows, cols, p), operand(bType, rows, cols, q), rows, cols);
      arena.check();
    }
  }
}

function expected(
  a: Operand,
  b: Operand,
  rows: number,
  cols: number,
  f: (x: bigint, y: bigint) => bigint,
): bigint[] {
  return Array.from({ length: rows * cols }, (_, i) => {
    const [row, col] = [Math.floor(i / cols), i % cols];
    return f(a.value(row, col), b.value(row, col));
  });
}

describe.each(INTEGER_DTYPES)("elementwise on %s", (dtype) => {
  it.each(Object.keys(BINARY) as (keyof typeof BINARY)[])("%s", (op) => {
    forOperands(dtype, dtype, (a, b, rows, cols) => {
      const dst = arena.alloc(rows * cols * bytesOf(dtype), dtype === "u8" ? 3 : 0);
      kernels.binary(
        BINARY[op],
        code(dtype),
        a.at,
        a.rowBytes,
        a.step,
        b.at,
        b.rowBytes,
        b.step,
        dst,
        rows,
        cols,
      );
      const meaning = (x: bigint, y: bigint) => saturate(BINARY_MEANING[op](x, y, dtype), dtype);
      expect(arena.take(dtype, dst, rows * cols)).toEqual(expected(a, b, rows, cols, meaning));
    });
  });

  it.each(Object.keys(COMPARE) as (keyof typeof COMPARE)[])("%s", (op) => {
    forOperands(dtype, dtype, (a, b, rows, cols) => {
      const dst = arena.alloc(rows * cols);
      kernels.compare(
        COMPARE[op],
        code(dtype),
        a.at,
        a.rowBytes,
        a.step,
        b.at,
        b.rowBytes,
        b.step,
        dst,
        rows,
        cols,
      );
      const meaning = (x: bigint, y: bigint) => (COMPARE_MEANING[op](x, y) ? 1n : 0n);
      expect(arena.take("bool", dst, rows * cols)).toEqual(expected(a, b, rows, cols, meaning));
    });
  });

  it.each(Object.keys(UNARY) as (keyof typeof UNARY)[])("%s", (op) => {
    for (let n = 0; n <= 40; n++) {
      arena.reset();
      const x = random.array(dtype, n);
      const dst = arena.alloc(n * bytesOf(dtype));
      kernels.unary(UNARY[op], code(dtype), arena.put(x), n, dst);
      arena.check();
      expect(arena.take(dtype, dst, n)).toEqual(
        Array.from(x, BigInt).map((v) => saturate(UNARY_MEANING[op](v, 0n, dtype), dtype)),
      );
    }
  });

  it("clamp", () => {
    for (let n = 0; n <= 40; n++) {
      arena.reset();
      const x = random.array(dtype, n);
      const [p, q] = Array.from(random.array(dtype, 2), BigInt) as [bigint, bigint];
      const [lo, hi] = p < q ? [p, q] : [q, p];
      const dst = arena.alloc(n * bytesOf(dtype));
      kernels.clamp(code(dtype), arena.put(x), n, lo, hi, dst);
      arena.check();
      const wanted = Array.from(x, BigInt).map((v) => (v < lo ? lo : v > hi ? hi : v));
      expect(arena.take(dtype, dst, n)).toEqual(wanted);
    }
  });

  it.each(DTYPES)("cast to %s", (to) => {
    for (let n = 0; n <= 40; n++) {
      arena.reset();
      const x = random.array(dtype, n);
      const dst = arena.alloc(n * bytesOf(to));
      kernels.cast(code(dtype), code(to), arena.put(x), n, dst);
      arena.check();
      const wanted = Array.from(x, BigInt).map((v) =>
        to === "bool" ? BigInt(v !== 0n) : saturate(v, to),
      );
      expect(arena.take(to, dst, n)).toEqual(wanted);
    }
  });

  it("select", () => {
    for (let n = 0; n <= 40; n++) {
      arena.reset();
      const condition = random.array("bool", n);
      const [aStep, bStep] = [n & 1, (n >> 1) & 1];
      const a = random.array(dtype, aStep ? n : 1);
      const b = random.array(dtype, bStep ? n : 1);
      const dst = arena.alloc(n * bytesOf(dtype));
      kernels.select(
        bytesOf(dtype),
        arena.put(condition),
        arena.put(a),
        aStep,
        arena.put(b),
        bStep,
        n,
        dst,
      );
      arena.check();
      const wanted = Array.from(condition, (c, i) => BigInt(c ? a[aStep * i]! : b[bStep * i]!));
      expect(arena.take(dtype, dst, n)).toEqual(wanted);
    }
  });
});

describe("unary", () => {
  it("negates bool logically", () => {
    arena.reset();
    const dst = arena.alloc(3);
    kernels.unary(UNARY.not, code("bool"), arena.put(Uint8Array.of(0, 1, 0)), 3, dst);
    expect(arena.take("bool", dst, 3)).toEqual([1n, 0n, 1n]);
  });

  it("takes roots next to squares exactly", () => {
    arena.reset();
    const roots = [1n, 94906265n, 94906267n, 2147483647n, 3037000499n];
    const x = BigInt64Array.from(roots.flatMap((r) => [r * r - 1n, r * r, r * r + 1n]));
    const dst = arena.alloc(x.byteLength);
    kernels.unary(UNARY["sqrt.floor"], code("i64"), arena.put(x), x.length, dst);
    expect(arena.take("i64", dst, x.length)).toEqual(roots.flatMap((r) => [r - 1n, r, r]));
  });
});

const NARROW = ["u8", "i8", "i16", "i32"] as const;
const NARROW_PAIRS = NARROW.flatMap((a) => NARROW.map((b) => [a, b] as const));

describe("mulWide", () => {
  it.each(NARROW_PAIRS)("%s by %s", (aType, bType) => {
    const fits = DTYPE_INFO[aType].bits + DTYPE_INFO[bType].bits <= 32;
    for (const to of fits ? (["i32", "i64"] as const) : (["i64"] as const)) {
      forOperands(aType, bType, (a, b, rows, cols) => {
        const dst = arena.alloc(rows * cols * bytesOf(to));
        kernels.mulWide(
          code(to),
          code(aType),
          a.at,
          a.rowBytes,
          a.step,
          code(bType),
          b.at,
          b.rowBytes,
          b.step,
          dst,
          rows,
          cols,
        );
        expect(arena.take(to, dst, rows * cols)).toEqual(
          expected(a, b, rows, cols, (x, y) => x * y),
        );
      });
    }
  });
});

describe("quotients of i64 by one divisor", () => {
  // Where doubles serve: divisors and quotients of all sizes, dividends next to multiples.
  it.each(["div.floor", "div.trunc"] as const)("%s beside multiples", (op) => {
    for (let bits = 0; bits < 63; bits++) {
      arena.reset();
      const y = (1n << BigInt(bits)) + (random.big(64, false) & ((1n << BigInt(bits)) - 1n));
      const n = bits % 9 === 0 ? 1030 + bits : 33;
      const room = Math.max(bits % 3 === 0 ? 62 - bits : Math.min(62 - bits, 49), 1);
      const x = Array.from({ length: n }, (_, i) => {
        const q = random.big(room, true);
        return BigInt.asIntN(64, q * y + BigInt((i % 5) - 2));
      });
      const a = arena.put(BigInt64Array.from(x));
      const b = arena.put(BigInt64Array.of(y));
      const dst = arena.alloc(8 * n);
      kernels.binary(BINARY[op], code("i64"), a, 0, 1, b, 0, 0, dst, 1, n);
      const meaning = BINARY_MEANING[op];
      expect(arena.take("i64", dst, n)).toEqual(x.map((value) => meaning(value, y, "i64")));
      arena.check();
    }
  });
});

describe("rescaleAdd", () => {
  it.each(NARROW_PAIRS)("%s and %s", (aType, bType) => {
    for (const type of INTEGER_DTYPES) {
      forOperands(aType, bType, (a, b, rows, cols) => {
        const { bits, signed, min, max } = DTYPE_INFO[type];
        const full = random.below(3) === 0;
        const [aMultiplier, bMultiplier] = [0, 1].map(() =>
          full ? Number(random.big(32, true)) : random.between(-(2 ** 20), 2 ** 20),
        ) as [number, number];
        const shift = full ? random.between(1, 62) : random.between(18, 40);
        const zeroPoint = random.big(bits, signed) >> BigInt(random.below(bits));
        const [lo, hi] = random.below(2) ? [min, max] : [min / 2n, max / 3n];
        // The bound that an engine knows, if it knows one: the tightest.
        const half = 1n << BigInt(shift - 1);
        const size = (x: bigint) => (x < 0n ? -x : x);
        const sums = expected(
          a,
          b,
          rows,
          cols,
          (x, y) =>
            size(x) * size(BigInt(aMultiplier)) + size(y) * size(BigInt(bMultiplier)) + half,
        );
        const bound = sums.reduce((x, y) => (x > y ? x : y), 0n);
        const most = random.below(4) === 0 || bound >= 1n << 63n ? -1n : bound;
        const dst = arena.alloc(rows * cols * bytesOf(type));
        const at = arena.alloc(WEIGHTED_SUM_BYTES);
        writeWeightedSum(arena.view, at, {
          zeroPoint,
          lo,
          hi,
          most,
          aMultiplier,
          bMultiplier,
          shift,
          aType: code(aType),
          a: a.at,
          aRow: a.rowBytes,
          aStep: a.step,
          bType: code(bType),
          b: b.at,
          bRow: b.rowBytes,
          bStep: b.step,
          type: code(type),
          dst,
          cols,
        });
        const [row, col] = [rows >> 1, cols >> 1];
        kernels.rescaleAdd(at, row, rows - row, 0, cols);
        kernels.rescaleAdd(at, 0, row, col, cols - col);
        kernels.rescaleAdd(at, 0, row, 0, col);
        const meaning = (x: bigint, y: bigint) => {
          const sum = x * BigInt(aMultiplier) + y * BigInt(bMultiplier);
          const value = ((sum + (1n << BigInt(shift - 1))) >> BigInt(shift)) + zeroPoint;
          return value < lo ? lo : value > hi ? hi : value;
        };
        expect(arena.take(type, dst, rows * cols)).toEqual(expected(a, b, rows, cols, meaning));
      });
    }
  });
});
