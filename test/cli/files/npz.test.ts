import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { encodeNpy } from "../../../src/cli/files/npy.js";
import { openNpz } from "../../../src/cli/files/npz.js";
import type { HostArray } from "../../../src/core/hostArray.js";

const array: HostArray = {
  elementType: "float32",
  dims: [300],
  data: Float32Array.from({ length: 300 }, (_, i) => i % 7),
};
const file = encodeNpy(array);

/** An archive by fflate: another writer, as NumPy's is. */
const zip = (level: 0 | 9, names = ["a.npy", "b/c.npy", "notes.txt"]): Uint8Array =>
  zipSync(Object.fromEntries(names.map((name) => [name, file])), { level });

const readAll = (bytes: Uint8Array): void => {
  for (const read of openNpz(bytes, "x.npz").values()) read();
};
const refused = (bytes: Uint8Array, says: RegExp): void => {
  expect(() => readAll(bytes)).toThrow(
    expect.objectContaining({
      name: "InputError",
      code: "BadZip",
      message: expect.stringMatching(says),
    }),
  );
};

/** Offset of the n-th signature `PK a b`. */
function find(bytes: Uint8Array, a: number, b: number, nth = 0): number {
  for (let at = 0; at < bytes.length; at++) {
    const here =
      bytes[at] === 0x50 && bytes[at + 1] === 0x4b && bytes[at + 2] === a && bytes[at + 3] === b;
    if (here && nth-- === 0) return at;
  }
  expect.fail("no such record");
}
const directoryOf = (bytes: Uint8Array, nth = 0): number => find(bytes, 1, 2, nth);

function changed(bytes: Uint8Array, edit: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  edit(new DataView(copy.buffer));
  return copy;
}

describe("openNpz", () => {
  it.each([0, 9] as const)("reads arrays by name, stored or deflated (level %d)", (level) => {
    const arrays = openNpz(zip(level), "x.npz");
    expect([...arrays.keys()]).toEqual(["a", "b/c"]);
    expect(arrays.get("a")?.()).toEqual(array);
    expect(arrays.get("b/c")?.()).toEqual(array);
  });

  it("reads archives with a comment, and empty ones", () => {
    const base = zip(9);
    const end = find(base, 5, 6);
    const commented = Uint8Array.from([...base, 104, 105]);
    new DataView(commented.buffer).setUint16(end + 20, 2, true);
    expect([...openNpz(commented, "x.npz").keys()]).toEqual(["a", "b/c"]);
    expect(openNpz(zipSync({}), "x.npz").size).toBe(0);
  });

  it("refuses what is no archive", () => {
    refused(new Uint8Array(), /end record/);
    refused(file, /end record/);
    refused(zip(9).subarray(0, -1), /end record/);
  });

  it("notices one changed bit of stored data", () => {
    const stored = zip(0);
    refused(
      changed(stored, (view) => view.setUint8(400, view.getUint8(400) ^ 1)),
      /^x\.npz .*"a\.npy".*checksum/,
    );
  });

  it("refuses false sizes, without trusting them", () => {
    const base = zip(9);
    const size = directoryOf(base) + 24;
    refused(
      changed(base, (view) => view.setUint32(size, 2 ** 30, true)),
      /unpacks to \d+ bytes instead of 1073741824/,
    );
    refused(
      changed(base, (view) => view.setUint32(size, 100, true)),
      /does not unpack to the 100 bytes/,
    );
    refused(
      changed(base, (view) => view.setUint32(size, 2 ** 31, true)),
      /2 GiB/,
    );
  });

  it("stops unpacking a bomb at its declared size", () => {
    const bomb = zipSync({ "a.npy": new Uint8Array(50_000_000) }, { level: 9 });
    refused(
      changed(bomb, (view) => view.setUint32(directoryOf(bomb) + 24, 1000, true)),
      /the 1000 bytes/,
    );
  });

  it("refuses damage of the directory", () => {
    const base = zip(9);
    const first = directoryOf(base);
    const end = find(base, 5, 6);
    const edits: [(view: DataView) => void, RegExp][] = [
      [(view) => view.setUint32(first, 0), /entry 0 .* damaged/],
      [(view) => view.setUint16(first + 28, 60000, true), /passes the end/],
      [(view) => view.setUint16(first + 8, 1, true), /encrypted/],
      [(view) => view.setUint16(first + 10, 12, true), /method 12/],
      [(view) => view.setUint32(first + 20, 2 ** 31, true), /passes the end/],
      [(view) => view.setUint32(first + 42, 3, true), /no header/],
      [(view) => view.setUint32(first + 42, 2 ** 32 - 5, true), /no header/],
      [(view) => view.setUint32(end + 16, 2 ** 30, true), /directory passes the end/],
      [(view) => view.setUint32(end + 16, 2 ** 32 - 1, true), /zip64/],
      [(view) => view.setUint16(end + 10, 2, true), /split/],
    ];
    for (const [edit, says] of edits) refused(changed(base, edit), says);
  });

  it("refuses two entries of one name", () => {
    const base = zip(9, ["a.npy", "b.npy"]);
    const second = directoryOf(base, 1);
    refused(
      changed(base, (view) => view.setUint8(second + 46, 97)),
      /two entries named "a\.npy"/,
    );
  });

  it("names the array in errors of its content", () => {
    const bytes = zipSync({ "w.npy": Uint8Array.of(1, 2, 3) });
    expect(() => openNpz(bytes, "x.npz").get("w")?.()).toThrow(
      /x\.npz \(array "w"\) cannot be read as \.npy/,
    );
  });

  it("answers any damage of one byte with a typed error or arrays", () => {
    const base = zip(9);
    for (let at = 0; at < base.length; at++) {
      for (const value of [0, 255, (base[at] ?? 0) ^ 4]) {
        const bytes = changed(base, (view) => view.setUint8(at, value));
        try {
          readAll(bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: "InputError" });
        }
      }
    }
  });
});
