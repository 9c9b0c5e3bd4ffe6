import { constantCount, constantNumbers } from "../graph.js";
import { derivedTensor } from "../lazyTensor.js";
import type { ConstantTensor, GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { ContribExpansion } from "./contribExpansion.js";

/**
 * com.microsoft.MatMulNBits: a product with a constant matrix that is quantised by blocks of rows, 8
 * bits or 4, two to a byte. The matrix is written out in reals.
 */
export function matmulNBits(view: NodeView): GraphNode[] {
  const [rows, columns] = [view.int("K", 0), view.int("N", 0)];
  const bits = view.int("bits", 4);
  const block = view.int("block_size", 0);
  const [packed, scales] = [view.constant(1), view.constant(2)];
  if (
    packed === undefined ||
    scales === undefined ||
    (view.has(3) && view.constant(3) === undefined)
  )
    throw view.error("NotConstant", "the weights, their scales and zero points must be constants");
  if ((bits !== 4 && bits !== 8) || block < 1)
    throw view.error(
      "UnsupportedOperator",
      `weights of ${String(bits)} bits in blocks of ${String(block)} are not supported`,
    );
  if (view.has(4)) throw view.error("UnsupportedOperator", "g_idx is not supported");
  const blocks = Math.ceil(rows / block);
  const blob = Math.ceil((block * bits) / 8);
  const scale = constantNumbers(scales);
  if (constantCount(packed) !== columns * blocks * blob || scale.length !== columns * blocks)
    throw view.shapeError("weights and scales do not have the sizes that K, N and block_size say");
  const zero = zeroPoints(view.constant(3), columns, blocks, bits);
  const weights = derivedTensor(packed, "float32", [rows, columns], (source) => {
    const weight = unpacked(constantNumbers(source), bits);
    const perByte = 8 / bits;
    const data = new Float64Array(rows * columns);
    for (let n = 0; n < columns; n++) {
      for (let k = 0; k < rows; k++) {
        const at = n * blocks + Math.floor(k / block);
        const q = weight(at * blob * perByte + (k % block));
        data[k * columns + n] = (q - zero(n, Math.floor(k / block))) * scale[at]!;
      }
    }
    return data;
  });
  const e = new ContribExpansion(view);
  const matrix = e.constant("weights", weights);
  const product = e.add("MatMul", [view.name(0), matrix]);
  if (view.has(5)) e.add("Add", [product, view.name(5)]);
  return e.finish();
}

/** The i-th integer of packed bytes, the low half of each first. */
function unpacked(bytes: readonly number[], bits: number): (i: number) => number {
  if (bits === 8) return (i) => bytes[i]!;
  return (i) => (bytes[i >> 1]! >> (4 * (i & 1))) & 15;
}

/** Zero points are reals, or packed as the weights are, each column's from a byte of its own. */
function zeroPoints(
  zeros: ConstantTensor | undefined,
  columns: number,
  blocks: number,
  bits: number,
): (column: number, block: number) => number {
  if (zeros === undefined) return () => 1 << (bits - 1);
  const values = constantNumbers(zeros);
  if (zeros.elementType !== "uint8") return (n, k) => values[n * blocks + k]!;
  const row = Math.floor(values.length / columns);
  const at = unpacked(values, bits);
  return (n, k) => at((n * row * 8) / bits + k);
}
