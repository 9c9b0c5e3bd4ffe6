import {
  expressionAttribute,
  intAttribute,
  intsAttribute,
  operatorName,
} from "../../../src/compiler/graph.js";
import type { ConstantTensor, ElementType, Graph, GraphNode } from "../../../src/compiler/graph.js";
import type { Expression } from "../../../src/compiler/expression.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { dataTypeOf } from "../../../src/compiler/onnx/tensor.js";

const ONNX_BINARY = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  pow: "Pow",
  min: "Min",
  max: "Max",
} as const;
/** Of booleans, or giving them. */
const ONNX_LOGIC = {
  equal: "Equal",
  less: "Less",
  lessOrEqual: "LessOrEqual",
  and: "And",
  or: "Or",
} as const;

/**
 * Writes a graph in normal form as an ONNX model again, so that a runtime we did not write can say
 * whether it still computes what the source model did. Needs every dimension to be known.
 */
export function exportGraph(graph: Graph): Uint8Array {
  return new Exporter(graph).bytes();
}

class Exporter {
  private readonly graph: Graph;
  private readonly builder = new ModelBuilder(21);
  private fresh = 0;

  constructor(graph: Graph) {
    this.graph = graph;
  }

  bytes(): Uint8Array {
    const { graph, builder } = this;
    for (const name of graph.inputs) builder.input(name, this.type(name), this.dims(name));
    for (const name of graph.outputs) builder.output(name, this.type(name), this.dims(name));
    for (const [name, constant] of graph.initializers) builder.constant(name, constant);
    for (const node of graph.nodes) this.node(node);
    return builder.encode();
  }

  private type(name: string): ElementType {
    return this.graph.values.get(name)?.elementType ?? "float32";
  }

  private dims(name: string): number[] {
    const shape = this.graph.values.get(name)?.shape;
    if (shape?.every((dim) => typeof dim === "number") !== true) {
      throw new TypeError(`${name} has no fixed shape`);
    }
    return shape as number[];
  }

  private constant(value: ConstantTensor): string {
    const name = `export#${String(this.fresh++)}`;
    this.builder.constant(name, value);
    return name;
  }

  private int64s(values: readonly number[]): string {
    return this.constant(tensor("int64", [values.length], values));
  }

  private number(value: number, type: ElementType): string {
    return this.constant(tensor(type, [], [value]));
  }

  private node(node: GraphNode): void {
    const { builder } = this;
    const attributes: Record<string, AttributeValue> = {};
    for (const [name, a] of node.attributes) {
      if (a.type === "graph" || a.type === "expression") continue;
      attributes[name] = a;
    }
    const [x = "", ...rest] = node.inputs;
    const [y = ""] = node.outputs;
    const emit = (inputs: readonly string[], without: readonly string[] = []): void => {
      const kept = Object.entries(attributes).filter(([name]) => !without.includes(name));
      builder.node(node.opType, inputs, node.outputs, Object.fromEntries(kept), {
        name: node.name,
      });
    };
    const ints = (name: string): number[] => intsAttribute(node, name) ?? [];
    const dynamic = /^(Reshape|Expand|Slice|Pad|Tile|TopK|Clip|Resize|Reduce.*)$/.test(node.opType);
    if (dynamic && node.inputs.length > 1) {
      emit(node.inputs); // Parameters known only when running are where ONNX has them.
      return;
    }
    switch (operatorName(node)) {
      case "Upsample":
        builder.node("Resize", [x, "", ...rest], [y], {
          mode: "nearest",
          coordinate_transformation_mode: "asymmetric",
          nearest_mode: "floor",
        });
        break;
      case "Reshape":
        attributes["allowzero"] = 1;
        emit([x, this.int64s(this.dims(y))]);
        break;
      case "Expand":
        emit([x, this.int64s(this.dims(y))]);
        break;
      case "Slice": {
        // Past the first element cannot be written as −1.
        const ends = ints("ends").map((end, i) =>
          (ints("steps")[i] ?? 1) < 0 && end < 0 ? -1e15 : end,
        );
        const lists = [ints("starts"), ends, ints("axes"), ints("steps")];
        emit([x, ...lists.map((list) => this.int64s(list))], ["starts", "ends", "axes", "steps"]);
        break;
      }
      case "Pad": {
        const value = node.attributes.get("value")?.value as number;
        emit([x, this.int64s(ints("pads")), this.number(value, this.type(x))], ["pads", "value"]);
        break;
      }
      case "Tile":
        emit([x, this.int64s(ints("repeats"))], ["repeats"]);
        break;
      case "TopK":
        emit([x, this.int64s([intAttribute(node, "k") ?? 0])], ["k"]);
        break;
      case "Clip": {
        const [min, max] = ["min", "max"].map((name) => node.attributes.get(name)?.value as number);
        const bound = (v = Infinity): string =>
          Math.abs(v) === Infinity ? "" : this.number(v, this.type(x));
        emit([x, bound(min), bound(max)], ["min", "max"]);
        break;
      }
      case "Cast":
        builder.node("Cast", [x], [y], {
          to: dataTypeOf(
            attributes["to"] === undefined
              ? "float32"
              : (node.attributes.get("to")?.value as ElementType),
          ),
        });
        break;
      case "Resize": {
        const scales = node.attributes.get("scales")?.value as readonly number[];
        const shape = this.dims(y);
        const from = this.dims(x);
        // Sizes, where a scale of size/size does not survive float32.
        const exact = scales.every(
          (s, i) => Math.floor(Math.fround((from[i] ?? 1) * Math.fround(s))) === shape[i],
        );
        const inputs = exact
          ? [x, "", this.constant(tensor("float32", [scales.length], scales))]
          : [x, "", "", this.int64s(shape)];
        emit(inputs, ["scales"]);
        break;
      }
      case "aivm.Linear": {
        const product = rest[1] === undefined ? y : `${y}#product`;
        builder.node("MatMul", [x, rest[0] ?? ""], [product]);
        if (rest[1] !== undefined) builder.node("Add", [product, rest[1]], [y]);
        break;
      }
      case "aivm.Unary": {
        const expression = expressionAttribute(node, "expression");
        if (expression !== undefined) {
          builder.node("Identity", [this.expression(expression, x, this.type(x))], [y]);
        }
        break;
      }
      default:
        if (node.opType.startsWith("Reduce")) emit([x, this.int64s(ints("axes"))], ["axes"]);
        else emit(node.inputs);
    }
  }

  private expression(e: Expression, x: string, type: ElementType): string {
    if (e.kind === "x") return x;
    if (e.kind === "constant") return this.number(e.value, type);
    const output = `export#${String(this.fresh++)}`;
    const cast = (name: string, to: ElementType): string => {
      const made = `export#${String(this.fresh++)}`;
      this.builder.node("Cast", [name], [made], { to: dataTypeOf(to) });
      return made;
    };
    if (e.kind === "select") {
      const [c = "", a = "", b = ""] = [e.condition, e.a, e.b].map((part) =>
        this.expression(part, x, type),
      );
      this.builder.node("Where", [cast(c, "bool"), a, b], [output]);
      return output;
    }
    if (e.kind === "binary") {
      const operands = [e.a, e.b].map((part) => this.expression(part, x, type));
      if (e.op in ONNX_BINARY) {
        this.builder.node(ONNX_BINARY[e.op as keyof typeof ONNX_BINARY], operands, [output]);
        return output;
      }
      const op = e.op as keyof typeof ONNX_LOGIC;
      const taken = op === "and" || op === "or" ? operands.map((o) => cast(o, "bool")) : operands;
      this.builder.node(ONNX_LOGIC[op], taken, [output]);
      return cast(output, type);
    }
    const attributes: Record<string, AttributeValue> = {};
    for (const [name, value] of Object.entries(e.attributes)) {
      attributes[name] = typeof value === "number" ? { type: "float", value } : value;
    }
    this.builder.node(e.name, [this.expression(e.a, x, type)], [output], attributes);
    return output;
  }
}
