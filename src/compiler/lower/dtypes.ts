/** Which dtypes hold integers of the model, and which pairs of them there are products of. */
import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import { CompileError } from "../../core/errors.js";
import type { ElementType } from "../graph.js";

/** The program's dtype for an integer type of the model. */
export function integerDtype(type: ElementType): Dtype {
  switch (type) {
    case "bool":
      return "bool";
    case "uint8":
    case "uint4":
      return "u8";
    case "int8":
    case "int4":
      return "i8";
    case "int16":
      return "i16";
    case "int32":
    case "uint16":
      return "i32";
    case "int64":
    case "uint32":
    case "uint64":
      return "i64";
    default:
      throw new CompileError(
        "UnsupportedType",
        `tensors of ${type} cannot be held as integers here`,
      );
  }
}

/** The dtypes to which the operands of a product must be widened so that the pair exists. */
export function pairedDtypes(a: Dtype, b: Dtype): readonly [Dtype, Dtype] {
  const bits = (dtype: Dtype): number => DTYPE_INFO[dtype].bits;
  if (b === "u8" && a !== "u8") return pairedDtypes(a, "i16");
  if (a === "u8" && bits(b) > 8) return pairedDtypes("i16", b);
  if (bits(a) < bits(b)) return [b, b];
  return a === "i32" && b === "i8" ? [a, "i16"] : [a, b];
}
