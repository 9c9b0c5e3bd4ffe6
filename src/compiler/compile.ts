import { CompileError, InternalError, InvalidError, MalformedError } from "../core/errors.js";
import { encodeModule, filledGapBytes } from "../module/encode.js";
import { toHex } from "../module/hex.js";
import type { Dimension, Module, NamedDimension, Port, RealScale } from "../module/module.js";
import type { ParameterSink } from "../module/parameterStore.js";
import { sha256 } from "../module/sha256.js";
import { validateModule } from "../module/validate.js";
import { GAS_VERSION, ISA_VERSION } from "../opcodes/index.js";
import type { Calibration } from "./calibration.js";
import type { Emitted } from "./fixed/emit.js";
import { emitFunction } from "./fixed/emit.js";
import type { FixedValue } from "./fixed/fixedGraph.js";
import type { Dim, Graph } from "./graph.js";
import { isFloat } from "./graph.js";
import type { ImportOptions } from "./importModel.js";
import { importModel } from "./importModel.js";
import { listUnsupported } from "./listUnsupported.js";
import { LoweringContext } from "./lower/context.js";
import { integerDtype } from "./lower/dtypes.js";
import { quantizedFormat } from "./lower/finish.js";
import type { Precision } from "./lower/profile.js";
import { profileOf } from "./lower/profile.js";
import type { Format, Lowered, Real } from "./lower/real.js";
import { format, identityAxes, maxScale } from "./lower/real.js";
import { SUPPORT, lowerNodes } from "./lower/rules.js";
import { roundScale, splitScale } from "./lower/scale.js";
import { withinType } from "./lower/wrapping.js";
import type { TensorReport } from "./lower/tensorReport.js";
import { optimise } from "./optimise.js";
import type { States } from "./states.js";
import { findStates } from "./states.js";
import type { Plan, WeightReport } from "./plan.js";
import { checkPlan, planText } from "./plan.js";
import type { Quotient } from "./shapes/dims.js";
import { quotientOf } from "./shapes/dims.js";

/** Name of the compiler in a module's provenance. */
const COMPILER = "aivm 0.1.0";
/** What an open dimension may grow to where nothing else is said. */
const OPEN_DIMENSION_MAXIMUM = 65_535;

/** All that a module depends on besides the model: `compile` is a pure function of both. */
export interface CompileOptions extends ImportOptions {
  readonly calibration: Calibration;
  /** `fx16` unless said, or the plan's. */
  readonly precision?: Precision;
  /** Bits that were chosen for parts of the model. */
  readonly plan?: Plan;
  /**
   * Inner float values that the module puts out besides its outputs, after them and under their
   * own names, to be set beside the float model's: names of the lowered graph, or all. The program
   * is the same otherwise. A value that the program never holds (a convolution's before the Relu
   * that it takes in) is left out; `CompileResult.observed` lists the others.
   */
  readonly observe?: "all" | readonly string[];
  /**
   * Recurrent state: inputs by the outputs that are fed into them in the next run. Both get one
   * dtype, scale and zero point, so that raw integers can be handed back. What names and shapes say
   * is found without; "" says that an output is no state.
   */
  readonly states?: States;
  /**
   * Takes the parameters of more than 64 KiB as they are made, by their roots, and gives them back
   * when they are asked for: the module and its bytes then lack them, and no more than a few are
   * in memory at once. `writeModule` puts the two together.
   */
  readonly parameters?: ParameterSink;
  /** Called now and then with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** What compiling cost and decided. */
export interface CompileReport {
  readonly precision: Precision;
  readonly model: string;
  readonly samples: number;
  readonly madeUpSamples: boolean;
  readonly instructions: number;
  readonly parameters: number;
  readonly parameterBytes: number;
  /** Of the whole module, parameters that are apart included. */
  readonly moduleBytes: number;
  /** Values of the calibration that saturate in the chosen formats, over all tensors, at most. */
  readonly clippedValues: number;
  readonly tensors: readonly TensorReport[];
  /** Inputs by the outputs that can be fed into them as raw integers. */
  readonly states: States;
  /** Weights that were rounded, in the order of the program. */
  readonly weights: readonly WeightReport[];
  /** Branches of control flow that no sample took: a run that takes one traps. */
  readonly untakenBranches: readonly string[];
}

/** A module, and what is known of how it came about. */
export interface CompileResult {
  readonly module: Module;
  /** The module, encoded; without the parameters that `CompileOptions.parameters` has taken. */
  readonly bytes: Uint8Array;
  readonly report: CompileReport;
  /** Name of the model node behind each instruction of the entry's function. */
  readonly origins: readonly string[];
  /** The values of `CompileOptions.observe` that the module puts out. */
  readonly observed: readonly string[];
}

/**
 * Compiles an ONNX model. A pure function: the same model, calibration and options give the same
 * bytes on every engine.
 *
 * @param model bytes of the ONNX file
 * @throws CompileError for models that are damaged or not supported; all unsupported operators are
 * listed at once, before anything else is done
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { calibrate } from "aivm/analysis";
 * import { compile } from "aivm/compiler";
 *
 * const model = new Uint8Array(await readFile("examples/models/digits.onnx"));
 * const data = Float32Array.from({ length: 28 * 28 }, (_, i) => (i % 28) / 28); // your own samples here
 * const sample = new Map([["image", { elementType: "float32" as const, dims: [1, 1, 28, 28], data }]]);
 * const { module, bytes } = compile(model, { calibration: await calibrate(model, [sample]) });
 * console.log(module.configuration.entries[0]?.inputs[0]?.name, bytes.length > 70_000); // image true
 * ```
 */
export function compile(model: Uint8Array, options: CompileOptions): CompileResult {
  return prepare(model, options)(options.plan);
}

/**
 * The part of compiling that does not depend on the plan, for those who try many.
 *
 * @returns what `compile` with a plan, or without, returns; faster from the second call on
 * @throws CompileError as `compile` does
 */
export function prepare(
  model: Uint8Array,
  options: Omit<CompileOptions, "plan">,
): (plan?: Plan) => CompileResult {
  const hash = toHex(sha256(model));
  if (options.calibration.model !== hash) {
    throw new CompileError(
      "WrongCalibration",
      `the calibration was made for model ${options.calibration.model}, this one is ${hash}; calibrate it again`,
    );
  }
  checkRanges(options.calibration);
  const graph = importSupported(model, options);
  const states = findStates(graph, options.states);
  return (plan) => lowerGraph(graph, hash, states, options, plan);
}

function lowerGraph(
  graph: Graph,
  hash: string,
  states: States,
  options: Omit<CompileOptions, "plan">,
  plan: Plan | undefined,
): CompileResult {
  const profile = profileOf(plan?.precision ?? options.precision ?? "fx16");
  const ctx = new LoweringContext(graph, options.calibration, profile, {
    plan,
    sink: options.parameters,
  });
  for (const [output, input] of Object.entries(states))
    if (isFloat(ctx.elementTypeOf(input))) ctx.formats.holdState(output, input);
  const dimensions = new Dimensions();
  const inputs = graph.inputs.map((name) => lowerInput(ctx, dimensions, name));
  lowerNodes(ctx, (done) => options.onProgress?.(done / graph.nodes.length));
  if (plan !== undefined) checkPlan(plan, hash, ctx.weights);
  const outputs = graph.outputs.map((name) => lowerOutput(ctx, dimensions, name));
  const observed = lowerObserved(ctx, dimensions, options.observe ?? []);
  outputs.push(...observed);
  const emitted = emitFunction(
    ctx.builder.inputs,
    outputs.map((output) => output.value),
  );
  const module = assemble(
    graph,
    emitted,
    dimensions,
    inputs,
    outputs.map((output) => output.port),
    {
      compiler: COMPILER,
      model: hash,
      precision: profile.name,
      ...(plan === undefined
        ? {}
        : { plan: toHex(sha256(new TextEncoder().encode(planText(plan)))) }),
    },
  );
  check(module);
  const bytes = encode(module);
  options.onProgress?.(1);
  return {
    module,
    bytes,
    origins: emitted.origins,
    observed: observed.map(({ port }) => port.name),
    report: {
      precision: profile.name,
      model: hash,
      samples: options.calibration.samples,
      madeUpSamples: options.calibration.madeUp,
      instructions: emitted.function.body.length,
      parameters: emitted.parameters.length,
      parameterBytes: emitted.parameters.reduce((sum, p) => sum + p.lengthBytes, 0),
      moduleBytes: emitted.parameters
        .filter(({ apart }) => apart)
        .reduce((sum, { lengthBytes }) => sum + filledGapBytes(lengthBytes), bytes.length),
      clippedValues: ctx.reports.reduce((sum, tensor) => sum + tensor.clipped, 0),
      tensors: ctx.reports,
      states,
      weights: ctx.weights,
      untakenBranches: ctx.untaken,
    },
  };
}

/** Beyond these, ratios of scales leave the range of doubles, and no model means what it says. */
const PLAUSIBLE = { least: 1e-150, greatest: 1e150 } as const;

function checkRanges({ tensors }: Calibration): void {
  for (const [name, { min, max }] of Object.entries(tensors)) {
    const greatest = Math.max(Math.abs(min), Math.abs(max));
    if (greatest === 0 || (greatest >= PLAUSIBLE.least && greatest <= PLAUSIBLE.greatest)) continue;
    throw new CompileError(
      "BadRange",
      `"${name}" reaches ${String(greatest)} in calibration, which fixed point cannot hold beside other values; look at the samples`,
      { name },
    );
  }
}

/** Imports a model, refuses what cannot be compiled, and simplifies it. */
export function importSupported(model: Uint8Array, options: ImportOptions): Graph {
  const graph = optimise(importModel(model, options));
  listUnsupported(graph, SUPPORT);
  return graph;
}

function lowerInput(ctx: LoweringContext, dimensions: Dimensions, name: string): Port {
  const shape = ctx.shapeOf(name);
  const type = ctx.elementTypeOf(name);
  const axes = identityAxes(shape.length);
  if (!isFloat(type)) {
    const dtype = integerDtype(type);
    const value = withinType(ctx.builder, ctx.builder.input(dtype, shape), type);
    ctx.define(name, { value, axes });
    return { name, dtype, shape: dimensions.of(shape, name) };
  }
  // A model that quantises its input at once says how the host should.
  const reader = ctx.soleConsumer(name);
  // In 32 bits it stays as it is: the host rounds ties up, ONNX rounds them to even.
  const stated =
    ctx.formats.heldFor(name) === undefined &&
    reader?.opType === "QuantizeLinear" &&
    ctx.profile.activation.dtype !== "i32"
      ? quantizedFormat(ctx, reader)
      : undefined;
  if (reader !== undefined && stated !== undefined) {
    ctx.absorbed.add(reader);
    const value = ctx.builder.input(stated.dtype, shape);
    ctx.define(reader.outputs[0]!, { value, axes });
    return {
      name,
      dtype: stated.dtype,
      shape: dimensions.of(shape, name),
      scale: portScale(stated),
    };
  }
  const held = ctx.formats.chooseInput(name);
  ctx.define(name, { value: ctx.builder.input(held.dtype, shape), axes, format: held });
  return { name, dtype: held.dtype, shape: dimensions.of(shape, name), scale: portScale(held) };
}

interface Output {
  readonly value: FixedValue;
  readonly port: Port;
}

function lowerOutput(ctx: LoweringContext, dimensions: Dimensions, name: string): Output {
  ctx.builder.origin = name;
  const lowered: Lowered = ctx.logical(ctx.get(name));
  const shape = dimensions.of(ctx.shapeOf(name), name);
  if (lowered.format === undefined) {
    return { value: lowered.value, port: { name, dtype: lowered.value.dtype, shape } };
  }
  const { scale } = lowered.format;
  const oneScale = typeof scale === "number" ? scale : maxScale(scale);
  const target = ctx.formats.heldFor(name) ?? { ...lowered.format, scale: oneScale };
  const real = ctx.requantise(lowered as Real, target);
  return {
    value: real.value,
    port: { name, dtype: real.value.dtype, shape, scale: portScale(real.format) },
  };
}

/** Inner values as they are held; channels in steps so fine that nothing shows. */
function lowerObserved(
  ctx: LoweringContext,
  dimensions: Dimensions,
  names: "all" | readonly string[],
): Output[] {
  const { graph } = ctx;
  const found: Output[] = [];
  for (const name of graph.nodes.flatMap(({ outputs }) => outputs)) {
    const wanted = names === "all" || names.includes(name);
    const shape = graph.values.get(name)?.shape;
    const held = ctx.held(name);
    if (!wanted || shape === undefined || held?.format === undefined) continue;
    if (graph.outputs.includes(name)) continue;
    ctx.builder.origin = name;
    const real = ctx.logical(withOneScale(ctx, held as Real));
    const { value, format: port } = real;
    const dims = dimensions.of(shape, name);
    found.push({ value, port: { name, dtype: value.dtype, shape: dims, scale: portScale(port) } });
  }
  return found;
}

function withOneScale(ctx: LoweringContext, held: Real): Real {
  const { scale, lo, hi } = held.format;
  if (typeof scale === "number") return held;
  const finest = scale.scales.reduce((a, b) => Math.min(a, b));
  const coarsest = maxScale(scale);
  const greatest = coarsest * Math.max(Math.abs(lo), Math.abs(hi));
  return ctx.requantise(held, format("i32", roundScale(Math.max(finest, greatest / 0x40000000))));
}

function portScale({ scale, zeroPoint }: Format): RealScale {
  return { ...splitScale(maxScale(scale)), zeroPoint: BigInt(zeroPoint) };
}

/** The open dimensions of a model, in order of first sight. */
class Dimensions {
  readonly named: NamedDimension[] = [];

  of(shape: readonly Dim[], port: string): Dimension[] {
    return shape.map((dim, axis) => {
      if (typeof dim === "number") return dim;
      // One that is computed from a name that an input binds is checked against it.
      const { name, ...derived } = quotientOf(dim);
      const base = this.#indexOf(name);
      if (base >= 0 && fitsFormat(derived)) return { dimension: base, ...derived };
      let index = this.#indexOf(dim);
      if (index < 0) {
        index =
          this.named.push({
            name: dim === "" ? `${port}_${String(axis)}` : dim,
            maximum: OPEN_DIMENSION_MAXIMUM,
          }) - 1;
      }
      return { dimension: index, multiplier: 1, offset: 0, divisor: 1 };
    });
  }

  #indexOf(name: string): number {
    return this.named.findIndex((named) => named.name === name);
  }
}

/** What a module can say of a derived dimension. */
function fitsFormat({ multiplier, offset, divisor }: Omit<Quotient, "name">): boolean {
  const greatest = multiplier * OPEN_DIMENSION_MAXIMUM + offset;
  return (
    [multiplier, Math.abs(offset), divisor].every((x) => x <= 0x7fffffff) &&
    greatest >= 0 &&
    greatest / divisor <= 0x7fffffff
  );
}

function assemble(
  graph: Graph,
  emitted: Emitted,
  dimensions: Dimensions,
  inputs: readonly Port[],
  outputs: readonly Port[],
  provenance: Record<string, string>,
): Module {
  return {
    configuration: {
      isaVersion: ISA_VERSION,
      gasVersion: GAS_VERSION,
      features: [],
      dimensions: dimensions.named,
      entries: [{ name: "main", function: 0, inputs, outputs }],
      aggregations: [],
    },
    functions: [emitted.function],
    aggregation: [],
    parameters: emitted.parameters.map(({ dtype, dims, root }) => ({
      dtype,
      shape: dims,
      root,
    })),
    parameterData: emitted.parameters.map(({ apart, bytes }) => (apart ? undefined : bytes())),
    provenance: graph.name === "" ? provenance : { ...provenance, graph: graph.name },
  };
}

/** @throws CompileError where a dimension or an attribute is beyond what the format has a form for */
function encode(module: Module): Uint8Array {
  try {
    return encodeModule(module);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new CompileError(
      "TooLarge",
      `something in the model is beyond what a module holds: ${error.message}`,
      error.place,
      error,
    );
  }
}

/** What the compiler writes must validate. */
function check(module: Module): void {
  try {
    validateModule(module);
  } catch (error) {
    if (error instanceof InvalidError && error.code === "Immediate") {
      throw new CompileError(
        "TooLarge",
        `an attribute of the model is beyond what an instruction holds: ${error.message}`,
        error.place,
        error,
      );
    }
    if (error instanceof InvalidError)
      throw new InternalError(
        `the compiler wrote code that does not validate: ${error.message}`,
        error.place,
        error,
      );
    throw error;
  }
}
