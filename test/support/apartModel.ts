import { encodeModel } from "../../src/compiler/onnx/wire.js";
import type { ExternalData } from "../../src/compiler/onnx/tensor.js";
import type { Calibration, TensorRange } from "../../src/compiler/calibration.js";
import { toHex } from "../../src/module/hex.js";
import { sha256 } from "../../src/module/sha256.js";

export interface ApartModel {
  readonly model: Uint8Array;
  readonly calibration: Calibration;
  /** Of each layer, row-major. */
  readonly weights: (layer: number) => Float32Array<ArrayBuffer>;
  /** The file of the weights, made as it is read. */
  readonly externalData: ExternalData;
  readonly externalBytes: number;
}

/**
 * `y = relu(… relu(x·w₀)·w₁ …)·wₙ₋₁`, all weights in the file `weights.bin`, one after another.
 * Weights are uniform and so large that values keep their size from layer to layer.
 */
export function apartModel(layers: number, width: number): ApartModel {
  const layerBytes = 4 * width * width;
  const weights = (layer: number): Float32Array<ArrayBuffer> => {
    const bound = Math.sqrt(6 / width);
    let state = layer + 1;
    return Float32Array.from({ length: width * width }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state / 2 ** 31 - 1) * bound;
    });
  };
  const port = (name: string) => ({
    name,
    type: {
      tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1n }, { dimValue: BigInt(width) }] } },
    },
  });
  const range: TensorRange = { min: -4, max: 4, rms: 1, count: width, channels: [], histogram: [] };
  const tensors: Record<string, TensorRange> = { x: range, y: range };
  const node = [];
  for (let layer = 0; layer < layers; layer++) {
    const last = layer === layers - 1;
    const from = layer === 0 ? "x" : `relu${String(layer - 1)}`;
    const to = last ? "y" : `product${String(layer)}`;
    node.push({ opType: "MatMul", input: [from, `w${String(layer)}`], output: [to] });
    tensors[to] = range;
    if (last) continue;
    const relu = `relu${String(layer)}`;
    node.push({ opType: "Relu", input: [to], output: [relu] });
    tensors[relu] = { ...range, min: 0 };
  }
  const size = BigInt(width);
  const model = encodeModel({
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    graph: {
      name: "apart",
      node,
      initializer: Array.from({ length: layers }, (_, layer) => ({
        name: `w${String(layer)}`,
        dims: BigInt64Array.of(size, size),
        dataType: 1,
        dataLocation: 1,
        externalData: [
          { key: "location", value: "weights.bin" },
          { key: "offset", value: String(layer * layerBytes) },
          { key: "length", value: String(layerBytes) },
        ],
      })),
      input: [port("x")],
      output: [port("y")],
    },
  });
  const calibration: Calibration = {
    version: 1,
    model: toHex(sha256(model)),
    samples: 1,
    madeUp: false,
    dims: {},
    tensors,
  };
  const externalData: ExternalData = (_location, offset, length) => {
    const bytes = new Uint8Array(weights(Math.floor(offset / layerBytes)).buffer);
    return bytes.slice(offset % layerBytes, (offset % layerBytes) + length);
  };
  return { model, calibration, weights, externalData, externalBytes: layers * layerBytes };
}
