/** Slices, pads, tiles and splits whose bounds are only known when running: gathers of index ranges. */
import { attribute } from "../graph.js";
import type { Dim, GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";

/** As in `Slice` exported by tf2onnx: no real dimension comes near. */
const FAR = 1_000_000_000;

/** Writes index arithmetic in int64 vectors of one element, for the axes of one operator. */
class IndexRanges {
  readonly e: Expansion;
  readonly #view: NodeView;

  constructor(view: NodeView) {
    this.#view = view;
    this.e = new Expansion(view);
  }

  number(value: number): string {
    return this.e.int64("number", [value]);
  }

  op(opType: string, ...inputs: string[]): string {
    return this.e.op(opType, inputs, {}, undefined, "int64");
  }

  flag(opType: string, ...inputs: string[]): string {
    return this.e.op(opType, inputs, {}, undefined, "bool");
  }

  sizeOf(x: string, axis: number): string {
    const part = { start: attribute.int(axis), end: attribute.int(axis + 1) };
    return this.e.op("Shape", [x], part, [1], "int64");
  }

  /** Element `i` of an integer input. */
  element(input: number, i: number): string {
    const axis = { axis: attribute.int(0) };
    const vector = this.e.reshape(this.#view.name(input), [this.#lengthOf(input)]);
    const one = this.e.op("Gather", [vector, this.number(i)], axis, [1]);
    return this.e.op("Cast", [one], { to: attribute.string("int64") }, [1], "int64");
  }

  #lengthOf(input: number): Dim {
    return this.#view.shape(input)?.[0] ?? 1;
  }

  /** from, from + step, …, as long as that is before `to`. */
  range(from: string, to: string, step = this.number(1)): string {
    const scalar = (x: string): string => this.e.reshape(x, [], "int64");
    const bounds = [scalar(from), scalar(to), scalar(step)];
    return this.e.op("Range", bounds, {}, undefined, "int64");
  }

  gather(x: string, indices: string, axis: number): string {
    return this.e.op(
      "Gather",
      [x, indices],
      { axis: attribute.int(axis) },
      undefined,
      this.#view.elementType(0),
    );
  }
}

/** What a bound is: sizes are not negative, but a difference that starts with 0 is. */
function signOf(bound: Dim | undefined): "known" | "unknown" {
  if (bound === undefined) return "unknown";
  return typeof bound === "string" && bound.startsWith("[0]-") ? "unknown" : "known";
}

/**
 * A Slice of which a bound follows from open sizes, or from data.
 * @param steps undefined where they are data too
 */
export function openSlice(
  view: NodeView,
  axes: readonly number[],
  steps: readonly number[] | undefined,
): GraphNode[] | undefined {
  if (steps?.includes(0) === true) throw view.error("BadAttribute", "a step of 0");
  const starts = view.contents(1);
  const ends = view.contents(2);
  const ranges = new IndexRanges(view);
  let x = view.name(0);
  axes.forEach((axis, i) => {
    const size = ranges.sizeOf(x, axis);
    const step = steps?.[i];
    if (step === undefined || step < 0) {
      const by = step === undefined ? ranges.element(4, i) : ranges.number(step);
      const [from, to] = [ranges.element(1, i), ranges.element(2, i)];
      x = ranges.gather(x, eitherWay(ranges, size, from, to, by), axis);
      return;
    }
    const bound = (input: number, value: Dim | undefined): string => {
      if (typeof value === "number") {
        if (value >= FAR) return size;
        // Nothing lies between a start beyond the end and the end.
        if (value >= 0 && input === 1) return ranges.number(value);
        if (value >= 0) return ranges.op("Min", ranges.number(value), size);
        return ranges.op("Max", ranges.op("Add", size, ranges.number(value)), ranges.number(0));
      }
      const given = ranges.element(input, i);
      if (signOf(value) === "known") return given;
      const none = ranges.number(0);
      const negative = ranges.flag("Less", given, none);
      const wrapped = ranges.op("Where", negative, ranges.op("Add", given, size), given);
      return ranges.op("Min", ranges.op("Max", wrapped, none), size);
    };
    const [from, to] = [bound(1, starts?.[i]), bound(2, ends?.[i])];
    const indices = ranges.range(from, to, ranges.number(step));
    x = ranges.gather(x, indices, axis);
  });
  return ranges.e.finish();
}

/** Indices of a slice that may fall: its bounds are one less then, and may lie before the first. */
function eitherWay(
  ranges: IndexRanges,
  size: string,
  start: string,
  end: string,
  step: string,
): string {
  const none = ranges.number(0);
  const falls = ranges.flag("Less", step, none);
  const shift = ranges.op("Where", falls, ranges.number(-1), none);
  const last = ranges.op("Add", size, shift);
  const wrapped = (given: string): string => {
    const negative = ranges.flag("Less", given, none);
    return ranges.op("Where", negative, ranges.op("Add", given, size), given);
  };
  const held = (given: string, least: string): string =>
    ranges.op("Min", ranges.op("Max", wrapped(given), least), last);
  return ranges.range(held(start, none), held(end, shift), step);
}

/** A Pad by open amounts, which may be negative. */
export function openPad(view: NodeView): GraphNode[] | undefined {
  const shape = view.shape(0);
  const mode = view.string("mode", "constant");
  const value = view.has(2) ? view.numbers(2)?.[0] : 0;
  const axes = view.has(3) ? view.numbers(3) : shape?.map((_, i) => i);
  if (shape === undefined || axes === undefined || value === undefined) return undefined;
  if (!["constant", "edge", "reflect", "wrap"].includes(mode)) return undefined;
  const pads = view.contents(1);
  const ranges = new IndexRanges(view);
  const fill = ranges.e.constant("fill", {
    elementType: view.elementType(0) ?? "float32",
    dims: [],
    data: view.constant(2)?.data ?? new Float64Array(1),
  });
  let x = view.name(0);
  axes.forEach((raw, i) => {
    const axis = view.axis(raw, shape.length);
    if (pads?.[i] === 0 && pads[i + axes.length] === 0) return;
    const size = ranges.sizeOf(x, axis);
    const last = ranges.op("Sub", size, ranges.number(1));
    const none = ranges.number(0);
    const from = ranges.op("Sub", none, ranges.element(1, i));
    const to = ranges.op("Add", size, ranges.element(1, i + axes.length));
    const place = ranges.range(from, to);
    const held = (at: string): string => ranges.op("Max", ranges.op("Min", at, last), none);
    if (mode === "reflect") {
      const back = ranges.op("Abs", ranges.op("Sub", last, ranges.op("Abs", place)));
      x = ranges.gather(x, ranges.op("Sub", last, back), axis);
      return;
    }
    if (mode === "wrap") {
      x = ranges.gather(x, ranges.op("Mod", place, size), axis);
      return;
    }
    x = ranges.gather(x, held(place), axis);
    if (mode === "edge") return;
    const inside = ranges.flag("Equal", held(place), place);
    const length = `${view.node.outputs[0] ?? ""}#${String(axis)}`;
    const column = ranges.e.op(
      "Reshape",
      [inside],
      {},
      [length, ...shape.slice(axis + 1).map(() => 1)],
      "bool",
    );
    x = ranges.e.op("Where", [column, x, fill], {}, undefined);
  });
  return ranges.e.nodes.length === 0 ? undefined : ranges.e.finish();
}

/** A Tile by amounts that are data. */
export function openTile(view: NodeView): GraphNode[] | undefined {
  const shape = view.shape(0);
  if (shape === undefined || shape.length === 0) return undefined;
  const repeats = view.contents(1);
  const ranges = new IndexRanges(view);
  let x = view.name(0);
  shape.forEach((_, axis) => {
    if (repeats?.[axis] === 1) return;
    const size = ranges.sizeOf(x, axis);
    const all = ranges.range(ranges.number(0), ranges.op("Mul", size, ranges.element(1, axis)));
    x = ranges.gather(x, ranges.op("Mod", all, size), axis);
  });
  return ranges.e.nodes.length === 0 ? undefined : ranges.e.finish();
}

/**
 * 0, and a trap unless the sizes of a Split, and their magnitudes too, add up to its axis: the index of the
 * only element there is, plus squares of what is missing.
 */
function checkedZero(ranges: IndexRanges, view: NodeView, axis: number): string {
  const size = ranges.sizeOf(view.name(0), axis);
  const sizes = view.node.outputs.map((_, part) => ranges.element(1, part));
  const missing = [sizes, sizes.map((part) => ranges.op("Abs", part))].map((parts) => {
    const sum = parts.reduce((a, b) => ranges.op("Add", a, b));
    const gap = ranges.op("Sub", size, sum);
    return ranges.op("Mul", gap, gap);
  });
  const index = missing.reduce((a, b) => ranges.op("Add", a, b));
  return ranges.e.op("Gather", [ranges.number(0), index], { axis: attribute.int(0) }, [1], "int64");
}

/** A Split into parts of which data say the sizes. */
export function splitByData(view: NodeView, axis: number): GraphNode[] {
  const nodes: GraphNode[] = [];
  view.node.outputs.forEach((output, part) => {
    if (output === "") return;
    const ranges = new IndexRanges(view);
    let from = checkedZero(ranges, view, axis);
    for (let before = 0; before < part; before++)
      from = ranges.op("Add", from, ranges.element(1, before));
    const to = ranges.op("Add", from, ranges.element(1, part));
    ranges.gather(view.name(0), ranges.range(from, to), axis);
    nodes.push(...ranges.e.finish(part));
  });
  return nodes;
}

/** A Split of an open axis into equal parts, of which the last is the rest. */
export function openSplit(view: NodeView, axis: number, parts: number): GraphNode[] {
  const nodes: GraphNode[] = [];
  view.node.outputs.forEach((output, part) => {
    if (output === "") return;
    const ranges = new IndexRanges(view);
    const x = view.name(0);
    const size = ranges.sizeOf(x, axis);
    const rounded = ranges.op("Add", size, ranges.number(parts - 1));
    const each = ranges.op("Div", rounded, ranges.number(parts));
    const at = (k: number): string =>
      k === parts ? size : ranges.op("Mul", each, ranges.number(k));
    ranges.gather(x, ranges.range(at(part), at(part + 1)), axis);
    nodes.push(...ranges.e.finish(part));
  });
  return nodes;
}
