/** Einsum: diagonals, sums and products of matrices, two operands at a time. */
import { attribute } from "../graph.js";
import type { Dim } from "../graph.js";
import { productOfDims } from "../shapes/dims.js";
import type { NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

/** A tensor whose axes have labels: letters, or numbers for what an ellipsis stands for. */
interface Term {
  readonly name: string;
  readonly labels: readonly string[];
  readonly shape: readonly Dim[];
}

interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

const ELLIPSIS = "...";

export const einsum: Normaliser = (view) => {
  const shapes = view.node.inputs.map((_, i) => view.shape(i));
  if (shapes.some((shape) => shape === undefined)) return undefined;
  const known = shapes as readonly (readonly Dim[])[];
  const equation = parse(
    view,
    known.map((shape) => shape.length),
  );
  const e = new Expansion(view);
  const terms = equation.inputs.map((labels, i): Term => {
    return withoutDiagonals(e, { name: view.name(i), labels, shape: known[i]! });
  });
  let [current] = terms as [Term];
  for (let i = 1; i < terms.length; i++) {
    const later = new Set([...equation.output, ...terms.slice(i + 1).flatMap((t) => t.labels)]);
    current = multiplied(e, current, terms[i]!, later);
  }
  const summed = reduced(e, current, new Set(equation.output));
  const ordered = transposed(e, summed, equation.output);
  if (view.node.inputs.includes(ordered.name)) e.op("Identity", [ordered.name], {}, ordered.shape);
  return e.finish();
};

function parse(view: NodeView, ranks: readonly number[]): Equation {
  const text = view.string("equation", "").replaceAll(" ", "");
  const [left = "", right, ...more] = text.split("->");
  const bad = (): Error =>
    view.error("BadAttribute", `equation "${text}" does not fit its operands`);
  const parts = left.split(",").map(labelsOf);
  if (more.length > 0 || parts.length !== ranks.length) throw bad();
  const spans = parts.map((labels, i) => {
    const open = labels.includes(ELLIPSIS);
    const span = ranks[i]! - labels.length + (open ? 1 : 0);
    if (span < 0 || (!open && span !== 0)) throw bad();
    return open ? span : 0;
  });
  const widest = Math.max(...spans);
  // Axes of an ellipsis are lined up at the end.
  const filled = (labels: readonly string[], span: number): string[] =>
    labels.flatMap((label) =>
      label === ELLIPSIS
        ? Array.from({ length: span }, (_, i) => String(widest - span + i))
        : [label],
    );
  const inputs = parts.map((labels, i) => filled(labels, spans[i]!));
  const all = inputs.flat();
  const implied = [...new Set(all)].filter(
    (label) => !/\d/.test(label) && all.indexOf(label) === all.lastIndexOf(label),
  );
  const output =
    right === undefined
      ? [...filled([ELLIPSIS], widest), ...implied.sort()]
      : filled(labelsOf(right), widest);
  if (output.some((label) => !all.includes(label)) || new Set(output).size !== output.length)
    throw bad();
  return { inputs, output };
}

const labelsOf = (text: string): string[] => text.match(/\.\.\.|[A-Za-z]/g) ?? [];

/** Labels that an operand has twice: the diagonal of those two axes. */
function withoutDiagonals(e: Expansion, term: Term): Term {
  const at = term.labels.findIndex((label, i) => term.labels.indexOf(label) !== i);
  if (at < 0) return term;
  const first = term.labels.indexOf(term.labels[at]!);
  const size = term.shape[at];
  if (typeof size !== "number" || term.shape[first] !== size)
    throw e.view.shapeError("the axes of a diagonal must have one known size");
  const rest = term.labels.map((_, i) => i).filter((i) => i !== at && i !== first);
  const perm = [...rest, first, at];
  const moved = e.transpose(term.name, perm, term.shape);
  const shape = rest.map((i) => term.shape[i] ?? 1);
  const flat = e.reshape(moved, [...shape, size * size]);
  const indices = Array.from({ length: size }, (_, i) => i * (size + 1));
  const name = e.op(
    "Gather",
    [flat, e.int64("diagonal", indices)],
    { axis: attribute.int(rest.length) },
    [...shape, size],
  );
  const labels = [...rest.map((i) => term.labels[i]!), term.labels[at]!];
  return withoutDiagonals(e, { name, labels, shape: [...shape, size] });
}

/** Sums over the axes whose labels nobody needs. */
function reduced(e: Expansion, term: Term, needed: ReadonlySet<string>): Term {
  const axes = term.labels.flatMap((label, i) => (needed.has(label) ? [] : [i]));
  if (axes.length === 0) return term;
  const keep = <T>(list: readonly T[]): T[] => list.filter((_, i) => !axes.includes(i));
  const shape = keep(term.shape);
  const attributes = { axes: attribute.ints(axes), keepdims: attribute.int(0) };
  const name = e.op("ReduceSum", [term.name], attributes, shape);
  return { name, labels: keep(term.labels), shape };
}

function transposed(e: Expansion, term: Term, labels: readonly string[]): Term {
  const perm = labels.map((label) => term.labels.indexOf(label));
  if (perm.every((from, to) => from === to)) return term;
  const name = e.transpose(term.name, perm, term.shape);
  return { name, labels, shape: perm.map((i) => term.shape[i] ?? 1) };
}

/** The product of two terms, summed over the labels that both have and nobody needs later. */
function multiplied(e: Expansion, left: Term, right: Term, later: ReadonlySet<string>): Term {
  const a = reduced(e, left, new Set([...later, ...right.labels]));
  const b = reduced(e, right, new Set([...later, ...left.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => later.has(label));
  const inner = shared.filter((label) => !later.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const dims = (term: Term, labels: readonly string[]): Dim[] =>
    labels.map((label) => term.shape[term.labels.indexOf(label)] ?? 1);
  const [depth, other] = [productOfDims(dims(a, inner)), productOfDims(dims(b, inner))];
  if (typeof depth === "number" && typeof other === "number" && depth !== other)
    throw e.view.shapeError("the axes that are summed have different sizes");
  const x = transposed(e, a, [...batch, ...rows, ...inner]);
  const y = transposed(e, b, [...batch, ...inner, ...columns]);
  const [height, width] = [productOfDims(dims(a, rows)), productOfDims(dims(b, columns))];
  const matrixA = e.reshape(x.name, [...dims(a, batch), height, depth]);
  const matrixB = e.reshape(y.name, [...dims(b, batch), depth, width]);
  const both = dims(a, batch).map((dim, i) => (dim === 1 ? (dims(b, batch)[i] ?? 1) : dim));
  const product = e.op("MatMul", [matrixA, matrixB], {}, [...both, height, width]);
  const shape = [...both, ...dims(a, rows), ...dims(b, columns)];
  return { name: e.reshape(product, shape), labels: [...batch, ...rows, ...columns], shape };
}
