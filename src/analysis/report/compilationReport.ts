/** What compiling did to each layer, gathered for a page. */
import type { Calibration } from "../../compiler/calibration.js";
import type { CompileResult } from "../../compiler/compile.js";
import type { Graph, GraphNode } from "../../compiler/graph.js";
import { operatorName } from "../../compiler/graph.js";
import type { TensorReport } from "../../compiler/lower/tensorReport.js";
import { byteLength } from "../../core/shape.js";
import { moduleId } from "../../module/hash.js";
import { toHex } from "../../module/hex.js";
import { estimateGas } from "../../vm/estimateGas.js";
import type { LayerComparison, LayersComparison } from "../compareLayers.js";
import { entryShapes } from "../../vm/entryShapes.js";
import type { Octave } from "./magnitudes.js";
import { magnitudes } from "./magnitudes.js";

/** One value of the model that the program holds as integers. */
export interface ValueReport extends TensorReport {
  readonly isOutput: boolean;
  /** Absent where it was not measured. */
  readonly error?: Pick<LayerComparison, "sqnrDb" | "maxAbsError" | "rms" | "count">;
  /** How many dB it is worse than the worst of the values it is computed from, where these are known. */
  readonly lostDb?: number;
  /** How often magnitudes were seen in calibration. */
  readonly magnitudes: readonly Octave[];
}

/** A node of the lowered graph, or an input of the model. */
export interface LayerReport {
  readonly node: string;
  readonly operator: string;
  readonly values: readonly ValueReport[];
  readonly instructions: number;
  /** Gas of its instructions; undefined where it is not known without running. */
  readonly gas: bigint | undefined;
  /** Bytes of the parameters that it is the first to read. */
  readonly parameterBytes: number;
  /** Most bits of its weights, where it has weights that were rounded. */
  readonly weightBits?: number;
}

/** What `aivm compile --report` shows, as data. */
export interface CompilationReport {
  /** What the page calls the model. */
  readonly name: string;
  readonly moduleId: string;
  readonly precision: string;
  readonly samples: number;
  readonly madeUpSamples: boolean;
  readonly moduleBytes: number;
  readonly parameterBytes: number;
  readonly instructions: number;
  readonly clippedValues: number;
  readonly countedValues: number;
  /** Gas of a run; undefined with the reason where it is not known without running. */
  readonly gas: bigint | undefined;
  readonly gasKind: "exact" | "upperBound" | "unknown";
  readonly gasReason: string;
  /** Sizes of open dimensions that the gas is for. */
  readonly dims: Readonly<Record<string, number>>;
  /** Samples that the errors were measured on; undefined when they were not. */
  readonly measuredSamples: number | undefined;
  /** In the order of the program. */
  readonly layers: readonly LayerReport[];
}

/** What a report is made from. */
export interface ReportSource {
  readonly name: string;
  /** The normal form that was lowered, as `importSupported` gives it. */
  readonly graph: Graph;
  readonly calibration: Calibration;
  readonly result: CompileResult;
  /** Errors of the same module's values, if they were measured. */
  readonly comparison?: LayersComparison | undefined;
}

/** Origins that are no layer: what moves values between them. */
const BETWEEN = "between layers";
/** `compareLayers` gives that for values that are equal. */
const EXACT_DB = 300;

/** Gathers what is known of a compiled model, layer by layer. */
export function compilationReport(source: ReportSource): CompilationReport {
  const { name, graph, calibration, comparison } = source;
  const { module, report, origins } = source.result;
  const { shapes, open } = entryShapes(module, 0, calibration.dims);
  const estimate =
    open.length > 0
      ? ({ kind: "unknown", reason: `depends on ${open.join(", ")}` } as const)
      : estimateGas(module, shapes, { byInstruction: true });
  const byInstruction = estimate.kind === "unknown" ? undefined : estimate.byInstruction;

  const nodes = allNodes(graph);
  const places = new Map<string, Place>();
  for (const input of graph.inputs)
    places.set(`input ${input}`, new Place(input, "Input", [input]));
  const byOrigin = new Map<string, Place>();
  const makers = new Map<string, Place>();
  for (const node of nodes) {
    if (byOrigin.has(node.name)) continue;
    const place = new Place(node.name, operatorName(node), node.outputs);
    byOrigin.set(node.name, place);
    for (const output of node.outputs) makers.set(output, place);
  }
  const between = new Place(BETWEEN, "", []);
  const seen = new Set<number>();
  module.functions[0]?.body.forEach(({ op, imm }, pc) => {
    const origin = origins[pc] ?? "";
    const place = byOrigin.get(origin) ?? makers.get(origin) ?? between;
    place.instructions++;
    place.gas += byInstruction?.[pc] ?? 0n;
    if (op !== "const" || seen.has(imm.parameter)) return;
    seen.add(imm.parameter);
    place.parameterBytes += byteLength(module.parameters[imm.parameter]!);
  });
  for (const { node, bits } of report.weights) {
    const place = byOrigin.get(node);
    if (place !== undefined) place.weightBits = Math.max(place.weightBits, bits);
  }
  const values = valueReports(source, nodes);
  const layers = [...places.values(), ...byOrigin.values(), between]
    .map((place): LayerReport => ({
      node: place.node,
      operator: place.operator,
      values: place.outputs.flatMap((output) => values.get(output) ?? []),
      instructions: place.instructions,
      gas: byInstruction === undefined ? undefined : place.gas,
      parameterBytes: place.parameterBytes,
      ...(place.weightBits === 0 ? {} : { weightBits: place.weightBits }),
    }))
    .filter((layer) => layer.instructions > 0 || layer.values.length > 0);
  return {
    name,
    moduleId: toHex(moduleId(module)),
    precision: report.precision,
    samples: report.samples,
    madeUpSamples: report.madeUpSamples,
    moduleBytes: report.moduleBytes,
    parameterBytes: report.parameterBytes,
    instructions: report.instructions,
    clippedValues: report.clippedValues,
    countedValues: report.tensors.reduce((sum, { count }) => sum + count, 0),
    gas: estimate.kind === "unknown" ? undefined : estimate.gas,
    gasKind: estimate.kind,
    gasReason: estimate.kind === "unknown" ? estimate.reason : "",
    dims: Object.fromEntries(
      module.configuration.dimensions.flatMap(({ name: dim }) =>
        Object.hasOwn(calibration.dims, dim) ? [[dim, calibration.dims[dim]!]] : [],
      ),
    ),
    measuredSamples: comparison?.samples,
    layers,
  };
}

class Place {
  readonly node: string;
  readonly operator: string;
  readonly outputs: readonly string[];
  instructions = 0;
  gas = 0n;
  parameterBytes = 0;
  weightBits = 0;

  constructor(node: string, operator: string, outputs: readonly string[]) {
    this.node = node;
    this.operator = operator;
    this.outputs = outputs;
  }
}

/** The nodes of a graph, those of bodies after the node that has them. */
function allNodes({ nodes }: Graph): GraphNode[] {
  return nodes.flatMap((node) => [
    node,
    ...[...node.attributes.values()].flatMap((a) => (a.type === "graph" ? allNodes(a.value) : [])),
  ]);
}

function valueReports(
  { graph, calibration, result, comparison }: ReportSource,
  nodes: readonly GraphNode[],
): Map<string, ValueReport> {
  const errors = new Map(comparison?.layers.map((layer) => [layer.name, layer]));
  const makers = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  /** The measured values that a value is computed from, through those that are not held. */
  const worstFeed = new Map<string, number>();
  const feed = (node: GraphNode): number =>
    node.inputs.reduce((worst, name) => {
      const own = errors.get(name)?.sqnrDb;
      const db = own !== undefined && !Number.isNaN(own) ? own : (worstFeed.get(name) ?? EXACT_DB);
      return Math.min(worst, db);
    }, EXACT_DB);
  // Nodes are in topological order.
  for (const node of nodes) for (const name of node.outputs) worstFeed.set(name, feed(node));

  return new Map(
    result.report.tensors.map((tensor) => {
      const { name } = tensor;
      const error = errors.get(name);
      const before = makers.has(name) ? worstFeed.get(name)! : EXACT_DB;
      const lost = error === undefined || before >= EXACT_DB ? undefined : before - error.sqnrDb;
      const histogram = Object.hasOwn(calibration.tensors, name)
        ? calibration.tensors[name]!.histogram
        : [];
      const report: ValueReport = {
        ...tensor,
        isOutput: graph.outputs.includes(name),
        ...(error === undefined ? {} : { error }),
        ...(lost === undefined ? {} : { lostDb: lost }),
        magnitudes: magnitudes(histogram),
      };
      return [name, report];
    }),
  );
}
