/** Scan, written as the Loop that it is. */
import {
  addConstant,
  attribute,
  copyGraph,
  freshName,
  graphAttribute,
  int64Vector,
  intAttribute,
  intsAttribute,
} from "./graph.js";
import type { Attribute, ConstantTensor, Dim, Graph, GraphNode, ValueInfo } from "./graph.js";
import type { NodeView } from "./shapes/nodeView.js";

const UNKNOWN: ValueInfo = { elementType: undefined, shape: undefined };
/** Where a Slice that runs backwards ends, whatever the size of its axis. */
const BEFORE_START = -0x7fffffff;

/** Each member of a batch gets a copy of the body. */
const MAX_BATCH = 1024;

/** A sequence that a Scan reads, or one that it writes. */
interface Sequence {
  readonly name: string;
  /** Counted from the front. */
  readonly axis: number;
  readonly reversed: boolean;
}

interface Written extends Sequence {
  /** Needed where the axis is not the first. */
  readonly rank: number | undefined;
}

/** A Scan without a batch: what operator sets 9 and later have, one member of what 8 has. */
interface Form {
  /** The Scan's body, which becomes the Loop's. */
  readonly body: Graph;
  readonly states: readonly string[];
  readonly read: readonly Sequence[];
  readonly length: Dim | undefined;
  readonly finals: readonly string[];
  readonly written: readonly Written[];
  /** What names of new values begin with. */
  readonly label: string;
}

/** @param probe resolves a body, to learn the ranks of what it gives */
export function expandScan(view: NodeView, probe: (body: Graph) => void): GraphNode[] {
  const { node } = view;
  const body = graphAttribute(node, "body");
  const count = intAttribute(node, "num_scan_inputs");
  if (body === undefined || count === undefined)
    throw view.error("BadAttribute", "body and num_scan_inputs must be there");
  const old = view.opset < 9;
  // Operator set 8 has the lengths in front.
  if (count < 1 || count > node.inputs.length - (old ? 1 : 0) || body.inputs.length < count)
    throw view.error("BadAttribute", `num_scan_inputs is ${String(count)}, which does not fit`);
  const writer = new ScanWriter(view);
  if (old) expandBatch(view, writer, body, count);
  else writer.loop(formOf(view, body, count, probe));
  return writer.nodes;
}

function formOf(view: NodeView, body: Graph, count: number, probe: (body: Graph) => void): Form {
  const { node } = view;
  const states = node.inputs.length - count;
  const entry = (name: string, i: number): number => intsAttribute(node, name)?.[i] ?? 0;
  const read = node.inputs.slice(states).map((name, k): Sequence => {
    const axis = entry("scan_input_axes", k);
    const rank = view.rank(states + k);
    return {
      name,
      axis: axis < 0 ? view.axis(axis, known(view, rank, name)) : axis,
      reversed: entry("scan_input_directions", k) === 1,
    };
  });
  const outputs = node.outputs.slice(states);
  const moved = outputs.some((_, k) => entry("scan_output_axes", k) !== 0);
  const ranks = moved ? ranksOf(view, body, states, read, probe) : [];
  const written = outputs.map((name, k): Written => {
    const axis = entry("scan_output_axes", k);
    const rank = axis === 0 ? undefined : known(view, ranks[states + k], name);
    return {
      name,
      axis: rank === undefined ? 0 : view.axis(axis, rank),
      reversed: entry("scan_output_directions", k) === 1,
      rank,
    };
  });
  return {
    body,
    states: node.inputs.slice(0, states),
    read,
    length: view.shape(states)?.[read[0]?.axis ?? 0],
    finals: node.outputs.slice(0, states),
    written,
    label: node.name,
  };
}

function known(view: NodeView, rank: number | undefined, name: string): number {
  if (rank !== undefined) return rank;
  throw view.error("UnknownShape", `the rank of "${name}" must be known`);
}

/** Ranks of what a Scan gives: one more than those of its body's results. */
function ranksOf(
  view: NodeView,
  original: Graph,
  states: number,
  read: readonly Sequence[],
  probe: (body: Graph) => void,
): (number | undefined)[] {
  const body = copyGraph(original);
  body.inputs.forEach((name, i) => {
    const shape = view.shape(i);
    const axis = read[i - states]?.axis;
    body.values.set(name, {
      elementType: view.elementType(i),
      shape: axis === undefined ? shape : shape?.filter((_, j) => j !== axis),
    });
  });
  probe(body);
  return body.outputs.map((name) => {
    const rank = body.values.get(name)?.shape?.length;
    return rank === undefined ? undefined : rank + 1;
  });
}

/** Operator set 8 has a batch in front of everything: a Loop for each of its members. */
function expandBatch(view: NodeView, writer: ScanWriter, body: Graph, count: number): void {
  const { node } = view;
  if (view.has(0)) throw view.error("UnsupportedScan", "sequence_lens is not supported");
  const inputs = node.inputs.slice(1);
  const states = inputs.length - count;
  const batch = view.shape(1)?.[0];
  if (typeof batch !== "number")
    throw view.error("OpenDimension", "the size of the batch must be known; pin it with --dim");
  if (batch > MAX_BATCH)
    throw view.error("TooLarge", `a batch of ${String(batch)} is more than ${String(MAX_BATCH)}`);
  const directions = intsAttribute(node, "directions");
  const results = node.outputs.map((): string[] => []);
  for (let b = 0; b < batch; b++) {
    const label = `${node.name}#${String(b)}`;
    const at = writer.constant(`${label}#member`, { ...int64Vector([b]), dims: [] });
    const members = inputs.map((name, i) =>
      writer.add("Gather", [name, at], writer.value(`${label}#input${String(i)}`), {
        axis: attribute.int(0),
      }),
    );
    const outputs = node.outputs.map((_, i) => writer.value(`${label}#output${String(i)}`));
    writer.loop({
      body: copyGraph(body),
      states: members.slice(0, states),
      read: members.slice(states).map((name, k) => ({
        name,
        axis: 0,
        reversed: directions?.[k] === 1,
      })),
      length: view.shape(1 + states)?.[1],
      finals: outputs.slice(0, states),
      written: outputs
        .slice(states)
        .map((name) => ({ name, axis: 0, reversed: false, rank: undefined })),
      label,
    });
    outputs.forEach((name, i) => {
      const row = writer.value(`${name}#row`);
      // Operator set 8 has the axes of Unsqueeze as an attribute.
      results[i]!.push(writer.add("Unsqueeze", [name], row, { axes: attribute.ints([0]) }));
    });
  }
  node.outputs.forEach((name, i) => {
    if (name !== "") writer.add("Concat", results[i]!, name, { axis: attribute.int(0) });
  });
}

/** Collects nodes of the graph around a Scan. */
class ScanWriter {
  readonly nodes: GraphNode[] = [];
  readonly #graph: Graph;

  constructor({ scope }: NodeView) {
    this.#graph = scope.graph;
  }

  constant(hint: string, tensor: ConstantTensor): string {
    return addConstant(this.#graph, hint, tensor);
  }

  value(hint: string): string {
    const name = freshName(this.#graph, hint);
    this.#graph.values.set(name, UNKNOWN);
    return name;
  }

  add(
    opType: string,
    inputs: string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    this.nodes.push(plainNode(opType, inputs, [output], attributes));
    return output;
  }

  loop({ body, states, read, length, finals, written, label }: Form): void {
    const trips = this.#trips(read[0]!, length, label);
    const inner = (opType: string, inputs: string[], output: string, attributes = {}): string => {
      body.values.set(output, UNKNOWN);
      nodes.push(plainNode(opType, inputs, [output], attributes));
      return output;
    };
    const [round, going] = [`${label}#round`, `${label}#going`];
    for (const name of [round, going]) body.values.set(name, UNKNOWN);
    const nodes: GraphNode[] = [];
    const elements = body.inputs.slice(states.length);
    elements.forEach((element, k) => {
      const { name, axis, reversed } = read[k]!;
      let index = round;
      if (reversed) {
        const one: ConstantTensor = { ...int64Vector([1]), dims: [] };
        body.initializers.set(`${element}#one`, one);
        body.values.set(`${element}#one`, { elementType: "int64", shape: [] });
        const last = inner("Sub", [trips, `${element}#one`], `${element}#last`);
        index = inner("Sub", [last, round], `${element}#index`);
      }
      inner("Gather", [name, index], element, { axis: attribute.int(axis) });
    });
    nodes.push(...body.nodes);
    const goesOn = inner("Identity", [going], `${label}#goes_on`);
    body.nodes = nodes;
    body.inputs = [round, going, ...body.inputs.slice(0, states.length)];
    body.outputs = [goesOn, ...body.outputs];

    const stacked = written.map(({ name, axis, reversed }) =>
      name !== "" && (axis !== 0 || reversed) ? this.value(`${name}#stacked`) : name,
    );
    const outputs = [...finals, ...stacked];
    const loop = plainNode("Loop", [trips, "", ...states], outputs, {
      body: attribute.graph(body),
    });
    this.nodes.push({ ...loop, name: label });
    written.forEach((output, k) => {
      if (stacked[k] !== output.name) this.#place(output, stacked[k]!);
    });
  }

  /** Turns what a Loop stacks along axis 0 into what a Scan writes. */
  #place({ name, axis, reversed, rank }: Written, stacked: string): void {
    let from = stacked;
    if (reversed) {
      const parameters = [-1, BEFORE_START, 0, -1].map((value, i) =>
        this.constant(`${name}#slice${String(i)}`, int64Vector([value])),
      );
      const to = axis === 0 ? name : this.value(`${name}#reversed`);
      from = this.add("Slice", [from, ...parameters], to);
    }
    if (axis === 0) return;
    const perm = Array.from({ length: rank! }, (_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
    this.add("Transpose", [from], name, { perm: attribute.ints(perm) });
  }

  /** How many rounds there are, an int64 scalar. */
  #trips({ name, axis }: Sequence, length: Dim | undefined, label: string): string {
    if (typeof length === "number")
      return this.constant(`${label}#rounds`, { ...int64Vector([length]), dims: [] });
    const shape = this.add("Shape", [name], this.value(`${label}#shape`));
    const at = this.constant(`${label}#axis`, { ...int64Vector([axis]), dims: [] });
    return this.add("Gather", [shape, at], this.value(`${label}#rounds`), {
      axis: attribute.int(0),
    });
  }
}

function plainNode(
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Readonly<Record<string, Attribute>>,
): GraphNode {
  return {
    name: `${outputs.find((output) => output !== "") ?? opType}#${opType}`,
    opType,
    domain: "",
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
  };
}
