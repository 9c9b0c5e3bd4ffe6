// Time against size: nothing may grow faster than its arithmetic.
import { parseAssembly } from "aivm/module";
import { createSimdBackendSync } from "aivm/tensor/simd";
import { instantiate } from "aivm/vm";
import { race } from "./race.mjs";

const HEAD = 'aivm isa=1 gas=1\ndimension "N" maximum=65536\n';
const CONV = `const parameter=0
  conv aBits=16 bBits=8 accumulator=i32 strides=[1, 1] dilations=[1, 1] pads=[1, 1, 1, 1] groups=1 padValue=0
  rescale multiplier=3 shift=12 dtype=i16 zeroPoint=0 lo=-32768 hi=32767`;
const PRODUCT = `const parameter=0
  matmul aBits=16 bBits=8 accumulator=i32
  rescale multiplier=3 shift=12 dtype=i16 zeroPoint=0 lo=-32768 hi=32767`;

/**
 * A module of one parameter and one function whose input and output have one shape.
 * @param {string} ports
 * @param {readonly number[]} parameter
 * @param {string} body
 */
function moduleOf(ports, parameter, body) {
  const rank = ports.split(",").length;
  const count = parameter.reduce((product, dim) => product * dim, 1);
  const values = Array.from({ length: count }, (_, i) => ((i * 37) % 255) - 127).join(" ");
  return parseAssembly(`${HEAD}
entry "main" function=0
  input "x" i16 [${ports}]
  output "y" i16 [${ports}]
parameter i8 [${parameter.join(", ")}]
  values ${values}
function (i16:${rank})->(i16:${rank})
  local.get local=0
  ${body}
end
`);
}

/** Scores of all positions by all, weighted sums of all: quadratic in the sequence. */
const ATTENTION = `local.get local=0
  transpose perm=[0, 2, 1]
  matmul aBits=16 bBits=16 accumulator=i64
  rescale multiplier=3 shift=30 dtype=i16 zeroPoint=0 lo=-2048 hi=2047
  local.get local=0
  matmul aBits=12 bBits=16 accumulator=i64
  rescale multiplier=3 shift=20 dtype=i16 zeroPoint=0 lo=-32768 hi=32767`;

const SERIES = [
  {
    name: "batch, rows of 256 by 256²",
    sizes: [1, 4, 16, 64, 256],
    module: () => moduleOf('"N", 256', [256, 256], PRODUCT),
    dims: (/** @type {number} */ n) => [n, 256],
  },
  {
    name: "sequence, attention of 64 wide",
    sizes: [32, 64, 128, 256, 512],
    module: () => moduleOf('1, "N", 64', [1], ATTENTION),
    dims: (/** @type {number} */ n) => [1, n, 64],
  },
  {
    name: "image side, 3×3 of 16 channels",
    sizes: [16, 32, 64, 128, 256],
    module: () => moduleOf('1, "N", "N", 16', [3, 3, 16, 16], CONV),
    dims: (/** @type {number} */ n) => [1, n, n, 16],
  },
  {
    name: "layers, 3×3 of 16 channels at 32²",
    sizes: [1, 4, 16, 64],
    module: (/** @type {number} */ n) =>
      moduleOf("1, 32, 32, 16", [3, 3, 16, 16], Array(n).fill(CONV).join("\n  ")),
    dims: () => [1, 32, 32, 16],
  },
  {
    name: "layers, products of 1 × 64 by 64²",
    sizes: [16, 64, 256, 1024],
    module: (/** @type {number} */ n) =>
      moduleOf("1, 64", [64, 64], Array(n).fill(PRODUCT).join("\n  ")),
    dims: () => [1, 64],
  },
];

/**
 * The exponent p of the power law y ≈ c·xᵖ that fits best.
 * @param {readonly number[]} x
 * @param {readonly number[]} y
 */
export function powerFit(x, y) {
  const mean = (/** @type {readonly number[]} */ v) => v.reduce((a, b) => a + b, 0) / v.length;
  const [lx, ly] = [x.map(Math.log), y.map(Math.log)];
  const [mx, my] = [mean(lx), mean(ly)];
  const cov = mean(lx.map((v, i) => (v - mx) * ((ly[i] ?? NaN) - my)));
  return cov / mean(lx.map((v) => (v - mx) ** 2));
}

/**
 * Times every series; the exponent of the gas stands beside that of the time.
 * @param {number} seconds of each series
 */
export async function benchGrowth(seconds) {
  const series = [];
  for (const { name, sizes, module, dims } of SERIES) {
    const backend = createSimdBackendSync();
    const shared = instantiate(module(sizes[0] ?? 1), { backend });
    const runs = sizes.map((n) => {
      const instance = name.startsWith("layers") ? instantiate(module(n), { backend }) : shared;
      const shape = dims(n);
      const count = shape.reduce((product, dim) => product * dim, 1);
      const integers = Int16Array.from({ length: count }, (_, i) => ((i * 7919) % 65535) - 32767);
      const inputs = { x: { integers, dims: shape } };
      return { instance, inputs, gas: Number(instance.runSync({ inputs }).receipt.gasUsed) };
    });
    const timings = await race(
      runs.map(
        ({ instance, inputs }) =>
          () =>
            instance.runSync({ inputs }),
      ),
      seconds,
    );
    backend.dispose();
    const ms = timings.map(({ medianMs }) => medianMs);
    series.push({
      name,
      sizes,
      ms,
      exponent: powerFit(sizes, ms),
      gasExponent: powerFit(
        sizes,
        runs.map(({ gas }) => gas),
      ),
    });
  }
  return series;
}
