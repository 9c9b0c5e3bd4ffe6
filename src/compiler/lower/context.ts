import type { Dtype } from "../../core/dtype.js";
import { CompileError, InternalError } from "../../core/errors.js";
import type { Calibration, ChannelRange, TensorRange } from "../calibration.js";
import type { ParameterSink } from "../../module/parameterStore.js";
import type { FixedRegion, FixedValue } from "../fixed/fixedGraph.js";
import { FixedBuilder } from "../fixed/fixedGraph.js";
import type { ConstantTensor, Dim, ElementType, Graph, GraphNode } from "../graph.js";
import { connections, isFloat, nodeError } from "../graph.js";
import { FROM_OPERAND, INFER, copyAxis } from "../../opcodes/movement.js";
import { integerDtype } from "./dtypes.js";
import { Formats } from "./formats.js";
import { OpenDims } from "./openDims.js";
import type { Plan, WeightReport } from "../plan.js";
import type { Profile } from "./profile.js";
import { EIGHT_BIT_WEIGHTS } from "./profile.js";
import type { ChannelScale, Format, Lowered, Real, Scale } from "./real.js";
import { format, identityAxes, sameFormat, scaleRatio } from "./real.js";
import { roundScale, splitScale, toMultiplier, toMultipliers } from "./scale.js";
import type { TensorReport } from "./tensorReport.js";
import { reportTensor } from "./tensorReport.js";
import { ScoreMasks } from "./scoreMasks.js";

/** Everything that lowering one graph needs: the program so far, and what is known of the model. */
export class LoweringContext {
  readonly graph: Graph;
  readonly calibration: Calibration;
  readonly profile: Profile;
  readonly builder: FixedBuilder;
  /** Sizes that are only known when running. */
  readonly openDims: OpenDims;
  readonly reports: TensorReport[];
  /** Weights that were rounded, by node. */
  readonly weights: WeightReport[];
  readonly plan: Plan | undefined;
  /** Branches that no sample of the calibration took; they trap. */
  readonly untaken: string[];
  /** What is around the body of control flow that this is; undefined for the model's graph. */
  readonly #outer: LoweringContext | undefined;
  readonly #region: FixedRegion | undefined;
  /** Nodes that an earlier node's rule has taken in (an activation fused into a convolution). */
  readonly absorbed = new Set<GraphNode>();
  readonly #consumers: ReadonlyMap<string, readonly GraphNode[]>;
  readonly #producers: ReadonlyMap<string, GraphNode>;
  /** Large negative numbers that stand for "not this one". */
  readonly masks = new ScoreMasks(this);
  /** Which format each real value gets. */
  readonly formats = new Formats(this);
  readonly #values = new Map<string, Lowered>();
  readonly #deferred = new Map<string, () => Lowered>();
  readonly #reordered = new Map<FixedValue, Map<string, FixedValue>>();

  constructor(
    graph: Graph,
    calibration: Calibration,
    profile: Profile,
    {
      outer,
      plan,
      sink,
    }: { outer?: LoweringContext; plan?: Plan | undefined; sink?: ParameterSink | undefined } = {},
  ) {
    this.#outer = outer;
    this.plan = plan ?? outer?.plan;
    this.weights = outer?.weights ?? [];
    this.builder = outer?.builder ?? new FixedBuilder(sink);
    this.#region = this.builder.region;
    this.openDims = new OpenDims(this.builder, outer?.openDims);
    this.reports = outer?.reports ?? [];
    this.untaken = outer?.untaken ?? [];
    this.graph = graph;
    this.calibration = calibration;
    this.profile = profile;
    const { consumers, producers } = connections(graph);
    this.#consumers = consumers;
    this.#producers = producers;
  }

  // --- what is known of the model -------------------------------------------------------------

  consumersOf(name: string): readonly GraphNode[] {
    return this.#consumers.get(name) ?? [];
  }

  producerOf(name: string): GraphNode | undefined {
    return this.#producers.get(name) ?? this.#around(name)?.producerOf(name);
  }

  /** A context for a body of control flow, which writes into the region that is being written. */
  inner(body: Graph): LoweringContext {
    return new LoweringContext(body, this.calibration, this.profile, { outer: this });
  }

  /** Where a name that this graph does not have may be known. */
  #around(name: string): LoweringContext | undefined {
    return this.#isOwn(name) ? undefined : this.#outer;
  }

  #isOwn(name: string): boolean {
    return this.graph.values.has(name) || this.#values.has(name);
  }

  /** The only reader of a value that nobody outside sees, or undefined. */
  soleConsumer(name: string): GraphNode | undefined {
    const consumers = this.consumersOf(name);
    return consumers.length === 1 && !this.graph.outputs.includes(name) ? consumers[0] : undefined;
  }

  shapeOf(name: string): readonly Dim[] {
    const around = this.#around(name);
    if (around !== undefined) return around.shapeOf(name);
    const shape = this.graph.values.get(name)?.shape;
    if (shape === undefined) {
      throw new CompileError(
        "UnknownShape",
        `the rank of "${name}" is not known; pin its dimensions with --dim`,
        { name },
      );
    }
    return shape;
  }

  elementTypeOf(name: string): ElementType {
    const around = this.#around(name);
    if (around !== undefined) return around.elementTypeOf(name);
    const type = this.graph.values.get(name)?.elementType;
    if (type === undefined) {
      throw new CompileError("UnknownType", `the element type of "${name}" is not known`, { name });
    }
    return type;
  }

  /** Dimensions that must be numbers here. */
  fixedDims(name: string, node: GraphNode): number[] {
    return this.shapeOf(name).map((dim) => {
      if (typeof dim === "number") return dim;
      throw nodeError(
        "OpenDimension",
        node,
        `needs dimension "${dim}" of "${name}" to be known; pin it with --dim ${dim}=N`,
      );
    });
  }

  constant(name: string): ConstantTensor | undefined {
    return this.graph.initializers.get(name) ?? this.#around(name)?.constant(name);
  }

  /** The constant behind input `index` of a node, or an error that says that it must be one. */
  requireConstant(node: GraphNode, index: number): ConstantTensor {
    const name = node.inputs[index];
    const found = name === undefined ? undefined : this.constant(name);
    if (found === undefined) {
      throw nodeError(
        "NotConstant",
        node,
        `input ${String(index)} ("${name ?? ""}") must be a constant`,
      );
    }
    return found;
  }

  /** What calibration saw; of a value that a pass made up, what it saw once that is moved about. */
  rangeOf(name: string): TensorRange | undefined {
    if (Object.hasOwn(this.calibration.tensors, name)) return this.calibration.tensors[name];
    const reader = this.soleConsumer(name);
    if (reader?.opType !== "Reshape" && reader?.opType !== "Transpose") return undefined;
    const range = this.rangeOf(reader.outputs[0]!);
    return range === undefined ? undefined : { ...range, channels: [] };
  }

  /** What calibration saw of the channels of a value, along an axis of which it knows. */
  channelsOf(name: string, axis: number): ChannelRange | undefined {
    return this.rangeOf(name)?.channels.find((channel) => channel.axis === axis);
  }

  /** @throws CompileError where calibration saw nothing that is finite */
  requireRange(name: string, node: GraphNode): TensorRange {
    const range = this.rangeOf(name);
    if (range !== undefined) return range;
    if (this.graph.values.get(name)?.shape?.includes(0) === true) return NO_VALUES;
    throw nodeError(
      "NotCalibrated",
      node,
      `the calibration has no finite value of "${name}"; calibrate this very model again, on samples for which it is not NaN or infinite throughout`,
    );
  }

  /** How the weights of the node that is being lowered are rounded. */
  get weightProfile(): Profile["weight"] {
    const { weightBits = {} } = this.plan ?? {};
    return Object.hasOwn(weightBits, this.builder.origin) ? EIGHT_BIT_WEIGHTS : this.profile.weight;
  }

  // --- values ---------------------------------------------------------------------------------

  define(name: string, lowered: Lowered): void {
    this.#values.set(name, lowered);
    this.openDims.see(lowered.value);
    if (lowered.format !== undefined)
      this.reports.push(reportTensor(name, lowered.format, this.rangeOf(name)));
  }

  /** Defines a value only if it is read: what contractions take as weights has another form there. */
  defer(name: string, make: () => Lowered): void {
    this.#deferred.set(name, make);
  }

  /** What has been defined for a value so far. */
  held(name: string): Lowered | undefined {
    return this.#values.get(name);
  }

  /**
   * The program's value for a value of the model; constants become parameters when first read.
   * @param name as nodes list it: nothing where a node lacks an input
   * @throws CompileError `MissingInput`
   */
  get(name: string | undefined): Lowered {
    if (name === undefined || name === "") {
      const node = this.builder.origin;
      throw new CompileError(
        "MissingInput",
        `node "${node}" lacks an input that its operator needs; look at how the model was exported`,
        { name: node },
      );
    }
    const found = this.#values.get(name);
    if (found !== undefined) return found;
    const deferred = this.#deferred.get(name);
    if (deferred !== undefined) {
      const made = deferred();
      this.define(name, made);
      return made;
    }
    const around = this.#around(name);
    // What the body of control flow does not make is made outside of it.
    if (around !== undefined) return this.builder.within(around.#region, () => around.get(name));
    const constant = this.constant(name);
    if (constant === undefined)
      throw new InternalError(`"${name}" is read before it is lowered`, { name });
    const lowered = isFloat(constant.elementType)
      ? this.realConstant(constant.dims, this.masks.constant(name, constant))
      : this.integerConstant(constant);
    this.#values.set(name, lowered);
    return lowered;
  }

  /** A value that holds reals. */
  real(name: string, node: GraphNode): Real {
    const lowered = this.get(name);
    if (lowered.format === undefined) {
      throw nodeError("NotReal", node, `input "${name}" holds integers where reals are needed`);
    }
    return lowered as Real;
  }

  /** A real constant in i32 with 24 bits, so that its own rounding does not show. */
  realConstant(dims: readonly number[], values: Float64Array): Real {
    const greatest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const scale = roundScale(greatest === 0 ? 1 : greatest / 0x7fffff);
    const integers = values.map((v) => Math.floor(v / scale + 0.5));
    return {
      value: this.builder.constant("i32", dims, integers),
      axes: identityAxes(dims.length),
      format: format("i32", scale, 0, [-0x800000, 0x7fffff]),
    };
  }

  /** A real constant in a format of one scale; what lies beyond its bounds stops there. */
  constantIn(
    target: Format & { readonly scale: number },
    constant: ConstantTensor,
    name: string,
  ): Real {
    const integers = this.masks
      .constant(name, constant)
      .map((v) => Math.min(Math.max(Math.floor(v / target.scale + 0.5), target.lo), target.hi));
    return {
      value: this.builder.constant(target.dtype, constant.dims, integers),
      axes: identityAxes(constant.dims.length),
      format: target,
    };
  }

  integerConstant(constant: ConstantTensor): Lowered {
    const dtype = integerDtype(constant.elementType);
    if (constant.data instanceof BigUint64Array && constant.data.some((v) => v >> 63n !== 0n)) {
      throw new CompileError(
        "UnsupportedType",
        "a uint64 constant holds 2^63 or more; cast it to int64",
        { name: this.builder.origin },
      );
    }
    return {
      value: this.builder.constant(
        dtype,
        constant.dims,
        constant.data as ArrayLike<number | bigint>,
      ),
      axes: identityAxes(constant.dims.length),
    };
  }

  // --- layout ---------------------------------------------------------------------------------

  /** The same value with its axes in the given order; a transposition where that changes memory. */
  ordered<L extends Lowered>(x: L, axes: readonly number[]): L {
    if (x.axes.every((axis, i) => axis === axes[i])) return x;
    const perm = axes.map((axis) => x.axes.indexOf(axis));
    const key = perm.join(",");
    const known = this.#reordered.get(x.value) ?? new Map<string, FixedValue>();
    this.#reordered.set(x.value, known);
    let value = known.get(key);
    if (value === undefined) {
      const shape = perm.map((axis) => x.value.shape[axis]!);
      const moved = perm.filter((axis) => x.value.shape[axis] !== 1);
      const inOrder = moved.every((axis, i) => i === 0 || moved[i - 1]! < axis);
      value = inOrder
        ? this.reshaped(x.value, shape)
        : this.builder.op("transpose", { perm }, [x.value], x.value.dtype, shape);
      known.set(key, value);
    }
    return { ...x, value, axes };
  }

  /** The value in the model's own order of axes. */
  logical<L extends Lowered>(x: L): L {
    return this.ordered(x, identityAxes(x.axes.length));
  }

  /**
   * The same elements under another shape: open dimensions are copied, inferred where there is one
   * that cannot be, and else computed from what they follow from.
   */
  reshaped(value: FixedValue, shape: readonly Dim[]): FixedValue {
    if (shape.length === value.shape.length && shape.every((dim, i) => dim === value.shape[i]))
      return value;
    const dims = shape.map((dim) => {
      if (typeof dim === "number") return dim;
      const axis = value.shape.indexOf(dim);
      return axis < 0 ? INFER : copyAxis(axis);
    });
    const open = shape.filter((_, i) => dims[i] === INFER);
    if (open.length < 2) return this.builder.op("reshape", { dims }, [value], value.dtype, shape);
    const taken = dims.map((dim) => (dim === INFER ? FROM_OPERAND : dim));
    const sizes = this.openDims.vector(open);
    return this.builder.op("reshape", { dims: taken }, [value, sizes], value.dtype, shape);
  }

  /** A value broadcast to a shape of at least its rank. */
  expanded(value: FixedValue, shape: readonly Dim[]): FixedValue {
    if (shape.length === value.shape.length && shape.every((dim, i) => dim === value.shape[i]))
      return value;
    const lead = shape.length - value.shape.length;
    // An open dimension that the operand has stays what it is.
    const dims = shape.map((dim, i) => {
      if (typeof dim === "number") return dim;
      return value.shape[i - lead] === dim ? 1 : FROM_OPERAND;
    });
    const open = shape.filter((_, i) => dims[i] === FROM_OPERAND);
    const operands = open.length === 0 ? [value] : [value, this.openDims.vector(open)];
    return this.builder.op("expand", { dims }, operands, value.dtype, shape);
  }

  // --- changing formats ------------------------------------------------------------------------

  /** `x` in another format: one rescale; a clamp or nothing where only the interval may differ. */
  requantise(x: Real, target: Format): Real {
    if (sameFormat(x.format, target)) {
      if (x.format.lo >= target.lo && x.format.hi <= target.hi) return x;
      return { value: this.clamped(x.value, target), axes: x.axes, format: target };
    }
    const unbiased = this.withoutZeroPoint(x);
    const value = this.rescaled(unbiased, scaleRatio(unbiased.format.scale, target.scale), target);
    return { value, axes: x.axes, format: target };
  }

  widened(x: FixedValue, dtype: Dtype): FixedValue {
    return x.dtype === dtype ? x : this.builder.op("cast", { dtype }, [x], dtype, x.shape);
  }

  /** Integers limited to an interval. */
  clamped(value: FixedValue, { lo, hi }: { readonly lo: number; readonly hi: number }): FixedValue {
    const bounds = { lo: BigInt(lo), hi: BigInt(hi) };
    return this.builder.op("clamp", bounds, [value], value.dtype, value.shape);
  }

  /** The same reals with a zero point of 0, wider where that needs room. */
  withoutZeroPoint(x: Real): Real {
    if (x.format.zeroPoint === 0) return x;
    const wide = this.widened(x.value, "i32");
    const shift = this.builder.scalar("i32", BigInt(x.format.zeroPoint));
    const value = this.builder.op("sub", {}, [wide, shift], "i32", x.value.shape);
    const { zeroPoint, lo, hi } = x.format;
    return {
      ...x,
      value,
      format: { ...x.format, dtype: "i32", zeroPoint: 0, lo: lo - zeroPoint, hi: hi - zeroPoint },
    };
  }

  /**
   * `rescale` of a value by a factor, or by one for each channel.
   * @param factor real factor; along a logical axis where it is a channel scale
   */
  rescaled(
    x: { readonly value: FixedValue; readonly axes: readonly number[] },
    factor: Scale,
    target: Format,
    most?: readonly number[],
  ): FixedValue {
    const uniform =
      typeof factor === "number"
        ? factor
        : factor.scales.every((s) => s === factor.scales[0])
          ? factor.scales[0]
          : undefined;
    if (uniform !== undefined) {
      return this.builder.op(
        "rescale",
        { ...toMultiplier(uniform), ...outputOf(target) },
        [target.ties === "even" ? this.#turned(x.value, uniform) : x.value],
        target.dtype,
        x.value.shape,
      );
    }
    const { axis, scales } = factor as ChannelScale;
    const trailing = x.axes.length - 1 - x.axes.indexOf(axis);
    const dims = [scales.length, ...new Array<number>(trailing).fill(1)];
    return this.rescaledByPosition(x.value, dims, scales, target, most);
  }

  /**
   * Integers that a rescale by `factor` rounds as it would round x with ties to even: above an even
   * result they are less by 1, which turns the tie down and no other rounding. Only powers of two
   * leave ties to see.
   */
  #turned(x: FixedValue, factor: number): FixedValue {
    const { mantissa, exponent } = splitScale(Math.abs(factor));
    if (mantissa !== 1 || exponent >= 0 || exponent < -30) return x;
    const wide = x.dtype === "i64" ? x : this.widened(x, "i32");
    const { dtype, shape } = wide;
    const by = (op: "add" | "and" | "shr", a: FixedValue, n: bigint | FixedValue): FixedValue => {
      const b = typeof n === "bigint" ? this.builder.scalar(dtype, n) : n;
      return this.builder.op(op, {}, [a, b], dtype, shape);
    };
    const odd = by("and", by("shr", wide, BigInt(-exponent)), 1n);
    return by("add", by("add", wide, odd), -1n);
  }

  /**
   * `rescale` of a value by a factor for each position of its trailing axes.
   * @param dims trailing physical dimensions that the factors run over
   * @param most the greatest magnitude of what each factor meets, if known
   */
  rescaledByPosition(
    value: FixedValue,
    dims: readonly number[],
    factors: readonly number[],
    target: Format,
    most?: readonly number[],
  ): FixedValue {
    const multipliers = toMultipliers(factors, most);
    return this.builder.op(
      "rescale.by",
      outputOf(target),
      [
        value,
        this.builder.constant(
          "i32",
          dims,
          multipliers.map((m) => m.multiplier),
        ),
        this.builder.constant(
          "i8",
          dims,
          multipliers.map((m) => m.shift),
        ),
      ],
      target.dtype,
      value.shape,
    );
  }
}

/** How the rescale instructions end, as their immediates say it. */
export function outputOf({ dtype, zeroPoint, lo, hi }: Format) {
  return { dtype, zeroPoint: BigInt(zeroPoint), lo: BigInt(lo), hi: BigInt(hi) };
}

/** What calibration has to say of a tensor without elements. */
const NO_VALUES: TensorRange = { min: 0, max: 0, rms: 0, count: 0, channels: [], histogram: [] };
