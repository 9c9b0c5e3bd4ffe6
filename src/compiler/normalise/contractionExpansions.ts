/** Products with vectors, in terms of products of matrices. */
import type { Dim } from "../graph.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

/** A vector in front is a row, one behind a column; the axis of 1 goes from the result again. */
const matmul: Normaliser = (view) => {
  const [a, b] = [view.shape(0), view.shape(1)];
  if (a === undefined || b === undefined || (a.length !== 1 && b.length !== 1)) return undefined;
  if (a.length === 0 || b.length === 0) throw view.shapeError("a scalar has no matrix product");
  const left: readonly Dim[] = a.length === 1 ? [1, ...a] : a;
  const right: readonly Dim[] = b.length === 1 ? [...b, 1] : b;
  const [k, kOfB] = [left.at(-1), right.at(-2)];
  if (typeof k === "number" && typeof kOfB === "number" && k !== kOfB)
    throw view.shapeError(`inner dimensions ${String(k)} and ${String(kOfB)} differ`);
  const e = new Expansion(view);
  const x = a.length === 1 ? e.reshape(view.name(0), left) : view.name(0);
  const y = b.length === 1 ? e.reshape(view.name(1), right) : view.name(1);
  const batch = left.length > right.length ? left.slice(0, -2) : right.slice(0, -2);
  const product = e.op("MatMul", [x, y], {}, [...batch, left.at(-2)!, right.at(-1)!]);
  const rows = a.length === 1 ? [] : [left.at(-2)!];
  const columns = b.length === 1 ? [] : [right.at(-1)!];
  e.reshape(product, [...batch, ...rows, ...columns]);
  return e.finish();
};

export const CONTRACTION_EXPANSIONS: Readonly<Record<string, Normaliser>> = { MatMul: matmul };
