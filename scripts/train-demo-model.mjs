// Trains the digit classifier of the demo and writes examples/models/digits.onnx:
// conv 3×3 (16) → ReLU → max pool → conv 3×3 (32) → ReLU → max pool → dense (10) → softmax.
// Plain loops, Adam, seeded; about five minutes. Run `npm run build` first.
//
// usage: node scripts/train-demo-model.mjs [EPOCHS]
import { writeFileSync } from "node:fs";
import { ModelBuilder, tensor } from "../dist/compiler/onnx/modelBuilder.js";
import { loadDigits, SIDE } from "../examples/digits.mjs";

const EPOCHS = Number(process.argv[2] ?? 8);
const BATCH = 32;
const OUT = new URL("../examples/models/digits.onnx", import.meta.url);

let state = 0x9e3779b9;
/** Uniform in [0, 1): xorshift32. */
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A tensor that is learnt, with its gradient and Adam's two moments. */
function learnt(dims, fanIn) {
  const length = dims.reduce((a, b) => a * b, 1);
  const value = new Float32Array(length);
  if (fanIn > 0) for (let i = 0; i < length; i++) value[i] = normal() * Math.sqrt(2 / fanIn);
  const zeros = () => new Float32Array(length);
  return { dims, value, gradient: zeros(), mean: zeros(), square: zeros() };
}

/** 3×3 convolution over maps with a border of one pixel: `side` is that of the inside. */
function conv(inputs, outputs, side) {
  const weights = learnt([outputs, inputs, 3, 3], inputs * 9);
  const bias = learnt([outputs], 0);
  const wide = side + 2;
  const y = new Float32Array(outputs * side * side);
  // Three taps of a row at a time: a load and a store serve three products.
  return {
    parameters: [weights, bias],
    y,
    forward(x) {
      const w = weights.value;
      for (let o = 0; o < outputs; o++) {
        y.fill(bias.value[o], o * side * side, (o + 1) * side * side);
        for (let i = 0; i < inputs; i++) {
          for (let k = 0; k < 3; k++) {
            const tap = (o * inputs + i) * 9 + 3 * k;
            const [w0, w1, w2] = [w[tap], w[tap + 1], w[tap + 2]];
            for (let row = 0; row < side; row++) {
              let from = (i * wide + k + row) * wide;
              const to = (o * side + row) * side;
              for (let at = to; at < to + side; at++, from++) {
                y[at] += w0 * x[from] + w1 * x[from + 1] + w2 * x[from + 2];
              }
            }
          }
        }
      }
      for (let i = 0; i < y.length; i++) if (y[i] < 0) y[i] = 0;
    },
    /** `dy` already is zero where the ReLU was; adds to `dx` when there is one. */
    backward(x, dy, dx) {
      const w = weights.value;
      const dw = weights.gradient;
      for (let o = 0; o < outputs; o++) {
        for (let at = o * side * side; at < (o + 1) * side * side; at++) {
          bias.gradient[o] += dy[at];
        }
        for (let i = 0; i < inputs; i++) {
          for (let k = 0; k < 3; k++) {
            const tap = (o * inputs + i) * 9 + 3 * k;
            const [w0, w1, w2] = [w[tap], w[tap + 1], w[tap + 2]];
            let [s0, s1, s2] = [0, 0, 0];
            for (let row = 0; row < side; row++) {
              let from = (i * wide + k + row) * wide;
              const to = (o * side + row) * side;
              for (let at = to; at < to + side; at++, from++) {
                const d = dy[at];
                if (d === 0) continue; // three of four: the pool passes one pixel on
                s0 += d * x[from];
                s1 += d * x[from + 1];
                s2 += d * x[from + 2];
                if (dx === undefined) continue;
                dx[from] += w0 * d;
                dx[from + 1] += w1 * d;
                dx[from + 2] += w2 * d;
              }
            }
            dw[tap] += s0;
            dw[tap + 1] += s1;
            dw[tap + 2] += s2;
          }
        }
      }
    },
  };
}

/** 2×2 max pool of `maps` maps of `side`, into maps with a border (`border` 1) or without. */
function pool(maps, side, border) {
  const half = side / 2;
  const wide = half + 2 * border;
  const y = new Float32Array(maps * wide * wide);
  const from = new Int32Array(y.length).fill(-1);
  return {
    y,
    forward(x) {
      for (let m = 0; m < maps; m++) {
        for (let r = 0; r < half; r++) {
          for (let c = 0; c < half; c++) {
            const corner = (m * side + 2 * r) * side + 2 * c;
            let best = corner;
            for (const i of [corner + 1, corner + side, corner + side + 1]) {
              if (x[i] > x[best]) best = i;
            }
            const to = (m * wide + r + border) * wide + c + border;
            y[to] = x[best];
            from[to] = best;
          }
        }
      }
    },
    /** Gradient before the pool and its ReLU: only the greatest pixel passes it on, if positive. */
    backward(dy, dx) {
      dx.fill(0);
      for (let i = 0; i < dy.length; i++) if (from[i] >= 0 && y[i] > 0) dx[from[i]] += dy[i];
    },
  };
}

const FEATURES = 32 * 7 * 7;
const conv1 = conv(1, 16, SIDE);
const pool1 = pool(16, SIDE, 1);
const conv2 = conv(16, 32, SIDE / 2);
const pool2 = pool(32, SIDE / 2, 0);
const weights = learnt([10, FEATURES], FEATURES);
const bias = learnt([10], 0);
const parameters = [...conv1.parameters, ...conv2.parameters, weights, bias];

const image = new Float32Array((SIDE + 2) ** 2);
const logits = new Float64Array(10);
const gradients = {
  pool2: new Float32Array(FEATURES),
  conv2: new Float32Array(conv2.y.length),
  pool1: new Float32Array(pool1.y.length),
  conv1: new Float32Array(conv1.y.length),
};

function forward(pixels, right = 0, down = 0) {
  image.fill(0);
  for (let r = 0; r < SIDE; r++) {
    for (let c = 0; c < SIDE; c++) {
      const [y, x] = [r + down, c + right];
      if (y < 0 || y >= SIDE || x < 0 || x >= SIDE) continue;
      image[(y + 1) * (SIDE + 2) + x + 1] = pixels[r * SIDE + c];
    }
  }
  conv1.forward(image);
  pool1.forward(conv1.y);
  conv2.forward(pool1.y);
  pool2.forward(conv2.y);
  for (let k = 0; k < 10; k++) {
    let sum = bias.value[k];
    for (let i = 0; i < FEATURES; i++) sum += weights.value[k * FEATURES + i] * pool2.y[i];
    logits[k] = sum;
  }
}

function backward(label) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (l) => Math.exp(l - top));
  const total = powers.reduce((a, b) => a + b);
  gradients.pool2.fill(0);
  for (let k = 0; k < 10; k++) {
    const d = powers[k] / total - (k === label ? 1 : 0);
    bias.gradient[k] += d;
    for (let i = 0; i < FEATURES; i++) {
      weights.gradient[k * FEATURES + i] += d * pool2.y[i];
      gradients.pool2[i] += d * weights.value[k * FEATURES + i];
    }
  }
  pool2.backward(gradients.pool2, gradients.conv2);
  gradients.pool1.fill(0);
  conv2.backward(pool1.y, gradients.conv2, gradients.pool1);
  pool1.backward(gradients.pool1, gradients.conv1);
  conv1.backward(image, gradients.conv1);
}

function adam(rate, step) {
  for (const { value, gradient, mean, square } of parameters) {
    for (let i = 0; i < value.length; i++) {
      const g = gradient[i] / BATCH;
      mean[i] = 0.9 * mean[i] + 0.1 * g;
      square[i] = 0.999 * square[i] + 0.001 * g * g;
      const m = mean[i] / (1 - 0.9 ** step);
      const s = square[i] / (1 - 0.999 ** step);
      value[i] -= (rate * m) / (Math.sqrt(s) + 1e-8);
    }
    gradient.fill(0);
  }
}

function accuracy(digits) {
  let right = 0;
  for (const { label, pixels } of digits) {
    forward(pixels);
    if (logits.indexOf(Math.max(...logits)) === label) right++;
  }
  return right / digits.length;
}

const { training, heldOut } = loadDigits();
const steps = EPOCHS * Math.floor(training.length / BATCH);
let step = 0;
for (let epoch = 1; epoch <= EPOCHS; epoch++) {
  for (let i = training.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [training[i], training[j]] = [training[j], training[i]];
  }
  for (let at = 0; at + BATCH <= training.length; at += BATCH) {
    for (const { label, pixels } of training.slice(at, at + BATCH)) {
      // Moved by up to two pixels, so that 9,000 digits teach more.
      forward(pixels, Math.floor(random() * 5) - 2, Math.floor(random() * 5) - 2);
      backward(label);
    }
    step++;
    adam(0.001 * (1 + Math.cos((Math.PI * step) / steps)), step);
  }
  console.log(`epoch ${epoch}: ${(100 * accuracy(heldOut)).toFixed(2)} % of held-out digits`);
}

const b = new ModelBuilder(17);
const constant = (name, { dims, value }) => b.constant(name, tensor("float32", dims, value));
constant("conv1.weight", conv1.parameters[0]);
constant("conv1.bias", conv1.parameters[1]);
constant("conv2.weight", conv2.parameters[0]);
constant("conv2.bias", conv2.parameters[1]);
constant("fc.weight", weights);
constant("fc.bias", bias);
b.input("image", "float32", [1, 1, SIDE, SIDE]);
b.node("Conv", ["image", "conv1.weight", "conv1.bias"], ["conv1"], { pads: [1, 1, 1, 1] });
b.node("Relu", ["conv1"], ["relu1"]);
b.node("MaxPool", ["relu1"], ["pool1"], { kernel_shape: [2, 2], strides: [2, 2] });
b.node("Conv", ["pool1", "conv2.weight", "conv2.bias"], ["conv2"], { pads: [1, 1, 1, 1] });
b.node("Relu", ["conv2"], ["relu2"]);
b.node("MaxPool", ["relu2"], ["pool2"], { kernel_shape: [2, 2], strides: [2, 2] });
b.node("Flatten", ["pool2"], ["features"]);
b.node("Gemm", ["features", "fc.weight", "fc.bias"], ["logits"], { transB: 1 });
b.node("Softmax", ["logits"], ["probabilities"]);
b.output("probabilities", "float32", [1, 10]);
const model = b.encode();
writeFileSync(OUT, model);
console.log(`${OUT.pathname}: ${model.length} bytes`);
