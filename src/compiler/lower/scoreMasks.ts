/** Large negative numbers that stand for "not this one" on their way into a softmax. */
import type { TensorRange } from "../calibration.js";
import type { ConstantTensor, Graph, GraphNode } from "../graph.js";
import { constantCount, constantNumbers, finiteNumbers } from "../graph.js";
import { exponentOf } from "./scale.js";

/** See `termOf`. */
export interface ScoreTerm {
  readonly output: string;
  readonly factor: number;
}

interface Connections {
  readonly graph: Graph;
  consumersOf(name: string): readonly GraphNode[];
  producerOf(name: string): GraphNode | undefined;
  constant(name: string): ConstantTensor | undefined;
}

/** No score reaches this: what lies below is a mask. */
const MASK = 10_000;
/** Scores are held down to here, and as far below 0 as four times the greatest lies above. */
const LEAST_SCORE = 1024;
/** e^−64 is nothing next to the greatest score. */
const ROOM = 64;
const REACH = 4;
/** What infinities in masks become: far below any score, and small enough to add to one. */
const MASKED = 32_768;

const MOVES: ReadonlySet<string> = new Set([
  "Expand",
  "Identity",
  "Reshape",
  "Slice",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);
/** Factors beyond 2^±so many make masks, whose formats are not those of what they are made of. */
const FACTOR_BITS = 12;
const COMBINES: ReadonlySet<string> = new Set(["Add", "Max", "Min", "Sub", "Where"]);

/** Keeps masks from deciding the scale of the scores that they are added to. */
export class ScoreMasks {
  readonly #graph: Connections;

  constructor(graph: Connections) {
    this.#graph = graph;
  }

  /** The range by which the format of a value is chosen. */
  range(name: string, range: TensorRange): TensorRange {
    if (this.isScore(name)) {
      // Room for a masked score below all others, and no more than that for one.
      const room = -Math.max(ROOM, REACH * Math.abs(range.max));
      const least = range.min < -MASK ? Math.min(room, -LEAST_SCORE) : Math.min(range.min, room);
      return { ...range, min: least, channels: [] };
    }
    // Calibration may have seen no masked place; its formats must have room for one all the same.
    const far = Math.max(Math.abs(range.min), Math.abs(range.max)) > MASKED;
    if ((far || this.#mayMask(name, range)) && this.#joinsScores(name))
      return { ...range, min: -MASKED, max: Math.min(range.max, MASKED), channels: [] };
    return range;
  }

  /** The numbers of a constant; infinities in a mask become finite. */
  constant(name: string, constant: ConstantTensor): Float64Array {
    if (!this.#joinsScores(name)) return finiteNumbers(constant, name);
    const data = Float64Array.from(constantNumbers(constant), (v) =>
      Math.abs(v) > MASKED ? Math.sign(v) * MASKED : v,
    );
    return finiteNumbers({ ...constant, data }, name);
  }

  /** The positive constant by which a node multiplies `x`, and nothing else; undefined for other nodes. */
  factor({ domain, opType, inputs }: GraphNode, x: string): number | undefined {
    const other = inputs.find((name) => name !== x);
    if (domain !== "" || opType !== "Mul" || other === undefined) return undefined;
    const constant = this.#graph.constant(other);
    if (constant === undefined || constantCount(constant) !== 1) return undefined;
    const factor = constantNumbers(constant)[0]!;
    const usual = factor > 0 && Math.abs(exponentOf(factor)) <= FACTOR_BITS;
    return usual ? factor : undefined;
  }

  /**
   * The scores of which a value, times a factor, is a term and nothing else: where it has their
   * scale, over that factor, the sum is one of integers.
   */
  termOf(name: string): ScoreTerm | undefined {
    let factor = 1;
    for (let at = name; !this.#graph.graph.outputs.includes(at);) {
      const [reader, ...others] = this.#graph.consumersOf(at);
      if (reader?.domain !== "" || others.length > 0) return undefined;
      const output = reader.outputs[0]!;
      if (reader.opType === "Add") return this.isScore(output) ? { output, factor } : undefined;
      const next = this.factor(reader, at);
      if (next === undefined) return undefined;
      factor *= next;
      at = output;
    }
    return undefined;
  }

  /** Whether the terms of scores that reach as far as `most` may be held in the scores' format. */
  hasRoom({ min, max }: TensorRange, most: number): boolean {
    return max <= most && (min >= -most || min < -MASK);
  }

  /** Whether all that a value is used for is a softmax. */
  isScore(name: string): boolean {
    return this.#readers(name, ({ opType, outputs }) =>
      opType === "Softmax" || opType === "LogSoftmax"
        ? true
        : MOVES.has(opType) && this.isScore(outputs[0]!),
    );
  }

  /** Whether all that a value is used for is to be combined with scores. */
  #joinsScores(name: string): boolean {
    return this.#readers(name, ({ opType, outputs }) =>
      COMBINES.has(opType)
        ? this.isScore(outputs[0]!) || this.#joinsScores(outputs[0]!)
        : MOVES.has(opType) && this.#joinsScores(outputs[0]!),
    );
  }

  #readers(name: string, accept: (node: GraphNode) => boolean): boolean {
    if (this.#graph.graph.outputs.includes(name)) return false;
    const readers = this.#graph.consumersOf(name);
    return readers.length > 0 && readers.every((node) => node.domain === "" && accept(node));
  }

  /** What calibration saw nothing of but zeros and infinities, or what only a mask is made by. */
  #mayMask(name: string, { min, max }: TensorRange): boolean {
    return (min === 0 && max === 0) || this.#isMaskProduct(name);
  }

  /** A product with a constant that nothing but a mask has, moved or not. */
  #isMaskProduct(name: string): boolean {
    const maker = this.#graph.producerOf(name);
    if (maker?.domain !== "") return false;
    if (MOVES.has(maker.opType)) return this.#isMaskProduct(maker.inputs[0]!);
    if (maker.opType !== "Mul") return false;
    return maker.inputs.some((input) => {
      const constant = this.#graph.constant(input);
      return (
        constant !== undefined &&
        constantCount(constant) === 1 &&
        Math.abs(constantNumbers(constant)[0]!) >= MASK
      );
    });
  }
}
