// The one rounding, and tables.
import { broken, resources, single } from "../single.mjs";
import { ALL, INTEGERS, Random, edges, info, tensor } from "../tensors.mjs";

const ROUNDING = { clauses: ["#meaning", "README.md#numerics", "execution.md#values"] };
const SHAPE = { clauses: ["#shapes", "#results"] };
const MISFIT = { trap: "ShapeMismatch", clauses: ["#traps", "#shapes"] };

const all = (dtype) => ({ dtype, zeroPoint: 0n, lo: info(dtype).min, hi: info(dtype).max });
const inside = (dtype, values) =>
  values.filter((v) => v >= info(dtype).min && v <= info(dtype).max);

/** Values around those that lie half-way for a factor of 1 / 2^shift. */
function ties(dtype, shift) {
  const half = 1n << BigInt(shift - 1);
  const around = [];
  for (const k of [-5n, -3n, -1n, 1n, 3n, 5n, 7n]) around.push(k * half - 1n, k * half, k * half + 1n); // prettier-ignore
  return inside(dtype, around);
}

export function rescale(file) {
  const named = (name, imm, x, options) => single(file, "rescale", name, imm, [x], options);
  for (const from of INTEGERS) {
    for (const to of INTEGERS) {
      const random = new Random(`rescale${from}${to}`);
      const tag = `${from}-${to}`;
      const half = 8 * info(from).bytes - 2;
      for (const shift of [1, 2, half]) {
        named(`${tag}/ties/${shift}`, { multiplier: 1, shift, ...all(to) }, tensor(from, ties(from, shift)), ROUNDING); // prettier-ignore
        named(`${tag}/ties/${shift}/negative`, { multiplier: -1, shift, ...all(to) }, tensor(from, ties(from, shift)), ROUNDING); // prettier-ignore
      }
      for (const [name, multiplier, shift] of [
        ["zero", 0, 1],
        ["unit", 2, 1],
        ["large", 0x7fffffff, 1],
        ["least", -0x80000000, 1],
        ["typical", 0x6000_0001, 38],
        ["sixteen-bits", 27_103, 15],
        ["tiny", 1, 62],
        ["wide", -0x80000000, 62],
        ["all-bits", 0x7fffffff, 31],
      ]) {
        const imm = { multiplier, shift, ...all(to) };
        named(`${tag}/${name}/ends`, imm, tensor(from, edges(from)), ROUNDING);
        named(`${tag}/${name}/random`, imm, random.tensor(from, [19]), ROUNDING);
      }
      const { min, max } = info(to);
      const least = min < 0n ? -7n : 2n;
      const interval = { dtype: to, zeroPoint: 3n, lo: least, hi: 11n };
      named(`${tag}/interval`, { multiplier: 5, shift: 3, ...interval }, tensor(from, inside(from, [-100n, -12n, -5n, -4n, -1n, 0n, 1n, 2n, 12n, 13n, 14n, 100n])), ROUNDING); // prettier-ignore
      named(`${tag}/point`, { multiplier: 5, shift: 3, ...interval, lo: 4n, hi: 4n }, random.tensor(from, [5]), ROUNDING); // prettier-ignore
      for (const [name, zeroPoint] of [
        ["high", max],
        ["low", min],
      ]) {
        named(`${tag}/zero-point/${name}`, { multiplier: 1, shift: 1, ...all(to), zeroPoint }, random.tensor(from, [9]), ROUNDING); // prettier-ignore
      }
      const plain = { multiplier: 77, shift: 7, ...all(to) };
      named(`${tag}/shape/scalar`, plain, random.tensor(from, []), SHAPE);
      named(`${tag}/shape/empty`, plain, random.tensor(from, [3, 0]), SHAPE);
      named(`${tag}/shape/rank-8`, plain, random.tensor(from, [1, 2, 1, 1, 3, 1, 1, 2]), SHAPE);
      resources(file, "rescale", tag, plain, [random.tensor(from, [2, 3])]);
    }
  }
  broken(file, "rescale", { multiplier: 3, shift: 4, ...all("i8") }, [tensor("i32", [1])]);
}

export function rescaleBy(file) {
  const named = (name, imm, operands, options) => single(file, "rescale.by", name, imm, operands, options); // prettier-ignore
  for (const from of INTEGERS) {
    for (const to of INTEGERS) {
      const random = new Random(`rescale.by${from}${to}`);
      const tag = `${from}-${to}`;
      const factors = (shape) => random.tensor("i32", shape);
      const shifts = (shape) => random.tensor("i8", shape, 1n, 62n);
      const imm = all(to);
      named(`${tag}/all-shifts`, imm, [tensor(from, edges(from).flatMap((v) => new Array(6).fill(v)), [edges(from).length, 6]), tensor("i32", [0x7fffffff, -0x80000000, 1, -1, 12_345, 0]), tensor("i8", [1, 62, 31, 17, 14, 40])], ROUNDING); // prettier-ignore
      named(`${tag}/channels`, imm, [random.tensor(from, [3, 5]), factors([5]), shifts([5])], ROUNDING); // prettier-ignore
      named(`${tag}/channels/constants`, imm, [random.tensor(from, [4, 9]), factors([9]), shifts([9])], { ...ROUNDING, constants: [1, 2] }); // prettier-ignore
      named(`${tag}/ties`, imm, [tensor(from, ties(from, 3)), tensor("i32", [1], []), tensor("i8", [3], [])], ROUNDING); // prettier-ignore
      named(`${tag}/interval`, { dtype: to, zeroPoint: 2n, lo: 1n, hi: 9n }, [random.tensor(from, [12]), tensor("i32", [3]), tensor("i8", [2])], ROUNDING); // prettier-ignore
      named(`${tag}/shape/elements`, imm, [random.tensor(from, [2, 3]), factors([2, 3]), shifts([2, 1])], SHAPE); // prettier-ignore
      named(`${tag}/shape/scalar`, imm, [random.tensor(from, []), factors([]), shifts([])], SHAPE);
      named(`${tag}/shape/all-empty`, imm, [random.tensor(from, [0]), factors([0]), shifts([0])], SHAPE); // prettier-ignore
      named(`${tag}/shape/empty`, imm, [random.tensor(from, [0, 3]), factors([3]), shifts([1])], SHAPE); // prettier-ignore
      const misfit = (name, x, m, s) => named(`${tag}/misfit/${name}`, imm, [random.tensor(from, x), factors(m), shifts(s)], MISFIT); // prettier-ignore
      misfit("multiplier", [2, 3], [2], [1]);
      misfit("shift", [2, 3], [3], [2]);
      misfit("grows", [1], [3], [3]);
      misfit("rank", [3], [1, 1], [1]);
      for (const wrong of [0n, 63n, -1n, 127n, -128n]) {
        named(`${tag}/range/${wrong}`, imm, [random.tensor(from, [2]), factors([2]), tensor("i8", [5n, wrong])], { trap: "OperandRange", clauses: ["#traps"] }); // prettier-ignore
      }
      resources(file, "rescale.by", tag, imm, [random.tensor(from, [2, 3]), factors([3]), shifts([3])]); // prettier-ignore
    }
  }
  broken(file, "rescale.by", all("i8"), [tensor("i32", [1]), tensor("i32", [1]), tensor("i8", [1])]); // prettier-ignore
}

export function rescaleAdd(file) {
  const named = (name, imm, operands, options) => single(file, "rescale.add", name, imm, operands, options); // prettier-ignore
  const small = ["u8", "i8", "i16", "i32"];
  for (const a of small) {
    for (const b of small) {
      for (const to of INTEGERS) {
        const random = new Random(`rescale.add${a}${b}${to}`);
        const tag = `${a}-${b}-${to}`;
        const imm = { aMultiplier: 0x7fffffff, bMultiplier: -0x80000000, shift: 31, ...all(to) };
        named(`${tag}/ends`, imm, [tensor(a, edges(a), [edges(a).length, 1]), tensor(b, edges(b))], ROUNDING); // prettier-ignore
        named(`${tag}/typical`, { ...imm, aMultiplier: 21_846, bMultiplier: -9_999, shift: 16 }, [random.tensor(a, [21]), random.tensor(b, [21])], ROUNDING); // prettier-ignore
        named(`${tag}/ties`, { aMultiplier: 1, bMultiplier: 1, shift: 1, ...all(to) }, [tensor(a, inside(a, [-3n, -2n, -1n, 0n, 1n, 2n, 3n]).slice(0, 4), [4, 1]), tensor(b, inside(b, [-2n, -1n, 0n, 1n, 2n]).slice(0, 3))], ROUNDING); // prettier-ignore
        named(`${tag}/interval`, { aMultiplier: 3, bMultiplier: 5, shift: 62, dtype: to, zeroPoint: 5n, lo: 2n, hi: 6n }, [random.tensor(a, [7]), random.tensor(b, [7])], ROUNDING); // prettier-ignore
        if (a === b) {
          named(`${tag}/broadcast/column`, imm, [random.tensor(a, [2, 3]), random.tensor(b, [2, 1])], SHAPE); // prettier-ignore
          named(`${tag}/broadcast/scalars`, imm, [random.tensor(a, []), random.tensor(b, [])], SHAPE); // prettier-ignore
          named(`${tag}/broadcast/all-empty`, imm, [random.tensor(a, [0]), random.tensor(b, [0])], SHAPE); // prettier-ignore
          named(`${tag}/broadcast/empty`, imm, [random.tensor(a, [0, 2]), random.tensor(b, [1])], SHAPE); // prettier-ignore
        }
        named(`${tag}/misfit`, imm, [random.tensor(a, [2]), random.tensor(b, [3])], MISFIT);
        if (to === "i16") resources(file, "rescale.add", tag, imm, [random.tensor(a, [2, 3]), random.tensor(b, [3])]); // prettier-ignore
      }
    }
  }
  broken(file, "rescale.add", { aMultiplier: 1, bMultiplier: 1, shift: 1, ...all("i8") }, [tensor("i8", [1]), tensor("i8", [1])]); // prettier-ignore
}

export function lut(file) {
  for (const to of ALL) {
    const random = new Random(`lut${to}`);
    for (const from of ["u8", "i8"]) {
      const tag = `${from}-${to}`;
      const table = random.tensor(to, [256]);
      const { min } = info(from);
      const every = tensor(
        from,
        Array.from({ length: 256 }, (_, i) => BigInt(i) + min),
        [16, 16],
      );
      const named = (name, x, options, t = table) => single(file, "lut", `${tag}/${name}`, {}, [x, t], options); // prettier-ignore
      named("every", every);
      named("every/constant", every, { constants: [1] });
      named("scalar", random.tensor(from, []), SHAPE);
      named("empty", random.tensor(from, [0]), SHAPE);
      for (const entries of [0, 255, 257, 65_536]) {
        if (entries === 65_536 && tag !== "u8-i8") continue;
        named(`misfit/${entries}`, tensor(from, [1]), MISFIT, { dtype: to, shape: [entries], values: new Array(entries).fill(0n) }); // prettier-ignore
      }
      resources(file, "lut", tag, {}, [random.tensor(from, [3, 5]), table], { constants: [1] });
    }
    // 65,536 entries: few modules, the table a parameter.
    const table = random.tensor(to, [65_536]);
    const wide = (name, x, options) => single(file, "lut", `i16-${to}/${name}`, {}, [x, table], { constants: [1], ...options }); // prettier-ignore
    wide("ends", tensor("i16", [...edges("i16"), 255n, 256n, -256n, -257n]));
    wide("random", random.tensor("i16", [50]));
    wide("empty", random.tensor("i16", [0]), SHAPE);
    if (to === "u8") resources(file, "lut", "i16-u8", {}, [random.tensor("i16", [3]), table], { constants: [1] }); // prettier-ignore
    single(file, "lut", `i16-${to}/misfit`, {}, [tensor("i16", [1]), random.tensor(to, [256])], MISFIT); // prettier-ignore
  }
  broken(file, "lut", {}, [tensor("i8", [1]), tensor("i16", [1])]);
}

export function lutInterpolate(file) {
  for (const to of INTEGERS) {
    for (const [segmentsLog2, guardBits] of [
      [6, 0],
      [6, 14],
      [7, 4],
      [8, 1],
      [9, 10],
      [10, 4],
      [11, 7],
      [12, 2],
      [13, 14],
    ]) {
      const random = new Random(`lut.interpolate${to}${segmentsLog2}${guardBits}`);
      const imm = { segmentsLog2, guardBits, dtype: to };
      const segment = 1 << (16 - segmentsLog2);
      const table = random.tensor("i32", [2 ** segmentsLog2 + 1]);
      const tag = `${to}/${segmentsLog2}-${guardBits}`;
      // The ends and the middle of segments.
      const knots = [0, 1, 2 ** segmentsLog2 - 1].flatMap((i) => [0, 1, segment / 2, segment - 1].map((r) => BigInt(i * segment + r) - 32_768n)); // prettier-ignore
      single(file, "lut.interpolate", `${tag}/segments`, imm, [tensor("i16", knots), table], { ...ROUNDING, constants: [1] }); // prettier-ignore
      if (segmentsLog2 <= 7) {
        single(file, "lut.interpolate", `${tag}/random`, imm, [random.tensor("i16", [33]), table], ROUNDING); // prettier-ignore
        // Rises by one a segment: every middle is a tie.
        const steps = tensor(
          "i32",
          Array.from({ length: table.shape[0] }, (_, i) => BigInt(i - 30)),
        );
        single(file, "lut.interpolate", `${tag}/ties`, imm, [tensor("i16", knots), steps], { ...ROUNDING, constants: [1] }); // prettier-ignore
        const ends = tensor("i32", Array.from({ length: table.shape[0] }, (_, i) => (i % 2 === 0 ? info("i32").min : info("i32").max))); // prettier-ignore
        single(file, "lut.interpolate", `${tag}/ends`, imm, [tensor("i16", knots), ends], { ...ROUNDING, constants: [1] }); // prettier-ignore
      }
    }
    const random = new Random(`lut.interpolate${to}`);
    const imm = { segmentsLog2: 6, guardBits: 4, dtype: to };
    const table = random.tensor("i32", [65]);
    const named = (name, x, options, t = table) => single(file, "lut.interpolate", `${to}/${name}`, imm, [x, t], options); // prettier-ignore
    named("scalar", random.tensor("i16", []), SHAPE);
    named("empty", random.tensor("i16", [0, 3]), SHAPE);
    for (const entries of [0, 64, 66]) named(`misfit/${entries}`, tensor("i16", [1]), MISFIT, random.tensor("i32", [entries])); // prettier-ignore
    resources(file, "lut.interpolate", to, imm, [random.tensor("i16", [3, 5]), table], { constants: [1] }); // prettier-ignore
  }
  broken(file, "lut.interpolate", { segmentsLog2: 6, guardBits: 4, dtype: "i8" }, [tensor("i16", [1]), tensor("i32", [1])]); // prettier-ignore
}
