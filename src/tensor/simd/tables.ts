import { DTYPE_INFO } from "../../core/dtype.js";
import type { Engine } from "./engine.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { PendingTable } from "./pending.js";
import type { Derived } from "./storage.js";
import type { SimdTensor } from "./tensor.js";

/** Entries of a direct table for i16. */
const ENTRIES = 65_536;

/**
 * The same function as a direct table once it has served more elements than such a table has
 * entries: a look-up then costs a quarter of an interpolation, and each entry is one.
 * @param elements how many are about to be looked up
 */
export function fastTable(engine: Engine, table: PendingTable, elements: number): PendingTable {
  const { segmentsLog2, guardBits, dtype } = table;
  if (segmentsLog2 === 0 || DTYPE_INFO[dtype].bytes > 2) return table;
  const owner = engine.storageOf(table.table);
  owner.lookUps += elements;
  if (owner.lookUps < ENTRIES) return table;
  const key = `direct ${segmentsLog2} ${guardBits} ${dtype}`;
  const direct = engine.packed.get(owner, key, () => expandTable(engine, table));
  return { table: direct.tensor, segmentsLog2: 0, guardBits: 0, dtype };
}

/** Every value of an interpolated table. */
function expandTable(
  engine: Engine,
  { table, segmentsLog2, guardBits, dtype }: PendingTable,
): Derived & { readonly bytes: number; readonly tensor: SimdTensor } {
  const inputs = engine.scratch(ENTRIES * 2);
  const { code, bytes } = DTYPE_INFO[dtype];
  const tensor = engine.make(dtype, [ENTRIES], DTYPE_INTERVAL[dtype]);
  const values = engine.heap.view("i16", inputs, ENTRIES);
  for (let i = 0; i < ENTRIES; i++) values[i] = (i - ENTRIES / 2) as never;
  const [from, to] = [engine.addressOf(table), engine.addressOf(tensor)];
  engine.wasm.lutInterpolate(inputs, ENTRIES, from, segmentsLog2, guardBits, code, to);
  return { bytes: ENTRIES * bytes, tensor, dispose: () => engine.release(tensor) };
}
