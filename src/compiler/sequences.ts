/** Sequences and optionals: lists of tensors that are known when compiling, and gone after it. */
import {
  addConstant,
  attribute,
  freshName,
  graphAttribute,
  int64Vector,
  intAttribute,
} from "./graph.js";
import type { Attribute, GraphNode } from "./graph.js";
import { inlined } from "./controlFlow.js";
import type { NodeView, Scope } from "./shapes/nodeView.js";

/** What a name stands for that is no tensor: tensors in order, or an optional without a value. */
export type List = readonly string[] | "none";

type Expand = (view: NodeView) => GraphNode[] | undefined;

const EXPAND: ReadonlyMap<string, Expand> = new Map(
  Object.entries({
    Identity: alias,
    Optional: (view) => {
      if (view.has(0)) return alias(view) ?? named(view, view.name(0));
      return defined(view, "none");
    },
    OptionalHasElement: (view) => {
      const given = view.has(0) && listOf(view.scope, view.name(0)) !== "none";
      return constant(view, { elementType: "bool", dims: [], data: Uint8Array.of(given ? 1 : 0) });
    },
    OptionalGetElement: (view) => {
      if (listOf(view.scope, view.name(0)) === "none")
        throw view.error("BadInput", "takes the value of an optional that has none");
      return alias(view) ?? named(view, view.name(0));
    },
    SequenceEmpty: (view) => defined(view, []),
    SequenceConstruct: (view) => defined(view, view.node.inputs),
    SequenceLength: (view) =>
      onList(view, (list) => constant(view, { ...int64Vector([list.length]), dims: [] })),
    SequenceAt: (view) =>
      onList(view, (list) => {
        const at = position(view, 1, list.length);
        return at === undefined ? undefined : named(view, list[at]!);
      }),
    SequenceInsert: (view) =>
      onList(view, (list) => {
        const at = view.has(2) ? position(view, 2, list.length, list.length) : list.length;
        if (at === undefined) return undefined;
        return defined(view, [...list.slice(0, at), view.name(1), ...list.slice(at)]);
      }),
    SequenceErase: (view) =>
      onList(view, (list) => {
        const at = view.has(1) ? position(view, 1, list.length) : list.length - 1;
        if (at === undefined) return undefined;
        return defined(
          view,
          list.filter((_, i) => i !== at),
        );
      }),
    SequenceMap: mapped,
    SplitToSequence: split,
    ConcatFromSequence: (view) => onList(view, (list) => concatenated(view, list)),
  }),
);

/** The nodes in place of one that makes or takes lists; undefined where it stays what it is. */
export function expandSequence(view: NodeView): GraphNode[] | undefined {
  return view.node.domain === "" ? EXPAND.get(view.node.opType)?.(view) : undefined;
}

export function listOf(scope: Scope, name: string): List | undefined {
  for (let s: Scope | undefined = scope; s !== undefined; s = s.outer) {
    const found = s.lists.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function onList(
  view: NodeView,
  then: (list: readonly string[]) => GraphNode[] | undefined,
): GraphNode[] | undefined {
  const list = listOf(view.scope, view.name(0));
  return list === undefined || list === "none" ? undefined : then(list);
}

function defined(view: NodeView, list: List): GraphNode[] {
  view.scope.lists.set(view.node.outputs[0] ?? "", list);
  return [];
}

/** Another name for a list; undefined for tensors. */
function alias(view: NodeView): GraphNode[] | undefined {
  const list = listOf(view.scope, view.name(0));
  return list === undefined ? undefined : defined(view, list);
}

/** Another name for a tensor. */
function named(view: NodeView, from: string): GraphNode[] {
  return [made(view, "Identity", [from], view.node.outputs[0] ?? "")];
}

function made(
  view: NodeView,
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, Attribute>> = {},
): GraphNode {
  return {
    name: `${view.node.name}#${output}`,
    opType,
    domain: "",
    inputs: [...inputs],
    outputs: [output],
    attributes: new Map(Object.entries(attributes)),
  };
}

function constant(view: NodeView, value: Parameters<typeof attribute.tensor>[0]): GraphNode[] {
  const output = view.node.outputs[0] ?? "";
  return [made(view, "Constant", [], output, { value: attribute.tensor(value) })];
}

/** A constant position in a list, counted from the front. */
/** A constant position, negative ones counted from the end; up to `last`. */
function position(
  view: NodeView,
  input: number,
  length: number,
  last = length - 1,
): number | undefined {
  const given = view.numbers(input)?.[0];
  if (given === undefined) return undefined;
  const at = given < 0 ? given + length : given;
  if (at >= 0 && at <= last) return at;
  throw view.error("BadInput", `position ${String(given)} is outside the sequence`);
}

function value(view: NodeView, hint: string): string {
  const { graph } = view.scope;
  const name = freshName(graph, hint);
  graph.values.set(name, { elementType: undefined, shape: undefined });
  return name;
}

/** Squeeze or Unsqueeze of one axis, as the model's operator set spells it. */
function reranked(view: NodeView, opType: string, x: string, y: string, axis: number): GraphNode {
  if (view.opset < 13) return made(view, opType, [x], y, { axes: attribute.ints([axis]) });
  const axes = addConstant(view.scope.graph, `${y}#axes`, int64Vector([axis]));
  return made(view, opType, [x, axes], y);
}

function concatenated(view: NodeView, list: readonly string[]): GraphNode[] {
  const axis = intAttribute(view.node, "axis") ?? 0;
  const output = view.node.outputs[0] ?? "";
  const nodes: GraphNode[] = [];
  let parts = list;
  if (intAttribute(view.node, "new_axis") === 1) {
    parts = list.map((name, i) => {
      const row = value(view, `${output}#row${String(i)}`);
      nodes.push(reranked(view, "Unsqueeze", name, row, axis));
      return row;
    });
  }
  nodes.push(made(view, "Concat", parts, output, { axis: attribute.int(axis) }));
  return nodes;
}

function split(view: NodeView): GraphNode[] | undefined {
  const shape = view.shape(0);
  if (shape === undefined) return undefined;
  const axis = view.axis(intAttribute(view.node, "axis") ?? 0, shape.length);
  const size = shape[axis];
  const given = view.has(1) ? view.numbers(1) : [1];
  if (typeof size !== "number" || given === undefined) return undefined;
  const scalar = !view.has(1) || view.constant(1)?.dims.length === 0;
  const [step = 1] = given;
  const sizes = scalar
    ? Array.from({ length: Math.ceil(size / step) }, (_, i) => Math.min(step, size - i * step))
    : given;
  const output = view.node.outputs[0] ?? "";
  const { graph } = view.scope;
  const nodes: GraphNode[] = [];
  let start = 0;
  const parts = sizes.map((length, i) => {
    const part = value(view, `${output}#part${String(i)}`);
    const indices = Array.from({ length }, (_, k) => start + k);
    start += length;
    // Without keepdims, a scalar index drops the axis.
    const drops = !view.has(1) && intAttribute(view.node, "keepdims") === 0;
    const vector = int64Vector(indices);
    const at = addConstant(graph, `${part}#at`, drops ? { ...vector, dims: [] } : vector);
    nodes.push(made(view, "Gather", [view.name(0), at], part, { axis: attribute.int(axis) }));
    return part;
  });
  view.scope.lists.set(output, parts);
  return nodes;
}

/** A body for each position of the lists; tensors are the same for each. */
function mapped(view: NodeView): GraphNode[] | undefined {
  const { node, scope } = view;
  const body = graphAttribute(node, "body");
  const lists = node.inputs.map((name) => listOf(scope, name));
  const first = lists[0];
  if (body === undefined || first === undefined || first === "none") return undefined;
  const nodes: GraphNode[] = [];
  const results = node.outputs.map((): string[] => []);
  first.forEach((_, k) => {
    const bindings = new Map(
      body.inputs.map((name, i) => {
        const list = lists[i];
        return [name, list === undefined || list === "none" ? node.inputs[i]! : (list[k] ?? "")];
      }),
    );
    const part = inlined(body, scope.graph, `${node.name}#${String(k)}`, bindings, true);
    nodes.push(...part.nodes);
    part.outputs.forEach((name, i) => results[i]?.push(name));
  });
  node.outputs.forEach((name, i) => scope.lists.set(name, results[i]!));
  return nodes;
}
