import { describe, expect, it } from "vitest";
import type { LinkError } from "../../src/core/errors.js";
import { toHex } from "../../src/module/hex.js";
import { linkParameters } from "../../src/module/link.js";
import { chunkRoot } from "../../src/module/merkle.js";
import type { Module } from "../../src/module/module.js";
import { TINY } from "../support/tinyModule.js";

const DATA = TINY.parameterData[0]!;
const ROOT = toHex(TINY.parameters[0]!.root);
const APART: Module = { ...TINY, parameterData: [undefined] };

function errorOf(link: () => unknown): LinkError {
  try {
    link();
  } catch (error) {
    return error as LinkError;
  }
  return expect.unreachable("it linked");
}

describe("linkParameters", () => {
  it("takes data from the module", () => {
    expect(linkParameters(TINY).parameterData[0]).toBe(DATA);
    expect(linkParameters(TINY).parameter(0)).toBe(DATA);
  });

  it("takes data that travelled apart from a store, by root", () => {
    expect(linkParameters(APART, new Map([[ROOT, DATA]])).parameterData).toEqual([DATA]);
  });

  it("fetches what is larger than a chunk again, and checks it again", () => {
    const data = new Uint8Array(65_537).fill(7);
    const root = chunkRoot(data);
    const module: Module = {
      ...TINY,
      parameters: [{ dtype: "i8", shape: [65_537], root }],
      parameterData: [undefined],
    };
    const store = new Map([[toHex(root), data]]);
    const linked = linkParameters(module, { get: (hex) => store.get(hex)?.slice() });
    expect(linked.parameterData).toEqual([undefined]);
    expect(linked.parameter(0)).toEqual(data);
    data[65_536] = 8;
    expect(errorOf(() => linked.parameter(0))).toMatchObject({ code: "ParameterRoot" });
    store.clear();
    expect(errorOf(() => linked.parameter(0))).toMatchObject({ code: "MissingParameter" });
  });

  it.each<[string, Module, ReadonlyMap<string, Uint8Array> | undefined]>([
    ["MissingParameter", APART, undefined],
    ["MissingParameter", APART, new Map()],
    ["MissingParameter", { ...TINY, parameterData: [] }, new Map([[ROOT, DATA]])],
    ["ParameterLength", { ...TINY, parameterData: [DATA.slice(1)] }, undefined],
    ["ParameterRoot", { ...TINY, parameterData: [Uint8Array.of(1, 254, 4)] }, undefined],
    ["ParameterRoot", APART, new Map([[ROOT, Uint8Array.of(1, 254, 4)]])],
  ])("throws LinkError %s (%#)", (code, module, store) => {
    const error = errorOf(() => linkParameters(module, store));
    expect(error).toMatchObject({ name: "LinkError", code });
  });

  it("refuses a bool other than 0 and 1", () => {
    const data = Uint8Array.of(0, 1, 2);
    const module: Module = {
      ...TINY,
      parameters: [{ dtype: "bool", shape: [3], root: chunkRoot(data) }],
      parameterData: [data],
    };
    expect(errorOf(() => linkParameters(module))).toMatchObject({
      name: "LinkError",
      code: "ParameterBool",
      place: { offset: 2 },
    });
  });
});
