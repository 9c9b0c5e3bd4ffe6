import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../../src/core/dtype.js";
import { DTYPE_INFO, saturate } from "../../../../src/core/dtype.js";
import { Arena, Random, bytesOf, code } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;
const random = new Random(9);

/** What `lut.interpolate` gives for x, exactly. */
function interpolated(table: Int32Array, x: number, f: number, guard: number, to: Dtype): bigint {
  const u = x + 32768;
  const r = BigInt(u % 2 ** f);
  const sum = BigInt(table[u >> f]!) * (BigInt(2 ** f) - r) + BigInt(table[(u >> f) + 1]!) * r;
  const shift = BigInt(f + guard);
  return saturate((sum + (1n << (shift - 1n))) >> shift, to);
}

describe("rescale and tables on their own", () => {
  const TYPES = ["u8", "i8", "i16", "i32", "i64"] as const;
  const WIDTH = { u8: "upTo16", i8: "upTo16", i16: "upTo16", i32: "i32", i64: "i64" } as const;
  it.each(TYPES)("rescales %s", (from) => {
    for (const to of TYPES) {
      for (let cols = 0; cols <= 40; cols++) {
        arena.reset();
        const rows = 1 + (cols % 3);
        const perChannel = cols % 2 === 1;
        const count = perChannel ? cols : 8;
        const full = cols % 3 === 0;
        const one = <T>(values: T[]) => (perChannel ? values : values.map(() => values[0]!));
        const multipliers = one(
          Array.from({ length: count }, () =>
            full ? Number(random.big(32, true)) : random.between(0, 2 ** 20),
          ),
        );
        const shifts = one(
          Array.from({ length: count }, () => (full ? random.between(1, 62) : 24)),
        );
        const { min, max, bits, signed } = DTYPE_INFO[to];
        const zeroPoint = random.big(bits, signed);
        const x = random.array(from, rows * cols);
        const dst = arena.alloc(rows * cols * bytesOf(to));
        const epilogue = arena.epilogue({
          ...arena.rescaleBy(multipliers, shifts, WIDTH[from]),
          channelMask: perChannel ? -1 : 0,
          zeroPoint,
          lo: min,
          hi: max,
          type: code(to),
        });
        kernels.rescale(epilogue, code(from), arena.putAtEnd(x), rows, cols, dst);
        arena.check();
        const wanted = Array.from(x, BigInt).map((v, i) => {
          const channel = perChannel ? i % cols : 0;
          const s = BigInt(shifts[channel]!);
          const y = ((v * BigInt(multipliers[channel]!) + (1n << (s - 1n))) >> s) + zeroPoint;
          return y < min ? min : y > max ? max : y;
        });
        expect(arena.take(to, dst, rows * cols)).toEqual(wanted);
      }
    }
  });

  it("rescales i64 within ±2^47 as any other", () => {
    const END = 2n ** 47n;
    const ends = [END, -END, END - 1n, 1n - END, 0n, 1n, -1n, 2n ** 32n - 1n, -(2n ** 32n)];
    const x = BigInt64Array.from([
      ...ends,
      ...Array.from({ length: 24 }, () => random.big(47, true)),
    ]);
    const multipliers = [2 ** 31 - 1, 1, 0, 2 ** 30, 65535, random.between(1, 2 ** 31 - 1)];
    for (const to of TYPES) {
      const { min, max, bits, signed } = DTYPE_INFO[to];
      const bounds = [[min, max] as const, [min / 2n, max / 3n] as const];
      for (const [lo, hi] of bounds) {
        for (const zeroPoint of [0n, min, max, random.big(bits, signed)]) {
          for (const multiplier of multipliers) {
            for (const bias of [0n, -(2n ** 20n)]) {
              arena.reset();
              const own = x.map((v) => v - bias);
              const dst = arena.alloc(own.length * bytesOf(to));
              const epilogue = arena.epilogue({
                multiplier: arena.put(new Int32Array(own.length).fill(multiplier)),
                shift: arena.put(new Int8Array(own.length).fill(48)),
                uniformShift: 48,
                bits: 47,
                bias: bias === 0n ? 0 : arena.put(new BigInt64Array(own.length).fill(bias)),
                zeroPoint,
                lo,
                hi,
                type: code(to),
              });
              kernels.rescale(epilogue, code("i64"), arena.put(own), 1, own.length, dst);
              arena.check();
              const wanted = Array.from(own, (v) => {
                const y = (((v + bias) * BigInt(multiplier) + 2n ** 47n) >> 48n) + zeroPoint;
                return y < lo ? lo : y > hi ? hi : y;
              });
              expect(arena.take(to, dst, own.length)).toEqual(wanted);
            }
          }
        }
      }
    }
  });

  // Shifts and sizes around those that kernels tell apart.
  it.each(["i32", "i64"] as const)("rescales bounded %s by factors of every kind", (from) => {
    for (let turn = 0; turn < 1500; turn++) {
      arena.reset();
      const to = TYPES[turn % TYPES.length]!;
      const perChannel = turn % 3 > 0;
      const cols = random.between(1, 40);
      const bits = from === "i32" ? random.between(8, 31) : random.between(31, 63);
      const middle = random.between(1, 62);
      const width = random.below(16);
      const shiftOf = () => Math.min(Math.max(middle + random.between(-width, width), 1), 62);
      const multiplierOf = () => {
        const sizes = [31, 31, 31, random.between(1, 31), 16];
        const m = Number(random.big(sizes[random.below(5)]!, false));
        return random.below(12) === 0 ? 0 : m;
      };
      const count = perChannel ? cols : 1;
      const own = Array.from({ length: count }, () => [multiplierOf(), shiftOf()] as const);
      const spread = perChannel ? own : Array.from({ length: 8 }, () => own[0]!);
      const multipliers = spread.map(([m]) => m);
      const shifts = spread.map(([, s]) => s);
      const { min, max, bits: toBits, signed } = DTYPE_INFO[to];
      const zeroPoint = random.below(2) ? 0n : random.big(toBits, signed);
      const [lo, hi] = random.below(2) ? [min, max] : [min / 2n, max / 3n];
      const end = 1n << BigInt(bits);
      const fits = (v: bigint) => saturate(v < -end ? -end : v > end ? end : v, from);
      const bias = random.below(2)
        ? undefined
        : Array.from({ length: cols }, () => random.big(28, true));
      const sums = Array.from({ length: 2 * cols }, (_, i) => {
        const sized = random.big(random.between(1, bits), true);
        const most = i % 7 === 0 ? end : i % 7 === 1 ? -end : sized;
        return fits(most);
      });
      // With its bias each is what was chosen.
      const x = sums.map((v, i) => saturate(v - (bias?.[i % cols] ?? 0n), from));
      const source = from === "i32" ? Int32Array.from(x, Number) : BigInt64Array.from(x);
      const biases =
        bias === undefined
          ? 0
          : arena.put(from === "i32" ? Int32Array.from(bias, Number) : BigInt64Array.from(bias));
      const dst = arena.alloc(2 * cols * bytesOf(to));
      const epilogue = arena.epilogue({
        ...arena.rescaleBy(multipliers, shifts, from, bits),
        channelMask: perChannel ? -1 : 0,
        bias: biases,
        zeroPoint,
        lo,
        hi,
        type: code(to),
      });
      kernels.rescale(epilogue, code(from), arena.putAtEnd(source), 2, cols, dst);
      arena.check();
      const wanted = x.map((v, i) => {
        const channel = perChannel ? i % cols : 0;
        const s = BigInt(shifts[channel]!);
        const sum = v + (bias?.[i % cols] ?? 0n);
        const y = ((sum * BigInt(multipliers[channel]!) + (1n << (s - 1n))) >> s) + zeroPoint;
        return y < lo ? lo : y > hi ? hi : y;
      });
      expect(arena.take(to, dst, 2 * cols)).toEqual(wanted);
    }
  });

  it("looks up directly", () => {
    for (const from of ["u8", "i8", "i16"] as const) {
      for (const to of TYPES) {
        arena.reset();
        const entries = from === "i16" ? 65536 : 256;
        const table = random.array(to, entries);
        const at = arena.put(table);
        for (let n = 0; n <= 40; n++) {
          const x = random.array(from, n);
          const dst = arena.alloc(n * bytesOf(to));
          kernels.lutDirect(code(from), arena.put(x), n, at, bytesOf(to), dst);
          const wanted = Array.from(x, (v) => BigInt(table[v - Number(DTYPE_INFO[from].min)]!));
          expect(arena.take(to, dst, n)).toEqual(wanted);
        }
        arena.check();
      }
    }
  });

  it("interpolates", () => {
    for (const to of TYPES) {
      for (let k = 6; k <= 13; k++) {
        for (const guard of [0, 4, 14]) {
          arena.reset();
          const f = 16 - k;
          const table = random.array("i32", 2 ** k + 1);
          const at = arena.put(table);
          const n = random.between(0, 40);
          const x = random.array("i16", n);
          const dst = arena.alloc(n * bytesOf(to));
          kernels.lutInterpolate(arena.put(x), n, at, k, guard, 0, code(to), dst);
          arena.check();
          const wanted = Array.from(x, (v) => interpolated(table, v, f, guard, to));
          expect(arena.take(to, dst, n)).toEqual(wanted);
        }
      }
    }
  });

  it("interpolates with sums of 32 bits, to the last entry that fits", () => {
    for (const to of TYPES) {
      for (let k = 6; k <= 13; k++) {
        const f = 16 - k;
        for (const guard of [0, 1, k - 1, 14]) {
          arena.reset();
          const limit = Math.floor((2 ** 31 - 1 - 2 ** (f + guard - 1)) / 2 ** f);
          const table = random.uniform("i32", 2 ** k + 1, -limit, limit);
          // Neighbours at opposite ends: steps and products wrap.
          for (let i = 0; i < table.length; i += 3) table[i] = i % 2 === 0 ? limit : -limit;
          table.set([limit, -limit]);
          table.set([-limit, limit, limit], 2 ** k - 2);
          const at = arena.put(table);
          const n = random.between(100, 140);
          const x = random.array("i16", n);
          const dst = arena.alloc(n * bytesOf(to));
          kernels.lutInterpolate(arena.put(x), n, at, k, guard, 1, code(to), dst);
          arena.check();
          const wanted = Array.from(x, (v) => interpolated(table, v, f, guard, to));
          expect(arena.take(to, dst, n)).toEqual(wanted);
        }
      }
    }
  });
});
