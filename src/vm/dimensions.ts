/** The named dimensions of an entry point, bound as its inputs and outputs come along. */
import { floorDiv } from "../core/fixedPoint.js";
import type { Shape } from "../core/shape.js";
import type { DerivedDimension, Dimension, NamedDimension } from "../module/module.js";

/** What a port says of one dimension, for messages: `N`, `⌊(2·N + 1) / 4⌋`. */
export function formatDimension(dimension: Dimension, named: readonly NamedDimension[]): string {
  if (typeof dimension === "number") return String(dimension);
  const { multiplier, offset, divisor } = dimension;
  const name = named[dimension.dimension]!.name;
  const scaled = multiplier === 1 ? name : `${multiplier}·${name}`;
  const moved = offset === 0 ? scaled : `${scaled} ${offset < 0 ? "−" : "+"} ${Math.abs(offset)}`;
  if (divisor === 1) return moved;
  return offset === 0 ? `⌊${moved} / ${divisor}⌋` : `⌊(${moved}) / ${divisor}⌋`;
}

/** For messages: `[N,3,224]`. */
export function formatDimensions(
  shape: readonly Dimension[],
  named: readonly NamedDimension[],
): string {
  return `[${shape.map((dimension) => formatDimension(dimension, named)).join(",")}]`;
}

function isName({ multiplier, offset, divisor }: DerivedDimension): boolean {
  return multiplier === 1 && offset === 0 && divisor === 1;
}

function derive(value: number, { multiplier, offset, divisor }: DerivedDimension): number {
  return Number(floorDiv(BigInt(value) * BigInt(multiplier) + BigInt(offset), BigInt(divisor)));
}

/** Why shapes do not fit the dimensions that are declared. */
export interface Misfit {
  /** Position of the port. */
  readonly port: number;
  readonly axis: number;
  /** In words, without the port's name: `dimension 1 (N) is 5, but N is 4`. */
  readonly reason: string;
}

/** Values of the named dimensions of one run. */
export class DimensionBindings {
  readonly #named: readonly NamedDimension[];
  readonly #values: (number | undefined)[];

  constructor(named: readonly NamedDimension[]) {
    this.#named = named;
    this.#values = named.map(() => undefined);
  }

  /**
   * Compares the shapes of ports with what is declared. A name takes its value where it first
   * stands alone (ports in order, axes in order), derived dimensions are compared after that; one
   * whose name never stands alone may be anything.
   * @param declared of each port; of the rank of `shapes`
   */
  bind(declared: readonly (readonly Dimension[])[], shapes: readonly Shape[]): Misfit | undefined {
    return this.#visit(declared, shapes, true) ?? this.#visit(declared, shapes, false);
  }

  #visit(
    declared: readonly (readonly Dimension[])[],
    shapes: readonly Shape[],
    names: boolean,
  ): Misfit | undefined {
    for (const [port, dimensions] of declared.entries()) {
      for (const [axis, dimension] of dimensions.entries()) {
        if ((typeof dimension === "object" && !isName(dimension)) === names) continue;
        const problem = this.#compare(dimension, shapes[port]![axis]!);
        if (problem === undefined) continue;
        const label =
          typeof dimension === "number" ? "" : ` (${formatDimension(dimension, this.#named)})`;
        return { port, axis, reason: `dimension ${axis}${label} is ${problem}` };
      }
    }
    return undefined;
  }

  #compare(dimension: Dimension, actual: number): string | undefined {
    if (typeof dimension === "number") {
      return actual === dimension ? undefined : `${actual}, it must be ${dimension}`;
    }
    const { name, maximum } = this.#named[dimension.dimension]!;
    const value = this.#values[dimension.dimension];
    if (isName(dimension)) {
      if (value === undefined) {
        if (actual > maximum) return `${actual}, ${name} is at most ${maximum}`;
        this.#values[dimension.dimension] = actual;
      } else if (value !== actual) return `${actual}, but ${name} is ${value}`;
      return undefined;
    }
    if (value === undefined) return undefined;
    const expected = derive(value, dimension);
    return actual === expected
      ? undefined
      : `${actual}, it must be ${expected} as ${name} is ${value}`;
  }
}
