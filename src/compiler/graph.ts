import { CompileError } from "../core/errors.js";
import type { HostElementType } from "../core/hostArray.js";
import type { Expression } from "./expression.js";

/**
 * The compiler's view of a model: ONNX operators over named values.
 *
 * Rules that every pass keeps:
 * - A graph is mutated in place by passes; constants (`ConstantTensor`) and attributes are never
 *   mutated, so that a shallow copy (`copyGraph`) is independent.
 * - `nodes` is in topological order. A pass that breaks the order calls `sortNodes`.
 * - Every value (graph input, initializer, node output) has an entry in `values`.
 * - **A name of the source model keeps its meaning.** A pass may delete a value or compute it
 *   otherwise, but a value that still bears a name of the source model holds the same real numbers
 *   in the same layout as there. Ranges measured on the source model therefore apply by name.
 *   Values that passes invent get names from `freshName`.
 */
export interface Graph {
  name: string;
  /** What the host supplies, in order. Initializers are never listed here. */
  inputs: string[];
  outputs: string[];
  nodes: GraphNode[];
  initializers: Map<string, ConstantTensor>;
  values: Map<string, ValueInfo>;
  /** Operator set versions by domain; the standard domain is "". Irrelevant once normalised. */
  opsets: ReadonlyMap<string, number>;
}

export interface GraphNode {
  /** Unique in its graph; invented where the model has none. */
  name: string;
  opType: string;
  /** "" for the standard ONNX operators, "aivm" for our own. */
  domain: string;
  /** Value names; "" stands for an absent optional input. Trailing absences are trimmed. */
  inputs: string[];
  /** Value names; "" stands for an output that nobody wants. */
  outputs: string[];
  attributes: Map<string, Attribute>;
}

/** A dimension: a number, or the name of one that is only known when running. */
export type Dim = number | string;

/** `undefined`: not even the rank is known. */
export type Shape = readonly Dim[] | undefined;

export interface ValueInfo {
  elementType: ElementType | undefined;
  shape: Shape;
}

/** Element types of a model's tensors, by ONNX's names. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | Float8
  | "int4"
  | "uint4"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "uint64"
  | "int64"
  | "bool"
  | "string";

export type Float8 = "float8e4m3fn" | "float8e4m3fnuz" | "float8e5m2" | "float8e5m2fnuz";

export type TensorData =
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | readonly string[];

/**
 * A constant, row-major. Reading `data` of a large one may take long (`lazyTensor.ts`): its size is
 * `constantCount`. All floating types are held in a `Float64Array`, which holds them
 * exactly and keeps what passes compute from them (folded weights) unrounded, whatever
 * `elementType` says; integers are in the typed array of their name, those of 4 bits in that of 8;
 * `bool` is a `Uint8Array` of 0 and 1.
 */
export interface ConstantTensor {
  readonly elementType: ElementType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

export interface AttributeValues {
  int: bigint;
  ints: readonly bigint[];
  float: number;
  floats: readonly number[];
  string: string;
  strings: readonly string[];
  tensor: ConstantTensor;
  /** A body of `If`, `Loop` or `Scan`; it may read values of the graphs around it by name. */
  graph: Graph;
  /** The function that an `aivm.Unary` node applies to each element. */
  expression: Expression;
}

export type AttributeType = keyof AttributeValues;

export type Attribute = {
  [T in AttributeType]: { readonly type: T; readonly value: AttributeValues[T] };
}[AttributeType];

/** @throws CompileError where a model has fractions in the place of integers */
function wholeNumber(value: number | bigint): bigint {
  if (typeof value === "bigint" || Number.isInteger(value)) return BigInt(value);
  throw new CompileError("BadAttribute", `${String(value)} stands where an integer is needed`);
}

/** Attribute constructors, for passes and tests. */
export const attribute = {
  int: (value: number | bigint): Attribute => ({ type: "int", value: wholeNumber(value) }),
  ints: (value: readonly (number | bigint)[]): Attribute => ({
    type: "ints",
    value: value.map(wholeNumber),
  }),
  float: (value: number): Attribute => ({ type: "float", value }),
  floats: (value: readonly number[]): Attribute => ({ type: "floats", value }),
  string: (value: string): Attribute => ({ type: "string", value }),
  tensor: (value: ConstantTensor): Attribute => ({ type: "tensor", value }),
  graph: (value: Graph): Attribute => ({ type: "graph", value }),
  expression: (value: Expression): Attribute => ({ type: "expression", value }),
} as const;

function attributeOfType<T extends AttributeType>(
  node: GraphNode,
  name: string,
  type: T,
): AttributeValues[T] | undefined {
  const found = node.attributes.get(name);
  if (found === undefined) return undefined;
  if (found.type !== type) {
    const message = `attribute "${name}" must be of type ${type}, found ${found.type}`;
    throw nodeError("BadAttribute", node, message);
  }
  return found.value as AttributeValues[T];
}

/** An int64 as a number; beyond ±(2^53 − 1) it saturates (ONNX writes INT64_MAX for "to the end"). */
export function clampToNumber(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

export function intAttribute(node: GraphNode, name: string): number | undefined {
  const value = attributeOfType(node, name, "int");
  return value === undefined ? undefined : clampToNumber(value);
}

export function intsAttribute(node: GraphNode, name: string): number[] | undefined {
  return attributeOfType(node, name, "ints")?.map(clampToNumber);
}

export function floatAttribute(node: GraphNode, name: string): number | undefined {
  return attributeOfType(node, name, "float");
}

export function floatsAttribute(node: GraphNode, name: string): readonly number[] | undefined {
  return attributeOfType(node, name, "floats");
}

export function stringAttribute(node: GraphNode, name: string): string | undefined {
  return attributeOfType(node, name, "string");
}

export function stringsAttribute(node: GraphNode, name: string): readonly string[] | undefined {
  return attributeOfType(node, name, "strings");
}

export function tensorAttribute(node: GraphNode, name: string): ConstantTensor | undefined {
  return attributeOfType(node, name, "tensor");
}

export function graphAttribute(node: GraphNode, name: string): Graph | undefined {
  return attributeOfType(node, name, "graph");
}

export function expressionAttribute(node: GraphNode, name: string): Expression | undefined {
  return attributeOfType(node, name, "expression");
}

/** The bodies that a node carries. */
export function subgraphs(node: GraphNode): Graph[] {
  const found: Graph[] = [];
  for (const a of node.attributes.values()) if (a.type === "graph") found.push(a.value);
  return found;
}

/** `Conv "backbone/conv1"`, `aivm.Unary "act"`: how messages name a node. */
export function describeNode(node: Pick<GraphNode, "name" | "opType" | "domain">): string {
  return `${operatorName(node)} "${node.name}"`;
}

/** A `CompileError` about a node: the message opens with the node's operator and name. */
export function nodeError(
  code: string,
  node: Pick<GraphNode, "name" | "opType" | "domain">,
  message: string,
): CompileError {
  return new CompileError(code, `${describeNode(node)}: ${message}`, {
    name: node.name,
    op: operatorName(node),
  });
}

/** `Conv`, or `domain.Type` outside the standard domain. */
export function operatorName(node: Pick<GraphNode, "opType" | "domain">): string {
  return node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
}

/** Number of elements, or undefined when a dimension is symbolic. */
export function elementCount(shape: Shape): number | undefined {
  if (shape === undefined) return undefined;
  let count = 1;
  for (const dim of shape) {
    if (typeof dim === "string") return undefined;
    count *= dim;
  }
  return count;
}

/** Number of elements of a constant, which need not be at hand for that. */
export function constantCount({ dims }: ConstantTensor): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** A constant's elements as numbers (int64 saturates as in `clampToNumber`). */
export function constantNumbers(constant: ConstantTensor): number[] {
  const { data } = constant;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return Array.from(data, clampToNumber);
  }
  if (Array.isArray(data))
    throw new CompileError("BadTensor", "a string tensor stands where numbers are needed");
  return Array.from(data as ArrayLike<number>);
}

/** As `constantNumbers`; what is held in float64 is not copied and must not be changed. */
export function realsOf(constant: ConstantTensor): Float64Array {
  const { data } = constant;
  return data instanceof Float64Array ? data : Float64Array.from(constantNumbers(constant));
}

/** @throws CompileError for NaN and infinities, which no scale reaches */
export function finiteNumbers(constant: ConstantTensor, name: string): Float64Array {
  const values = realsOf(constant);
  const bad = values.find((v) => v - v !== 0);
  if (bad === undefined) return values;
  throw new CompileError(
    "NotFinite",
    `constant "${name}" holds ${String(bad)}, which fixed point cannot; replace it by a finite number`,
    { name },
  );
}

/** A 1-D int64 constant, as ONNX passes axes, pads and shapes. */
export function int64Vector(values: readonly number[]): ConstantTensor {
  return {
    elementType: "int64",
    dims: [values.length],
    data: BigInt64Array.from(values, (v) => BigInt(v)),
  };
}

export function isFloat(elementType: ElementType | undefined): boolean {
  return (
    elementType === "float32" ||
    elementType === "float64" ||
    elementType === "float16" ||
    elementType === "bfloat16" ||
    isFloat8(elementType)
  );
}

export function isFloat8(elementType: ElementType | undefined): elementType is Float8 {
  return elementType?.startsWith("float8") === true;
}

/** As what hosts hand in an element type: types that JavaScript has no array of, as wider ones. */
export function hostTypeOf(elementType: ElementType): HostElementType | "string" {
  if (elementType === "bfloat16" || isFloat8(elementType)) return "float32";
  if (elementType === "int4") return "int8";
  return elementType === "uint4" ? "uint8" : elementType;
}

/** Copies a graph deeply enough that mutating the copy leaves the original alone. */
export function copyGraph(graph: Graph): Graph {
  return {
    name: graph.name,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      attributes: new Map(
        Array.from(node.attributes, ([name, a]): [string, Attribute] =>
          a.type === "graph" ? [name, attribute.graph(copyGraph(a.value))] : [name, a],
        ),
      ),
    })),
    initializers: new Map(graph.initializers),
    values: new Map(Array.from(graph.values, ([name, info]) => [name, { ...info }])),
    opsets: graph.opsets,
  };
}

/** A value name that the graph (bodies included) does not use yet: `hint`, or `hint_2`, … */
export function freshName(graph: Graph, hint: string): string {
  if (!graph.values.has(hint)) return hint;
  for (let n = 2; ; n++) {
    const name = `${hint}_${String(n)}`;
    if (!graph.values.has(name)) return name;
  }
}

/** Adds a constant under a fresh name and returns the name. */
export function addConstant(graph: Graph, hint: string, constant: ConstantTensor): string {
  const name = freshName(graph, hint);
  graph.initializers.set(name, constant);
  graph.values.set(name, { elementType: constant.elementType, shape: constant.dims });
  return name;
}

/** Adds a value that a node will produce and returns its fresh name. */
export function addValue(graph: Graph, hint: string, info: ValueInfo): string {
  const name = freshName(graph, hint);
  graph.values.set(name, { ...info });
  return name;
}

export interface Connections {
  /** The node that makes a value; absent for graph inputs and initializers. */
  readonly producers: ReadonlyMap<string, GraphNode>;
  /**
   * The nodes that read a value, one entry a use (twice for `Mul(x, x)`). A read from inside a
   * body counts as a read by the node that carries the body. Graph outputs are not listed.
   */
  readonly consumers: ReadonlyMap<string, readonly GraphNode[]>;
}

export function connections(graph: Graph): Connections {
  const producers = new Map<string, GraphNode>();
  const consumers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producers.set(output, node);
    for (const input of readsOf(node)) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [node]);
      else list.push(node);
    }
  }
  return { producers, consumers };
}

/** Values that a node reads, those that its bodies capture from outside included. */
export function readsOf(node: GraphNode): string[] {
  const reads = node.inputs.filter((input) => input !== "");
  for (const body of subgraphs(node)) reads.push(...capturedBy(body));
  return reads;
}

/** Values that a body reads from the graphs around it. */
export function capturedBy(body: Graph): string[] {
  const local = new Set([...body.inputs, ...body.initializers.keys()]);
  for (const node of body.nodes) for (const output of node.outputs) local.add(output);
  const captured = new Set<string>();
  for (const node of body.nodes) {
    for (const read of readsOf(node)) if (!local.has(read)) captured.add(read);
  }
  for (const output of body.outputs) if (!local.has(output)) captured.add(output);
  return [...captured];
}

/**
 * Puts `nodes` in topological order, otherwise as they were, and checks the graph's wiring:
 * every value is made once and every value that is read is made.
 *
 * @param outer names that a body may read from around it
 * @throws CompileError naming the value and the node: made twice, never made, or in a cycle
 */
export function sortNodes(graph: Graph, outer: ReadonlySet<string> = new Set()): void {
  const ready = new Set<string>(outer);
  const makers = new Map<string, GraphNode>();
  for (const name of [...graph.inputs, ...graph.initializers.keys()]) {
    // Shadowing a name of an outer graph is tolerated: inner reads mean the inner value.
    if (!outer.has(name) && ready.has(name)) {
      throw new CompileError(
        "BadGraph",
        `graph "${graph.name}": value "${name}" is declared twice`,
      );
    }
    ready.add(name);
  }
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output === "") continue;
      const other = makers.get(output);
      if (other !== undefined || ready.has(output)) {
        const by = other === undefined ? "an input or initializer" : describeNode(other);
        throw nodeError(
          "BadGraph",
          node,
          `value "${output}" is already made by ${by}; names must be unique`,
        );
      }
      makers.set(output, node);
    }
  }

  // Depth first with an explicit stack: a chain of a hundred thousand nodes must not overflow ours.
  const state = new Map<GraphNode, "open" | "done">();
  const sorted: GraphNode[] = [];
  for (const root of graph.nodes) {
    if (state.has(root)) continue;
    state.set(root, "open");
    const stack = [{ node: root, reads: readsOf(root), next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const read = top.reads[top.next++];
      if (read === undefined) {
        state.set(top.node, "done");
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      if (ready.has(read)) continue;
      const maker = makers.get(read);
      if (maker === undefined) {
        throw nodeError(
          "BadGraph",
          top.node,
          `input "${read}" is made by no node, initializer or graph input`,
        );
      }
      const seen = state.get(maker);
      if (seen === "open") {
        throw nodeError(
          "BadGraph",
          maker,
          `its output "${read}" depends on itself; the graph has a cycle`,
        );
      }
      if (seen === undefined) {
        state.set(maker, "open");
        stack.push({ node: maker, reads: readsOf(maker), next: 0 });
      }
    }
  }
  for (const output of graph.outputs) {
    if (!ready.has(output) && !makers.has(output)) {
      throw new CompileError(
        "BadGraph",
        `graph "${graph.name}": output "${output}" is made by no node`,
      );
    }
  }
  graph.nodes = sorted;
}
