import type { Dim, Shape } from "../graph.js";

/** What open dimensions, and formulas over them (`dims.ts`), are in one run. */
export class DimValues {
  readonly #values: Map<string, number>;

  /** @param outer what is known already; it is copied */
  constructor(outer?: DimValues) {
    this.#values = new Map(outer?.entries() ?? []);
  }

  entries(): Iterable<[string, number]> {
    return this.#values;
  }

  /** Learns from the sizes that a value of shape `shape` turned out to have. */
  bind(shape: Shape, dims: readonly number[]): void {
    if (shape?.length !== dims.length) return;
    shape.forEach((dim, i) => {
      if (typeof dim === "string" && dim !== "") this.#values.set(dim, dims[i]!);
    });
  }

  /** The shape with numbers wherever they are known. */
  close(shape: Shape): Shape {
    return shape?.map((dim) => this.valueOf(dim) ?? dim);
  }

  /** Undefined where a name in it is not known. */
  valueOf(dim: Dim): number | undefined {
    if (typeof dim === "number") return dim;
    const known = this.#values.get(dim);
    if (known !== undefined) return known;
    if (/^-?\d+$/.test(dim)) return Number(dim);
    const factors = splitOutside(dim, "*");
    if (factors.length > 1) return this.#combine(factors, (a, b) => a * b);
    const quotient = /^(floor|ceil)\((.*)\)$/.exec(dim);
    if (quotient !== null) {
      const [above = "", below = ""] = splitOutside(quotient[2]!, "/");
      return this.#combine([above, below], (a, b) =>
        quotient[1] === "floor" ? Math.floor(a / b) : Math.ceil(a / b),
      );
    }
    if (!dim.startsWith("(") || !dim.endsWith(")")) return undefined;
    const inner = dim.slice(1, -1);
    const terms = splitOutside(inner, "+");
    if (terms.length > 1) return this.#combine(terms, (a, b) => a + b);
    const less = splitOutside(inner, "-");
    return less.length > 1 ? this.#combine(less, (a, b) => a - b) : undefined;
  }

  #combine(parts: readonly string[], op: (a: number, b: number) => number): number | undefined {
    const values = parts.map((part) => this.valueOf(part));
    if (values.includes(undefined)) return undefined;
    return (values as number[]).reduce(op);
  }
}

/** Parts of a formula between separators that are in no parentheses. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "(") depth++;
    else if (c === ")") depth--;
    else if (c === separator && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
