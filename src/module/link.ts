import { equalBytes } from "../core/bytes.js";
import { LinkError } from "../core/errors.js";
import { byteLength } from "../core/shape.js";
import { toHex } from "./hex.js";
import { CHUNK_BYTES, chunkRoot } from "./merkle.js";
import type { Module, ParameterInfo } from "./module.js";
import type { ParameterStore } from "./parameterStore.js";

/** A module whose parameters are all there and are what their roots say. */
export interface LinkedModule extends Module {
  /**
   * Data of a parameter. What came from a store and has more than a chunk is not kept: it is
   * fetched and checked again.
   * @throws LinkError when the store has lost or changed it since it was linked
   */
  parameter(index: number): Uint8Array;
}

/**
 * Finds the data of every parameter, in the module or else in `store`, and checks it.
 * The data are not copied: whoever changes them afterwards breaks what was checked.
 * @throws LinkError `MissingParameter`, `ParameterLength`, `ParameterRoot`, or `ParameterBool` when
 *   a bool parameter holds a byte other than 0 and 1
 */
export function linkParameters(module: Module, store?: ParameterStore): LinkedModule {
  if (module.parameterData.length !== module.parameters.length) {
    throw new LinkError(
      "MissingParameter",
      `the module has ${module.parameters.length} parameters and data or gaps for ${module.parameterData.length}`,
    );
  }
  // Weakly held: a store of files makes a new array each time, one in memory the same.
  const checked = new WeakSet<Uint8Array>();
  const fetched = (index: number): Uint8Array => {
    const parameter = module.parameters[index]!;
    const rootHex = toHex(parameter.root);
    const name = `parameter ${index}`;
    const data = module.parameterData[index] ?? store?.get(rootHex);
    if (data === undefined) {
      throw new LinkError(
        "MissingParameter",
        `${name} (root ${rootHex}) is neither in the module nor in the store`,
        { name },
      );
    }
    if (!checked.has(data)) checkParameter(parameter, data, name);
    checked.add(data);
    return data;
  };
  const parameterData = module.parameterData.map((given, index) => {
    const data = fetched(index);
    return given !== undefined || data.length <= CHUNK_BYTES ? data : undefined;
  });
  return {
    ...module,
    parameterData,
    parameter: (index) => parameterData[index] ?? fetched(index),
  };
}

function checkParameter(parameter: ParameterInfo, data: Uint8Array, name: string): void {
  const expected = byteLength(parameter);
  if (data.length !== expected) {
    throw new LinkError(
      "ParameterLength",
      `${name} has ${data.length} bytes of data, its shape takes ${expected}`,
      {
        name,
      },
    );
  }
  const root = chunkRoot(data);
  if (!equalBytes(root, parameter.root)) {
    throw new LinkError(
      "ParameterRoot",
      `the data of ${name} has the root ${toHex(root)}, the module says ${toHex(parameter.root)}`,
      { name },
    );
  }
  if (parameter.dtype === "bool") {
    const wrong = data.findIndex((byte) => byte > 1);
    if (wrong >= 0) {
      throw new LinkError(
        "ParameterBool",
        `${name} is bool and holds the byte ${data[wrong]}, not 0 or 1`,
        {
          name,
          offset: wrong,
        },
      );
    }
  }
}
