import { expect, test } from "vitest";
import { parseAssembly } from "../../src/module/assemble.js";
import { entryShapes } from "../../src/vm/entryShapes.js";

const MODULE = parseAssembly(`aivm isa=1 gas=1
dimension "N" maximum=99
dimension "toString" maximum=99
entry "one" function=0
  input "x" i8 ["N", 3]
  input "y" i8 [("N"*3+2)/4, "toString"]
  output "z" i8 ["N", 3]
entry "two" function=0
  input "x" i8 [2, 3]
  input "y" i8 [5, 7]
  output "z" i8 [2, 3]
function (i8:2, i8:2)->(i8:2)
  local.get local=0
end`);

test("shapes of inputs follow from the sizes of open dimensions", () => {
  expect(entryShapes(MODULE, 0, { N: 5, toString: 4 })).toEqual({
    shapes: { x: [5, 3], y: [4, 4] }, // ⌊(5·3 + 2) / 4⌋
    open: [],
  });
  expect(entryShapes(MODULE, 1, {})).toEqual({ shapes: { x: [2, 3], y: [5, 7] }, open: [] });
});

test("dimensions without a size are named once each, and count as 0", () => {
  expect(entryShapes(MODULE, 0, { toString: 1 })).toEqual({
    shapes: { x: [0, 3], y: [0, 1] },
    open: ["N"],
  });
  expect(entryShapes(MODULE, 0, { N: 2 })).toEqual({
    shapes: { x: [2, 3], y: [2, 0] },
    open: ["toString"],
  });
  expect(entryShapes(MODULE, 7, {})).toEqual({ shapes: {}, open: [] });
});
