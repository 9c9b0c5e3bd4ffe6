import type { TensorRange } from "../calibration.js";
import type { ConstantTensor, Dim, Graph, GraphNode } from "../graph.js";
import { isCache, movedInto } from "../states.js";
import { byteFormat } from "./byteFormat.js";
import { openHeadroom, probabilityReach } from "./openRanges.js";
import type { Profile } from "./profile.js";
import { limitOf, SINGLE, WIDE } from "./profile.js";
import type { Format } from "./real.js";
import { format } from "./real.js";
import { exponentOf, powerOfTwo, roundScale } from "./scale.js";
import type { ScoreMasks } from "./scoreMasks.js";
import { WideValues } from "./wideValues.js";

/** What choosing formats asks of the graph that is being lowered. */
interface KnownGraph {
  readonly graph: Graph;
  readonly profile: Profile;
  readonly masks: ScoreMasks;
  consumersOf(name: string): readonly GraphNode[];
  producerOf(name: string): GraphNode | undefined;
  shapeOf(name: string): readonly Dim[];
  constant(name: string): ConstantTensor | undefined;
  rangeOf(name: string): TensorRange | undefined;
  requireRange(name: string, node: GraphNode): TensorRange;
}

/** Which format each real value of a graph gets: from its range, and from what reads it. */
export class Formats {
  readonly #known: KnownGraph;
  readonly #wide: WideValues;
  /** Formats that are given: of states, and of what crosses the border of a body. */
  readonly #held = new Map<string, Format>();

  constructor(graph: KnownGraph) {
    this.#known = graph;
    this.#wide = new WideValues(graph);
  }

  /**
   * The format of a value by its calibrated range.
   * @param interval what the producer lets through (a fused clamp), to narrow the range
   * @param channels whether the producer can give each channel a scale
   */
  choose(
    name: string,
    node: GraphNode,
    interval: readonly [number, number] = [-Infinity, Infinity],
    channels: "perChannel" | "perTensor" = "perTensor",
  ): Format {
    const held = this.#held.get(name);
    if (held !== undefined) return held;
    const term = this.#termFormat(name, node);
    if (term !== undefined) return term;
    const range = this.#known.masks.range(name, this.#known.requireRange(name, node));
    const clip = (x: number): number => Math.min(Math.max(x, interval[0]), interval[1]);
    const width = this.#widthFor(name);
    const headroom =
      (width === WIDE ? openHeadroom(this.#known, name) : undefined) ?? width.headroom;
    const unit = headroom / limitOf(width);
    const seen = Math.max(Math.abs(clip(range.min)), Math.abs(clip(range.max)));
    const reach =
      width.bits === 8 ? undefined : probabilityReach(this.#known, name, seen, headroom);
    const greatest = reach === undefined ? seen : reach / headroom;
    const fallback = greatest === 0 ? 1 : greatest;
    const limit = limitOf(width);
    const bounds = [-limit - 1, limit] as const;
    // A bound other than 0 would be another integer in each channel.
    const oneBound = interval.every((x) => x === 0 || !Number.isFinite(x));
    const byChannel =
      channels === "perChannel" && oneBound ? this.#perChannel(name, range) : undefined;
    if (byChannel === undefined && width.bits === 8)
      return byteFormat(range, interval, this.#takesZeroPoint(name));
    if (byChannel === undefined) return format(width.dtype, roundScale(fallback * unit), 0, bounds);
    const scales = byChannel.min.map((min, c) => {
      const own = Math.max(Math.abs(clip(min)), Math.abs(clip(byChannel.max[c]!)));
      // A channel that was almost silent in calibration may speak up later: it keeps a floor.
      return roundScale(Math.max(own, fallback / 1024) * unit);
    });
    return format(width.dtype, { axis: byChannel.axis, scales }, 0, bounds);
  }

  /** The format of what scores are added up from, where their own has room for it. */
  #termFormat(name: string, node: GraphNode): Format | undefined {
    const { masks } = this.#known;
    const term = masks.termOf(name);
    const range = this.#known.rangeOf(name);
    if (term === undefined || range === undefined) return undefined;
    if (!this.#wide.has(term.output) || this.#known.rangeOf(term.output) === undefined)
      return undefined;
    const sum = this.choose(term.output, node);
    if (typeof sum.scale !== "number") return undefined;
    const scale = roundScale(sum.scale / term.factor);
    return masks.hasRoom(range, sum.hi * scale) ? { ...sum, scale } : undefined;
  }

  /** Whether all that reads a value are contractions with constant weights, which take any zero point. */
  #takesZeroPoint(name: string): boolean {
    return this.#known.consumersOf(name).every((node) => {
      if (PRESERVING.has(node.opType)) return this.#takesZeroPoint(node.outputs[0]!);
      const weights = node.inputs[1]!;
      const integers = this.#known.producerOf(weights)?.inputs[0] ?? weights;
      return node.inputs[0] === name && this.#known.constant(integers) !== undefined;
    });
  }

  /**
   * Whether a value loses too much under one scale: its readers take a scale for each channel, and
   * some channel is so much quieter than the loudest that few integers are left to it.
   */
  wantsChannels(name: string): boolean {
    const range = this.#known.rangeOf(name);
    const channels = range === undefined ? undefined : this.#perChannel(name, range);
    if (range === undefined || channels === undefined) return false;
    const greatest = Math.max(Math.abs(range.min), Math.abs(range.max));
    return channels.min.some((min, c) => {
      const own = Math.max(Math.abs(min), Math.abs(channels.max[c]!));
      return own > 0 && own * QUIET < greatest;
    });
  }

  /**
   * Inputs of the model keep the profile's full width; what reads them narrows them where it must.
   * Scales of a quantised model, and what is quantised when running, come in 24 bits, at a power of
   * two, so that the ties of rounding arrive as they are.
   */
  chooseInput(name: string): Format {
    const held = this.#held.get(name);
    if (held !== undefined) return held;
    const quantised = this.#known
      .consumersOf(name)
      .some(
        (node) =>
          QUANTISING.has(node.opType) || (QUANTISED.has(node.opType) && node.inputs[0] !== name),
      );
    const width = this.#wide.has(name) ? WIDE : quantised ? SINGLE : this.#known.profile.activation;
    const limit = limitOf(width);
    const seen = this.#known.rangeOf(name);
    const range = seen === undefined ? undefined : this.#known.masks.range(name, seen);
    const greatest =
      range === undefined ? 1 : Math.max(Math.abs(range.min), Math.abs(range.max)) || 1;
    // With bits to spare, steps are powers of two: whole numbers and halves are held exactly.
    const finest = (greatest * width.headroom) / limit;
    const scale = width.dtype === "i32" ? powerOfTwo(exponentOf(finest) + 1) : roundScale(finest);
    return format(width.dtype, scale, 0, [-limit - 1, limit]);
  }

  /**
   * Holds an output and the input that it is fed into in one format, for the ranges of both: wide,
   * and so is what it is a sum of, unless it is a cache for products. Before anything is lowered.
   */
  holdState(output: string, input: string): void {
    const cache = isCache(this.#known.graph, input);
    const { activation } = this.#known.profile;
    const width = cache && activation.bits < 31 ? activation : WIDE;
    const reach = [output, input]
      .map((name) => this.#known.rangeOf(name))
      .reduce(
        (most, r) => (r === undefined ? most : Math.max(most, Math.abs(r.min), Math.abs(r.max))),
        0,
      );
    const limit = limitOf(width);
    const headroom = width === WIDE ? STATE_HEADROOM : width.headroom;
    const unit = ((reach === 0 ? 1 : reach) * headroom) / limit;
    const held = format(width.dtype, roundScale(unit), 0, [-limit - 1, limit]);
    this.hold(output, held);
    this.hold(input, held);
  }

  /**
   * Gives a value a format that others count on, so that it is rounded once. What becomes a wide
   * value by being moved is wide too. Before anything is lowered.
   */
  hold(name: string, held: Format): void {
    this.#held.set(name, held);
    if (held.dtype !== "i32") return;
    for (const part of movedInto(this.#known.graph, name)) this.#wide.add(part);
  }

  /** The format that a value must have, if any. */
  heldFor(name: string): Format | undefined {
    return this.#held.get(name);
  }

  #widthFor(name: string): Profile["activation"] {
    if (this.#wide.has(name) || this.#isScale(name)) return WIDE;
    if (this.isSpectrum(name)) return SINGLE;
    const consumers = this.#known.consumersOf(name);
    const onlyContractions =
      consumers.length > 0 &&
      !this.#known.graph.outputs.includes(name) &&
      consumers.every((node) => this.#reachesOnlyContractions(node, name));
    return onlyContractions ? this.#known.profile.contractionInput : this.#known.profile.activation;
  }

  /**
   * Whether a value is the magnitude of a spectrum, moved at most: what is quiet in it counts as
   * much as what is loud, also in the products that read it.
   */
  isSpectrum(name: string): boolean {
    const node = this.#known.producerOf(name);
    if (node?.domain !== "") return false;
    const from = node.inputs[0]!;
    if (node.opType === "Sqrt") return this.#isPower(from);
    return PRESERVING.has(node.opType) && this.isSpectrum(from);
  }

  /** A square, or a sum of them. */
  #isPower(name: string): boolean {
    const node = this.#known.producerOf(name);
    if (node?.domain !== "") return false;
    const [a = "", b = ""] = node.inputs;
    if (node.opType === "Mul") return a === b;
    return node.opType === "Add" && this.#isPower(a) && this.#isPower(b);
  }

  /** One number that is computed when running scales a tensor: its rounding is that of all of it. */
  #isScale(name: string): boolean {
    const shape = this.#known.graph.values.get(name)?.shape;
    return shape?.length === 0 && !this.#known.graph.outputs.includes(name);
  }

  #reachesOnlyContractions(node: GraphNode, name: string): boolean {
    if (CONTRACTIONS.has(node.opType)) return node.inputs[0] === name || node.opType === "MatMul";
    if (!PRESERVING.has(node.opType)) return false;
    const output = node.outputs[0]!;
    const consumers = this.#known.consumersOf(output);
    return (
      consumers.length > 0 &&
      !this.#known.graph.outputs.includes(output) &&
      consumers.every((next) => this.#reachesOnlyContractions(next, output))
    );
  }

  /** Ranges by channel where every reader can take a scale for each channel. */
  #perChannel(name: string, range: TensorRange): TensorRange["channels"][number] | undefined {
    const channels = range.channels.find((c) => c.axis === 1);
    if (channels === undefined || this.#known.graph.outputs.includes(name)) return undefined;
    const consumers = this.#known.consumersOf(name);
    const free = consumers.length > 0 && consumers.every((node) => this.#takesChannels(node, name));
    return free ? channels : undefined;
  }

  #takesChannels(node: GraphNode, name: string): boolean {
    if (node.opType === "Conv") {
      if (node.inputs[0] !== name) return false;
      const weights = this.#known.constant(node.inputs[1] ?? "");
      return weights?.dims[1] === 1;
    }
    if (node.opType !== "MaxPool" && node.opType !== "Relu") return false;
    const output = node.outputs[0]!;
    const consumers = this.#known.consumersOf(output);
    return (
      consumers.length > 0 &&
      !this.#known.graph.outputs.includes(output) &&
      consumers.every((next) => this.#takesChannels(next, output))
    );
  }
}

/** A state may grow over many runs, more than calibration saw. */
const STATE_HEADROOM = 16;

/** A channel this much quieter than the loudest keeps fewer than 9 of 16 bits. */
const QUIET = 32;

/** Operators that multiply and add; they read their first input as an activation. */
const CONTRACTIONS: ReadonlySet<string> = new Set([
  "Conv",
  "ConvTranspose",
  "Gemm",
  "Linear",
  "MatMul",
]);
/** Operators that round reals to the integers of a quantised model. */
const QUANTISING: ReadonlySet<string> = new Set(["DynamicQuantizeLinear", "QuantizeLinear"]);
/** Operators whose other reals are scales. */
const QUANTISED: ReadonlySet<string> = new Set([
  "DequantizeLinear",
  "QLinearConv",
  "QLinearMatMul",
]);
/** Operators that move or select values without changing them. */
const PRESERVING: ReadonlySet<string> = new Set([
  "MaxPool",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Slice",
  "Split",
  "Relu",
  "Identity",
  "Expand",
]);
