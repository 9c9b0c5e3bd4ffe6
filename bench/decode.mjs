// Decoding and validating hostile modules: time linear in bytes, memory within a bound. Each kind of
// module runs in a process of its own, so that its peak is its own.
import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModule, encodeModule, validateModule } from "aivm/module";
import { time } from "./race.mjs";

/** @typedef {import("aivm/module").Module} Module */
/** @typedef {{ op: string, imm: object }} Step */

const [MIB, INSTRUCTIONS] = [2 ** 20, 65_536];
const ROUNDS = 5;

const step = (/** @type {string} */ op, /** @type {object} */ imm = {}) => ({ op, imm });
const END = step("end");
const fill = (/** @type {number} */ n, /** @type {unknown} */ value) => new Array(n).fill(value);
const SCALAR = { dtype: "i8", rank: 0 };
const type = (/** @type {number} */ n) => ({ params: fill(n, SCALAR), results: fill(n, SCALAR) });

/**
 * A module of functions `(params) -> (results)`.
 * @param {readonly object[]} functions
 * @param {object} rest
 */
function moduleOf(functions, rest = {}) {
  const configuration = {
    isaVersion: 1,
    gasVersion: 1,
    features: [],
    dimensions: [],
    entries: [],
    aggregations: [],
  };
  const module = {
    functions: functions.map((f) => ({ params: [], results: [], locals: [], ...f })),
    aggregation: [],
    parameters: [],
    parameterData: [],
    provenance: {},
    ...rest,
    configuration: { ...configuration, .../** @type {any} */ (rest).configuration },
  };
  return /** @type {Module} */ (/** @type {unknown} */ (module));
}

/** One function whose body repeats steps until it has `n`, where nothing is on the stack. */
function repeated(/** @type {number} */ n, /** @type {readonly Step[]} */ steps, functions = {}) {
  const whole = Math.floor((n - 1) / steps.length);
  const body = Array.from({ length: whole }, () => steps).flat();
  return moduleOf([{ body: [...body, END], ...functions }]);
}

/** The same where nothing is reached: operands may be anything. */
function unreached(/** @type {number} */ n, /** @type {readonly Step[]} */ steps) {
  const trap = step("trap", { detail: 0 });
  const body = repeated(n - 2, steps).functions[0]?.body.slice(0, -1) ?? [];
  return moduleOf([{ body: [trap, ...body, trap, END] }]);
}

const CONV = step("conv", {
  aBits: 8,
  bBits: 8,
  accumulator: "i32",
  strides: [1, 1, 1],
  dilations: [1, 1, 1],
  pads: [1, 1, 1, 1, 1, 1],
  groups: 1,
  padValue: 0n,
});
const SLICE = step("slice", { starts: fill(8, 1), ends: fill(8, 2), steps: fill(8, 1) });
const RESCALE = { multiplier: 1, shift: 1, dtype: "i8", zeroPoint: 0n, lo: 0n, hi: 0n };
const SWAP = { perm: [1, 0, 3, 2, 5, 4, 7, 6] };

/** An entry point whose ports have eight derived dimensions each, and a scale. */
function entry(/** @type {number} */ index) {
  const dimension = { dimension: 0, multiplier: 1, offset: 0, divisor: 1 };
  const ports = Array.from({ length: 256 }, (_, i) => ({
    name: String.fromCharCode(33 + (i % 90), 33 + Math.floor(i / 90)),
    dtype: "i8",
    shape: fill(8, dimension),
    scale: { mantissa: 1, exponent: 0, zeroPoint: 0n },
  }));
  return { name: `e${index}`, function: 0, inputs: ports, outputs: ports };
}

/** @type {Record<string, readonly [sizes: readonly number[], make: (n: number) => Module]>} */
const CASES = {
  "get, drop": [
    powers(INSTRUCTIONS),
    (n) => repeated(n, [step("local.get", { local: 0 }), step("drop")], { locals: [SCALAR] }),
  ],
  "sums of scalars": [
    powers(INSTRUCTIONS),
    (n) => {
      const scalar = step("scalar", { dtype: "i8", value: 1n });
      return repeated(n, [scalar, scalar, step("add"), step("drop")]);
    },
  ],
  "blocks, 250 deep": [
    powers(INSTRUCTIONS),
    (n) => repeated(n, [...fill(250, step("block", { type: type(0) })), ...fill(250, END)]),
  ],
  "blocks, 64 to 64": [
    powers(8192),
    (n) => unreached(n, [step("block", { type: type(64) }), END, ...fill(64, step("drop"))]),
  ],
  "calls, 256 to 256": [
    powers(INSTRUCTIONS),
    (n) => {
      const body = [
        step("trap", { detail: 0 }),
        ...fill(n - 2, step("call", { function: 0 })),
        END,
      ];
      return moduleOf([{ ...type(256), body }]);
    },
  ],
  "branches out of 250 blocks": [
    powers(INSTRUCTIONS),
    (n) =>
      unreached(n, [
        ...fill(250, step("block", { type: type(0) })),
        ...branches(),
        ...fill(250, END),
      ]),
  ],
  "conv, three axes": [powers(INSTRUCTIONS), (n) => unreached(n, [CONV])],
  "slice, eight axes": [powers(INSTRUCTIONS), (n) => unreached(n, [SLICE])],
  "transpose, eight axes": [powers(INSTRUCTIONS), (n) => unreached(n, [step("transpose", SWAP)])],
  rescale: [powers(INSTRUCTIONS), (n) => unreached(n, [step("rescale", RESCALE)])],
  "functions of 16 instructions": [
    powers(4096),
    (n) => moduleOf(fill(n, { body: [...fill(15, step("trap", { detail: 0 })), END] })),
  ],
  "functions of 4,096 locals": [
    powers(4096),
    (n) => moduleOf(fill(n, { locals: fill(4096, SCALAR), body: [END] })),
  ],
  "entries of 512 ports": [
    powers(32),
    (n) => {
      const type = fill(256, { dtype: "i8", rank: 8 });
      return moduleOf([{ params: type, results: type, body: [step("trap", { detail: 0 }), END] }], {
        configuration: {
          dimensions: [{ name: "N", maximum: 1 }],
          entries: Array.from({ length: n }, (_, i) => entry(i)),
        },
      });
    },
  ],
  parameters: [
    powers(INSTRUCTIONS),
    (n) => {
      const info = { dtype: "i8", shape: fill(8, 1), root: new Uint8Array(32) };
      return moduleOf([{ body: [END] }], {
        parameters: fill(n, info),
        parameterData: fill(n, Uint8Array.of(1)),
      });
    },
  ],
  provenance: [
    powers(256),
    (n) => {
      const notes = Array.from({ length: n }, (_, i) => [`key ${i}`, "x".repeat(65_536)]);
      return moduleOf([{ body: [END] }], { provenance: Object.fromEntries(notes) });
    },
  ],
};

function branches() {
  return Array.from({ length: 250 }, (_, label) => step("br", { label }));
}

/** Five sizes up to `most`, each twice the one before. */
function powers(/** @type {number} */ most) {
  return [16, 8, 4, 2, 1].map((part) => most / part);
}

/**
 * @typedef {object} DecodeSize
 * @property {number} bytes
 * @property {number} instructions
 * @property {number} ms decoding and validating, the median
 * @property {number} heldBytes by the module and what validating made of it
 * @property {number} boundBytes 4 a byte, 64 an instruction, 16 MiB
 * @property {number} peakBytes resident at most, beyond what was there before: with garbage in it
 */

/** @typedef {{ name: string, sizes: DecodeSize[] }} DecodeSeries */

/**
 * @param {string} filter part of the names of what is measured
 * @returns {Promise<DecodeSeries[]>}
 */
export async function benchDecode(filter = "") {
  const folder = mkdtempSync(join(tmpdir(), "aivm-decode-"));
  try {
    const series = [];
    for (const [name, [sizes, make]] of Object.entries(CASES)) {
      if (!name.includes(filter)) continue;
      const files = sizes.map((n) => {
        const file = join(folder, String(n));
        writeFileSync(file, encodeModule(make(n)));
        return file;
      });
      series.push({ name, sizes: await apart(files) });
    }
    return series;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a process measures that has never held more than the files, one after the other. */
function apart(/** @type {readonly string[]} */ files) {
  const child = fork(fileURLToPath(import.meta.url), files, { execArgv: ["--expose-gc"] });
  return /** @type {Promise<DecodeSize[]>} */ (
    new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`a measurement ended with exit code ${code}`)));
    })
  );
}

/** @param {string} file */
async function measure(file) {
  const bytes = new Uint8Array(readFileSync(file));
  const rss = process.memoryUsage.rss();
  const before = heldBytes();
  const valid = validateModule(decodeModule(bytes));
  const heldNow = heldBytes() - before;
  const { functions } = valid.module;
  const instructions = functions.reduce((sum, { body }) => sum + body.length, 0);
  const peakBytes = Math.max(0, process.resourceUsage().maxRSS * 1024 - rss);
  const { medianMs } = await time(() => validateModule(decodeModule(bytes)), ROUNDS);
  return {
    bytes: bytes.length,
    instructions,
    ms: medianMs,
    heldBytes: heldNow,
    boundBytes: 4 * bytes.length + 64 * instructions + 16 * MIB,
    peakBytes,
  };
}

function heldBytes() {
  // What the first finds dead outside the heap, the second takes off.
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/**
 * Growth is that of time over that of bytes, from the last but one size to the last: 1 is linear.
 * @param {readonly DecodeSeries[]} series
 */
export function decodeTable(series) {
  const head =
    "| module | bytes | ms | ns a byte | time over bytes, a doubling | held, MiB | of the bound | peak, MiB |";
  const rows = series.map(({ name, sizes }) => {
    const [half, whole] = sizes.slice(-2);
    if (half === undefined || whole === undefined) return `| ${name} |`;
    const growths = sizes.slice(1).map((size, i) => {
      const smaller = sizes[i] ?? size;
      return (size.ms / smaller.ms / (size.bytes / smaller.bytes)).toFixed(2);
    });
    const nanoseconds = (1e6 * whole.ms) / whole.bytes;
    const share = Math.max(...sizes.map(({ heldBytes, boundBytes }) => heldBytes / boundBytes));
    return `| ${name} | ${whole.bytes} | ${whole.ms.toFixed(1)} | ${nanoseconds.toFixed(0)} | ${growths.join(" ")} | ${(whole.heldBytes / MIB).toFixed(1)} | ${share.toFixed(2)} | ${(whole.peakBytes / MIB).toFixed(0)} |`;
  });
  return [head, "|---|---|---|---|---|---|---|---|", ...rows].join("\n");
}

const [, script, ...files] = process.argv;
if (script === fileURLToPath(import.meta.url) && files.length > 0) {
  const [first] = files;
  // What is compiled and cached once belongs to no module.
  for (let i = 0; i < 3; i++) await measure(first ?? "");
  const sizes = [];
  for (const file of files) sizes.push(await measure(file));
  process.send?.(sizes);
}
