import { chunkRoot } from "../../src/module/merkle.js";
import type { Module } from "../../src/module/module.js";

const WEIGHTS = Uint8Array.of(1, 254, 3);

/** `y = x + [1, −2, 3]`, over i8: a whole module that is small enough to read in hexadecimal. */
export const TINY: Module = {
  configuration: {
    isaVersion: 1,
    gasVersion: 1,
    features: [],
    dimensions: [{ name: "N", maximum: 8 }],
    entries: [
      {
        name: "main",
        function: 0,
        inputs: [
          {
            name: "x",
            dtype: "i8",
            shape: [{ dimension: 0, multiplier: 1, offset: 0, divisor: 1 }, 3],
            scale: { mantissa: 1, exponent: -7, zeroPoint: 0n },
          },
        ],
        outputs: [
          {
            name: "y",
            dtype: "i8",
            shape: [{ dimension: 0, multiplier: 1, offset: 0, divisor: 1 }, 3],
          },
        ],
      },
    ],
    aggregations: [],
  },
  functions: [
    {
      params: [{ dtype: "i8", rank: 2 }],
      results: [{ dtype: "i8", rank: 2 }],
      locals: [],
      body: [
        { op: "local.get", imm: { local: 0 } },
        { op: "const", imm: { parameter: 0 } },
        { op: "add", imm: {} },
        { op: "end", imm: {} },
      ],
    },
  ],
  aggregation: [],
  parameters: [{ dtype: "i8", shape: [3], root: chunkRoot(WEIGHTS) }],
  parameterData: [WEIGHTS],
  provenance: { compiler: "by hand" },
};
