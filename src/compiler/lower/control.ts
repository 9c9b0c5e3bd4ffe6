/** If and Loop: branches and loops of the program. */
import type { Arm, FixedType, FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, Graph, GraphNode } from "../graph.js";
import { constantNumbers, graphAttribute, intAttribute, isFloat, nodeError } from "../graph.js";
import { goesOn } from "../controlFlow.js";
import type { LoweringContext } from "./context.js";
import { integerDtype } from "./dtypes.js";
import { limitOf, WIDE } from "./profile.js";
import type { Format, Lowered, Real } from "./real.js";
import { format, identityAxes } from "./real.js";
import { RowStacks } from "./rowStacks.js";
import type { Rule } from "./rule.js";
import { roundScale } from "./scale.js";

/** Lowers the nodes of a body. */
type LowerNodes = (ctx: LoweringContext) => void;

export const controlRules = (lowerNodes: LowerNodes): Readonly<Record<string, Rule>> => ({
  If: (ctx, node) => lowerIf(ctx, node, lowerNodes),
  Loop: (ctx, node) => lowerLoop(ctx, node, lowerNodes),
  Shape: lowerShape,
});

/** How a value is held on both sides of a border of a region. */
interface Border {
  readonly type: FixedType;
  readonly format: Format | undefined;
}

/** Sizes that are only known when running, and wanted as elements. */
function lowerShape(ctx: LoweringContext, node: GraphNode): void {
  const x = ctx.logical(ctx.get(node.inputs[0]!)).value;
  const rank = x.shape.length;
  const start = intAttribute(node, "start") ?? 0;
  const end = intAttribute(node, "end") ?? rank;
  const sizes = ctx.builder.op("shape", {}, [x], "i64", [rank]);
  const length = ctx.shapeOf(node.outputs[0]!);
  const part = { starts: [start], ends: [end], steps: [1] };
  const value =
    start === 0 && end >= rank ? sizes : ctx.builder.op("slice", part, [sizes], "i64", length);
  ctx.define(node.outputs[0]!, { value, axes: [0] });
}

function bodyOf(node: GraphNode, name: string): Graph {
  const body = graphAttribute(node, name);
  if (body === undefined) throw nodeError("BadAttribute", node, `"${name}" must be there`);
  return body;
}

/** Reals of one range: as wide as sums over many rounds need it, or as the profile has them. */
function borderOf(
  ctx: LoweringContext,
  node: GraphNode,
  name: string,
  shape: readonly Dim[],
  names: readonly string[],
  wide: boolean,
): Border {
  const type = ctx.elementTypeOf(name);
  if (!isFloat(type)) return { type: { dtype: integerDtype(type), shape }, format: undefined };
  const given = ctx.formats.heldFor(name);
  if (given !== undefined) return { type: { dtype: given.dtype, shape }, format: given };
  if (!wide && ctx.rangeOf(name) !== undefined) {
    const chosen = ctx.formats.choose(name, node);
    return { type: { dtype: chosen.dtype, shape }, format: chosen };
  }
  const ranges = names.map((n) => ctx.rangeOf(n)).filter((range) => range !== undefined);
  if (ranges.length === 0) ctx.requireRange(name, node);
  const reach = Math.max(...ranges.map(({ min, max }) => Math.max(Math.abs(min), Math.abs(max))));
  const width = wide ? WIDE : ctx.profile.activation;
  const limit = limitOf(width);
  const unit = (reach === 0 ? 1 : reach) * (width.headroom / limit);
  const held = format(width.dtype, roundScale(unit), 0, [-limit - 1, limit]);
  return { type: { dtype: held.dtype, shape }, format: held };
}

/** A value as it crosses a border, its axes in the model's order. */
function crossing(ctx: LoweringContext, node: GraphNode, x: Lowered, border: Border): FixedValue {
  const { dtype, shape } = border.type;
  if ((x.format === undefined) !== (border.format === undefined))
    throw nodeError("UnsupportedType", node, "carries a real and an integer under one name");
  if (x.axes.length !== shape.length)
    throw nodeError("UnsupportedShape", node, "gives tensors of different ranks under one name");
  if (border.format === undefined) return ctx.widened(ctx.logical(x).value, dtype);
  return ctx.logical(ctx.requantise(x as Real, border.format)).value;
}

/** What a body gives gets its format where it is made. */
function hold(inner: LoweringContext, name: string, { format: held }: Border): void {
  if (held !== undefined && inner.graph.nodes.some(({ outputs }) => outputs.includes(name)))
    inner.formats.hold(name, held);
}

const lowered = (value: FixedValue, border: Border): Lowered => ({
  value,
  axes: identityAxes(value.shape.length),
  ...(border.format !== undefined && { format: border.format }),
});

/** A scalar, which ONNX also lets be a vector of one. */
function scalarOf(ctx: LoweringContext, name: string): FixedValue {
  return ctx.reshaped(ctx.get(name).value, []);
}

function lowerIf(ctx: LoweringContext, node: GraphNode, lowerNodes: LowerNodes): void {
  const bodies = [bodyOf(node, "then_branch"), bodyOf(node, "else_branch")];
  const wanted = node.outputs.flatMap((name, i) => (name === "" ? [] : [{ name, i }]));
  const borders = wanted.map(({ name, i }) =>
    borderOf(
      ctx,
      node,
      name,
      ctx.shapeOf(name),
      bodies.map((body) => body.outputs[i]!),
      false,
    ),
  );
  const seen = bodies.map((body) => wasTaken(ctx, body));
  const arms = bodies.map((body, b): Arm => {
    if (seen[b] === false && seen[1 - b] === true) {
      ctx.untaken.push(`${node.name}: ${b === 0 ? "then_branch" : "else_branch"}`);
      return NEVER_CALIBRATED;
    }
    return () => {
      const inner = ctx.inner(body);
      wanted.forEach(({ i }, k) => hold(inner, body.outputs[i]!, borders[k]!));
      lowerNodes(inner);
      return wanted.map(({ i }, k) =>
        crossing(inner, node, inner.get(body.outputs[i]!), borders[k]!),
      );
    };
  }) as [Arm, Arm];
  const values = ctx.builder.branch(
    scalarOf(ctx, node.inputs[0]!),
    borders.map(({ type }) => type),
    arms,
  );
  wanted.forEach(({ name }, k) => ctx.define(name, lowered(values[k]!, borders[k]!)));
}

/** Detail of the trap in place of a branch that no sample took: nothing is known of its values. */
const NEVER_CALIBRATED = 1;

/** Whether calibration saw some value that a branch computes, if it computes reals at all. */
function wasTaken(ctx: LoweringContext, body: Graph): boolean {
  const names = body.nodes.flatMap(({ outputs }) => outputs);
  const reals = names.filter((name) => isFloat(body.values.get(name)?.elementType));
  return reals.length === 0 || reals.some((name) => ctx.rangeOf(name) !== undefined);
}

function lowerLoop(ctx: LoweringContext, node: GraphNode, lowerNodes: LowerNodes): void {
  const { builder } = ctx;
  const body = bodyOf(node, "body");
  const [tripsName = "", conditionName = "", ...initial] = node.inputs;
  const [iteration = "", condition = "", ...found] = body.inputs;
  const left = body.outputs.slice(1, 1 + initial.length);
  const scans = body.outputs.slice(1 + initial.length).flatMap((inside, k) => {
    const name = node.outputs[initial.length + k] ?? "";
    return name === "" ? [] : [{ inside, name }];
  });
  // The shapes of what is carried are those inside; the range is that of all that it ever is.
  const probe = ctx.inner(body);
  const carriedBorders = initial.map((name, k) => {
    const names = [name, found[k]!, left[k]!, node.outputs[k] ?? ""];
    return borderOf(probe, node, found[k]!, probe.shapeOf(found[k]!), names, true);
  });
  const scanBorders = scans.map(({ inside, name }) =>
    borderOf(ctx, node, name, ctx.shapeOf(name), [name, inside], false),
  );
  const counter: FixedType = { dtype: "i64", shape: [] };
  const given = ctx.constant(tripsName);
  const rounds = given === undefined ? undefined : constantNumbers(given)[0];
  const stacks = scans.map(({ name }, k) => new RowStacks(ctx, scanBorders[k]!.type, name, rounds));
  const carriedTypes = [counter, ...carriedBorders.map(({ type }) => type)];
  const types = [...carriedTypes, ...stacks.flatMap((stack) => stack.types)];
  /** What a round carries, by scan. */
  const stackedOf = (carried: readonly FixedValue[]): readonly FixedValue[][] => {
    const rest = carried.slice(carriedTypes.length);
    return stacks.map((stack) => rest.splice(0, stack.types.length));
  };

  const trips = tripsName === "" ? undefined : ctx.widened(scalarOf(ctx, tripsName), "i64");
  const one = builder.scalar("i64", 1n);
  const always = builder.constant("bool", [], [1]);
  const begin = (): FixedValue[] => [
    builder.scalar("i64", 0n),
    ...initial.map((name, k) => crossing(ctx, node, ctx.get(name), carriedBorders[k]!)),
    ...stacks.flatMap((stack) => stack.begin()),
  ];

  const run = (): readonly FixedValue[] =>
    builder.loop(begin(), types, (carried) => {
      const [i, ...rest] = carried as [FixedValue, ...FixedValue[]];
      const inner = ctx.inner(body);
      inner.define(iteration, { value: i, axes: [] });
      inner.define(condition, { value: always, axes: [] });
      found.forEach((name, k) => inner.define(name, lowered(rest[k]!, carriedBorders[k]!)));
      left.forEach((name, k) => hold(inner, name, carriedBorders[k]!));
      scans.forEach(({ inside }, k) => hold(inner, inside, scanBorders[k]!));
      lowerNodes(inner);
      const next = builder.op("add", {}, [i, one], "i64", []);
      const after = left.map((name, k) =>
        crossing(inner, node, inner.get(name), carriedBorders[k]!),
      );
      const stacked = stackedOf(carried);
      const grown = scans.flatMap(({ inside }, k) => {
        const { type, format: held } = scanBorders[k]!;
        const [, ...shape] = type.shape;
        const border: Border = { type: { dtype: type.dtype, shape }, format: held };
        const row = crossing(inner, node, inner.get(inside), border);
        return stacks[k]!.push(stacked[k]!, inner.reshaped(row, [1, ...row.shape]), next);
      });
      const tests = [
        ...(trips === undefined ? [] : [builder.op("lt", {}, [next, trips], "bool", [])]),
        ...(goesOn(body) ? [] : [scalarOf(inner, body.outputs[0]!)]),
      ];
      return { again: all(ctx, tests) ?? always, carried: [next, ...after, ...grown] };
    });

  const entering = [
    ...(trips === undefined || positive(ctx, tripsName)
      ? []
      : [builder.op("lt", {}, [builder.scalar("i64", 0n), trips], "bool", [])]),
    ...(conditionName === "" || positive(ctx, conditionName) ? [] : [scalarOf(ctx, conditionName)]),
  ];
  const enters = all(ctx, entering);
  const values = enters === undefined ? run() : builder.branch(enters, types, [run, begin]);
  initial.forEach((_, k) => {
    const name = node.outputs[k] ?? "";
    if (name !== "") ctx.define(name, lowered(values[1 + k]!, carriedBorders[k]!));
  });
  stackedOf(values).forEach((rows, k) =>
    ctx.define(scans[k]!.name, lowered(stacks[k]!.finish(rows), scanBorders[k]!)),
  );
}

function all(ctx: LoweringContext, tests: readonly FixedValue[]): FixedValue | undefined {
  if (tests.length === 0) return undefined;
  return tests.reduce((a, b) => ctx.builder.op("and", {}, [a, b], "bool", []));
}

/** Whether a value is a constant above 0. */
function positive(ctx: LoweringContext, name: string): boolean {
  const constant = ctx.constant(name);
  return constant !== undefined && constantNumbers(constant)[0]! > 0;
}
