import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MalformedError } from "../../src/core/errors.js";
import { pack, packArrayHeader, packBinHeader } from "../../src/module/pack.js";
import { Reader } from "../../src/module/reader.js";

const bytesOf = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));

function codeOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedError);
    return (error as MalformedError).code;
  }
  return "accepted";
}

const int = (hex: string) => (): unknown => {
  const reader = new Reader(bytesOf(hex));
  const value = reader.i64("n");
  reader.end("n");
  return value;
};
const str = (hex: string) => (): unknown => new Reader(bytesOf(hex)).str(0, 0xffffffff, "s");
const bin = (hex: string) => (): unknown => new Reader(bytesOf(hex)).bin(0, 0xffffffff, "b");
const array = (hex: string) => (): unknown => new Reader(bytesOf(hex)).array(0, 0xffffffff, "a");

/** Each length of an integer at both its ends, by the MessagePack specification. */
const INTEGERS: readonly (readonly [bigint, string])[] = [
  [0n, "00"],
  [127n, "7f"],
  [128n, "cc80"],
  [255n, "ccff"],
  [256n, "cd0100"],
  [65_535n, "cdffff"],
  [65_536n, "ce00010000"],
  [0xffffffffn, "ceffffffff"],
  [0x100000000n, "d30000000100000000"],
  [2n ** 63n - 1n, "d37fffffffffffffff"],
  [-1n, "ff"],
  [-32n, "e0"],
  [-33n, "d0df"],
  [-128n, "d080"],
  [-129n, "d1ff7f"],
  [-32_768n, "d18000"],
  [-32_769n, "d2ffff7fff"],
  [-0x80000000n, "d280000000"],
  [-0x80000001n, "d3ffffffff7fffffff"],
  [-(2n ** 63n), "d38000000000000000"],
];

describe("integers", () => {
  it.each(INTEGERS)("%i has one form", (value, hex) => {
    expect(Buffer.from(pack(value)).toString("hex")).toBe(hex);
    expect(int(hex)()).toBe(value);
  });

  it.each([
    ["cc 7f", "u8 of 127"],
    ["cd 00ff", "u16 of 255"],
    ["ce 0000ffff", "u32 of 65,535"],
    ["cf 0000000000000001", "u64 of 1"],
    ["cf 0000000100000000", "u64 of 2^32"],
    ["cf ffffffffffffffff", "u64 of 2^64 − 1"],
    ["d0 01", "i8 of 1"],
    ["d0 e0", "i8 of −32"],
    ["d1 00ff", "i16 of 255"],
    ["d1 ff80", "i16 of −128"],
    ["d2 00010000", "i32 of 65,536"],
    ["d2 ffff8000", "i32 of −32,768"],
    ["d3 0000000000000000", "i64 of 0"],
    ["d3 00000000ffffffff", "i64 of 2^32 − 1"],
    ["d3 ffffffff80000000", "i64 of −2^31"],
  ])("%s (%s) is not canonical", (hex) => {
    expect(codeOf(int(hex))).toBe("NotCanonical");
  });

  it.each([
    "80",
    "90",
    "a0",
    "c0",
    "c1",
    "c2",
    "c3",
    "c400",
    "c70000",
    "ca3f800000",
    "cb3ff0000000000000",
    "d40001",
    "d600",
    "d9",
    "dc",
    "de",
    "df",
  ])("0x%s is none", (hex) => {
    expect(codeOf(int(hex))).toBe("UnexpectedType");
  });

  it.each(["", "cc", "cd01", "ce010000", "d0", "d1ff", "d2ffffff", "d300000001000000"])(
    "0x%s is cut short",
    (hex) => {
      expect(codeOf(int(hex))).toBe("Truncated");
    },
  );

  it("must lie within the stated bounds, and 64 bits never do where 32 are asked for", () => {
    const bounded = (hex: string) => (): unknown => new Reader(bytesOf(hex)).int(-5, 300, "n");
    expect([bounded("fb")(), bounded("cd012c")()]).toEqual([-5, 300]);
    for (const hex of ["fa", "cd012d", "d37fffffffffffffff", "d3ffffffff7fffffff"]) {
      expect(codeOf(bounded(hex))).toBe("OutOfRange");
    }
  });

  it("are read back whatever they are", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.nat({ max: 63 }),
        (wide, shift) => {
          const value = wide >> BigInt(shift);
          expect(new Reader(pack(value)).i64("n")).toBe(value);
        },
      ),
    );
  });
});

describe("strings", () => {
  it.each([
    ["a0", ""],
    ["a3 e282ac", "€"],
    ["a4 f09f9880", "😀"],
    ["a3 efbbbf", "\ufeff"],
    ["a1 00", "\0"],
  ])("%s is read as it is", (hex, value) => {
    expect(str(hex)()).toBe(value);
    expect(pack(value)).toEqual(bytesOf(hex));
  });

  it.each([31, 32, 255, 256, 65_535, 65_536])("of %i bytes have one form", (length) => {
    const value = "x".repeat(length);
    expect(new Reader(pack(value)).str(0, length, "s")).toBe(value);
  });

  it.each([
    ["a1 80", "a stray continuation"],
    ["a2 c080", "an overlong NUL"],
    ["a3 e080af", "an overlong slash"],
    ["a3 eda080", "half a surrogate pair"],
    ["a4 f4908080", "beyond U+10FFFF"],
    ["a1 ff", "no UTF-8 byte"],
    ["a2 e282", "cut inside a character"],
  ])("%s is no UTF-8: %s", (hex) => {
    expect(codeOf(str(hex))).toBe("Utf8");
  });

  it.each([`d9 1f ${"78".repeat(31)}`, `da 00ff ${"78".repeat(255)}`, "db 00000001 78"])(
    "%.12s… is not canonical",
    (hex) => {
      expect(codeOf(str(hex))).toBe("NotCanonical");
    },
  );

  it.each(["a1", "d9", "d920", "dbffffffff"])("%s is cut short", (hex) => {
    expect(codeOf(str(hex))).toBe("Truncated");
  });

  it.each(["c400", "00", "c0", "90", "80"])("%s is none", (hex) => {
    expect(codeOf(str(hex))).toBe("UnexpectedType");
  });

  it("have bounds in bytes", () => {
    expect(codeOf(() => new Reader(bytesOf("a0")).str(1, 2, "s"))).toBe("Length");
    expect(codeOf(() => new Reader(bytesOf("a3e282ac")).str(1, 2, "s"))).toBe("Length");
  });
});

describe("byte strings and arrays", () => {
  it.each([0, 255, 256, 65_535, 65_536])("of %i elements have one form", (length) => {
    const bytes = new Uint8Array(length).fill(7);
    const written = pack(bytes);
    expect(written.subarray(0, written.length - length)).toEqual(packBinHeader(length));
    expect(new Reader(written).bin(0, length, "b")).toEqual(bytes);
    const list = Array.from(bytes);
    const packed = pack(list);
    expect(packed.subarray(0, packed.length - length)).toEqual(packArrayHeader(length));
    const reader = new Reader(packed);
    expect(reader.list(0, length, "a", () => reader.int(0, 9, "n"))).toEqual(list);
  });

  it("are not canonical with a long header", () => {
    expect(codeOf(bin(`c5 00ff ${"00".repeat(255)}`))).toBe("NotCanonical");
    expect(codeOf(bin("c6 0000ffff"))).toBe("NotCanonical");
    expect(codeOf(array("dc 000f"))).toBe("NotCanonical");
    expect(codeOf(array("dd 0000ffff"))).toBe("NotCanonical");
  });

  it("cannot be longer than what is there", () => {
    for (const hex of ["c401", "c6ffffffff", "c5ffff00"])
      expect(codeOf(bin(hex))).toBe("Truncated");
    for (const hex of ["91", "dcffff", "ddffffffff", "dd00010000 00"]) {
      expect(codeOf(array(hex))).toBe("Truncated");
    }
  });

  it("are not each other, nor a map, nil, float or extension", () => {
    for (const hex of ["80", "de0000", "c0", "c2", "ca00000000", "d4ff00", "a0", "00"]) {
      expect(codeOf(bin(hex))).toBe("UnexpectedType");
      expect(codeOf(array(hex))).toBe("UnexpectedType");
    }
    expect(codeOf(bin("90"))).toBe("UnexpectedType");
    expect(codeOf(array("c400"))).toBe("UnexpectedType");
  });

  it("leave nothing behind them", () => {
    const reader = new Reader(bytesOf("90 00"));
    reader.array(0, 0, "a");
    expect(codeOf(() => reader.end("a"))).toBe("TrailingBytes");
  });
});

describe("a refusal", () => {
  const refusal = (hex: string, read: (reader: Reader) => unknown): MalformedError => {
    const reader = new Reader(bytesOf(`00 ${hex}`));
    reader.i64("n");
    try {
      read(reader);
    } catch (error) {
      return error as MalformedError;
    }
    return expect.unreachable("it was read");
  };
  const i64 = (reader: Reader): unknown => reader.i64("n");

  it.each<[string, string, (reader: Reader) => unknown]>([
    ["NotCanonical", "cc7f", i64],
    ["NotCanonical", "d0e0", i64],
    ["NotCanonical", "d3000000007fffffff", i64],
    ["NotCanonical", "cf8000000000000000", i64],
    ["UnexpectedType", "c0", i64],
    ["Truncated", "d3000000007fffff", i64],
    ["Length", "a161", (reader) => reader.str(2, 3, "s")],
    ["Length", "93", (reader) => reader.array(0, 2, "a")],
    ["Length", "c40161", (reader) => reader.bin(2, 3, "b")],
    ["UnexpectedType", "90", (reader) => reader.str(0, 9, "s")],
    ["TrailingBytes", "00", (reader) => reader.end("all")],
  ])("%s of %s says where", (code, hex, read) => {
    const { code: found, place } = refusal(hex, read);
    expect(found).toBe(code);
    // In the middle of a number, it is where the bytes of that number begin.
    expect(place.offset).toBe(code === "Truncated" ? 2 : 1);
  });

  // First bytes by the MessagePack specification.
  it.each([
    ["00", "an integer"],
    ["7f", "an integer"],
    ["80", "a map"],
    ["8f", "a map"],
    ["90", "an array"],
    ["9f", "an array"],
    ["a0", "a string"],
    ["bf", "a string"],
    ["c0", "nil"],
    ["c1", "an unused tag"],
    ["c2", "a boolean"],
    ["c3", "a boolean"],
    ["c4", "a byte string"],
    ["c6", "a byte string"],
    ["c7", "an extension"],
    ["c9", "an extension"],
    ["ca", "a float"],
    ["cb", "a float"],
    ["cc", "an integer"],
    ["d3", "an integer"],
    ["d4", "an extension"],
    ["d8", "an extension"],
    ["d9", "a string"],
    ["db", "a string"],
    ["dc", "an array"],
    ["dd", "an array"],
    ["de", "a map"],
    ["df", "a map"],
    ["e0", "an integer"],
    ["ff", "an integer"],
  ])("of 0x%s names %s", (tag, what) => {
    const array = tag.startsWith("9") || tag === "dc" || tag === "dd";
    const { message } = refusal(tag, array ? i64 : (reader) => reader.array(0, 9, "a"));
    expect(message).toContain(`found 0x${tag} (${what})`);
  });
});

describe("pack", () => {
  it.each([
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 32,
    -(2 ** 31) - 1,
    2n ** 63n,
    -(2n ** 63n) - 1n,
    "\ud800",
    "x\udc00",
    null as never,
    undefined as never,
    true as never,
    {} as never,
    new Date(0) as never,
  ])("has no form for %s", (value) => {
    expect(codeOf(() => pack([value]))).toBe("NotEncodable");
  });
});
