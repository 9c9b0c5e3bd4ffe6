import { describe, expect, it } from "vitest";
import { DTYPES, DTYPE_INFO } from "../../../src/core/dtype.js";
import type { Backend } from "../../../src/tensor/backend.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { callKernel } from "../../support/callKernel.js";
import { bytesOf } from "../../support/exactBytes.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { expectTensor, upload } from "./harness.js";

export function describeStorage(backend: TheBackend, create: () => Promise<Backend>): void {
  describe("storage", () => {
    it.each(DTYPES)("gives back the bytes of %s that it got", (dtype) => {
      const random = new SeededRandom(71);
      for (const shape of [...LENGTHS.map((n) => [n]), [], [3, 0], [2, 3, 5]]) {
        const x = random.tensor(dtype, shape);
        const bytes = bytesOf(x);
        const tensor = backend().upload(dtype, shape, bytes);
        expect(tensor.refs).toBe(1);
        bytes.fill(0x01); // the backend has a copy
        expectTensor(backend(), tensor, x, `upload of ${dtype}`);
        const copy = backend().download(tensor);
        copy.fill(0x01);
        expectTensor(backend(), tensor, x, `upload of ${dtype}`);
        backend().release(tensor);
      }
    });

    it("takes bytes at any offset of their buffer", () => {
      const x = new SeededRandom(72).tensor("i64", [9]);
      const buffer = new Uint8Array(9 * 8 + 3);
      buffer.set(bytesOf(x), 3);
      const tensor = backend().upload("i64", [9], buffer.subarray(3));
      expectTensor(backend(), tensor, x, "upload");
      backend().release(tensor);
    });

    it.each(DTYPES)("says whether all of %s lies within an interval", (dtype) => {
      const { min, max } = DTYPE_INFO[dtype];
      const within = (values: readonly bigint[], lo: bigint, hi: bigint): boolean => {
        const x: ExactValue = { dtype, shape: [values.length], values };
        const tensor = upload(backend(), x);
        const answer = backend().within(tensor, lo, hi);
        expect(backend().within(tensor, lo, hi)).toBe(answer);
        backend().release(tensor);
        return answer;
      };
      expect(within([], 1n, 0n)).toBe(true);
      for (const n of LENGTHS.slice(1)) {
        const values = new Array<bigint>(n).fill(min + 1n);
        expect(within(values, min, max)).toBe(true);
        expect(within(values, min + 1n, min + 1n)).toBe(true);
        expect(within(values, -(2n ** 63n), 2n ** 63n - 1n)).toBe(true);
        for (const at of [0, n >> 1, n - 1]) {
          const off = values.with(at, min);
          expect(within(off, min + 1n, max)).toBe(false);
          expect(within(off, min, max)).toBe(true);
          const over = new Array<bigint>(n).fill(min).with(at, max);
          expect(within(over, min, max - 1n)).toBe(false);
          expect(within(over, min, max)).toBe(true);
        }
      }
    });

    it("says so of results too", () => {
      const x: ExactValue = { dtype: "i16", shape: [2], values: [-300n, 20n] };
      const a = upload(backend(), x);
      const [y] = callKernel(backend(), "add", {}, [a, a]);
      expect(backend().within(y!, -600n, 40n)).toBe(true);
      expect(backend().within(y!, -599n, 40n)).toBe(false);
      expect(backend().within(y!, -600n, 39n)).toBe(false);
      backend().release(a);
      backend().release(y!);
    });

    it("keeps nothing of what is released or disposed", async () => {
      const own = await create();
      const random = new SeededRandom(73);
      const idle = own.statistics().residentBytes;
      for (let round = 0; round < 3; round++) {
        const a = upload(own, random.tensor("i16", [1, 8, 8, 16]));
        const w = upload(own, random.tensor("i16", [3, 3, 16, 24], -100n, 100n));
        expect(own.statistics().residentBytes).toBeGreaterThan(idle);
        const window = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], padValue: 0n };
        const imm = { aBits: 16, bBits: 8, accumulator: "i64", groups: 1, ...window };
        const [y] = callKernel(own, "conv", imm, [a, w]);
        own.download(y!);
        const [flat] = callKernel(own, "reshape", { dims: [-1, 24] }, [y!]);
        own.release(y!);
        expect(own.download(flat!).length).toBe(8 * 8 * 24 * 8);
        for (const x of [a, w, flat!]) own.release(x);
        expect(own.statistics().residentBytes).toBe(idle);
      }
      own.dispose();
    });

    it("counts multiply-accumulates", async () => {
      const own = await create();
      const random = new SeededRandom(74);
      const bits = { aBits: 8, bBits: 8, accumulator: "i32" };
      const window = { strides: [2, 1], dilations: [1, 1], pads: [0, 0, 0, 0], padValue: 0n };
      const a = upload(own, random.tensor("i8", [2, 3, 5]));
      const b = upload(own, random.tensor("i8", [5, 7]));
      own.download(callKernel(own, "matmul", bits, [a, b])[0]!);
      expect(own.statistics().macs).toBe(2 * 3 * 5 * 7);
      const image = upload(own, random.tensor("i8", [1, 5, 4, 6]));
      const kernel = upload(own, random.tensor("i8", [3, 3, 3, 8]));
      own.download(callKernel(own, "conv", { ...bits, ...window, groups: 2 }, [image, kernel])[0]!);
      const { macs, ownMacs } = own.statistics();
      expect(macs).toBe(2 * 3 * 5 * 7 + 2 * 2 * 8 * (3 * 3 * 3));
      expect(ownMacs).toBe(macs);
      own.dispose();
    });

    it("has instances that do not know of each other", async () => {
      const first = await create();
      const second = await create();
      const x = new SeededRandom(75).tensor("i32", [17]);
      const a = upload(first, x);
      const b = upload(second, x);
      const [y] = callKernel(second, "abs", {}, [b]);
      second.release(b);
      second.download(y!);
      second.dispose();
      const [z] = callKernel(first, "sub", {}, [a, a]);
      expectTensor(
        first,
        z!,
        { dtype: "i32", shape: [17], values: new Array<bigint>(17).fill(0n) },
        "sub",
      );
      expectTensor(first, a, x, "upload");
      first.dispose();
    });
  });
}
