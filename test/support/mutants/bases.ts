/** What mutants are made from: small modules that validate and run, of many kinds. */
import fc from "fast-check";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { madeUpSamples } from "../../../src/analysis/madeUpSamples.js";
import { compile } from "../../../src/compiler/compile.js";
import { describeModel } from "../../../src/compiler/describe.js";
import type { Precision } from "../../../src/compiler/lower/profile.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import { newArray } from "../../../src/core/dtype.js";
import { parseAssembly } from "../../../src/module/assemble.js";
import { chunkRoot } from "../../../src/module/merkle.js";
import type { Module } from "../../../src/module/module.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { EXAMPLES } from "../../../src/opcodes/examples.js";
import type { TensorOpName } from "../../../src/opcodes/index.js";
import { GAS_VERSION, ISA_VERSION } from "../../../src/opcodes/index.js";
import { arbitraryModule } from "../arbitraryModule.js";
import { SeededRandom } from "../seededRandom.js";
import { TINY } from "../tinyModule.js";
import { declareOutputs } from "./append.js";
import type { Draft } from "./draft.js";
import { moduleOf } from "./draft.js";

/** Loops, branches that carry values, calls, recursion, taken locals, randomness, aggregation. */
const PROGRAMS = [
  `entry "main" function=0
  input "n" i32 []
  input "x" i16 [4]
  output "y" i16 [4]
function (i32:0, i16:1)->(i16:1)
  locals i32:0
  block type=()->()
    loop type=()->()
      local.get local=2
      local.get local=0
      lt
      not
      br.if label=1
      local.get local=1
      local.get local=1
      add
      local.set local=1
      local.get local=2
      scalar dtype=i32 value=1
      add
      local.set local=2
      br label=0
    end
  end
  local.take local=1
end`,
  `entry "main" function=0
  input "c" bool []
  input "x" i32 [2, 3]
  output "y" i32 [2, 3]
function (bool:0, i32:2)->(i32:2)
  local.get local=0
  if type=()->(i32:2)
    local.get local=1
    neg
  else
    local.get local=1
    local.get local=1
    call function=1
  end
  block type=(i32:2)->(i32:2)
    local.get local=0
    br.if label=0
    abs
  end
end
function (i32:2, i32:2)->(i32:2)
  local.get local=0
  local.get local=1
  mul
  return
end`,
  `entry "main" function=0
  input "n" i64 []
  output "y" i64 []
function (i64:0)->(i64:0)
  local.get local=0
  scalar dtype=i64 value=0
  le
  if type=()->(i64:0)
    scalar dtype=i64 value=1
  else
    local.get local=0
    scalar dtype=i64 value=1
    sub
    call function=0
    local.take local=0
    mul
  end
end`,
  `dimension "N" maximum=6
entry "main" function=0
  input "x" i16 ["N", 3] mantissa=1 exponent=-8 zeroPoint=0
  output "y" i16 ["N", 2] mantissa=1 exponent=-8 zeroPoint=0
  output "best" i32 ["N"]
parameter i16 [3, 2]
  values 256 -256 128 64 512 0
parameter i32 [2]
  values 8192 -32768
function (i16:2)->(i16:2, i32:1)
  locals i16:2
  local.get local=0
  const parameter=0
  matmul aBits=16 bBits=11 accumulator=i32
  const parameter=1
  add
  rescale multiplier=1 shift=8 dtype=i16 zeroPoint=0 lo=0 hi=32767
  local.tee local=1
  local.take local=1
  argmax axis=1
  reshape dims=[-3]
end`,
  `entry "main" function=0
  input "i" i64 []
  output "y" i16 [4, 4, 3]
  output "z" i32 [1, 4, 4, 2]
function (i64:0)->(i16:3, i32:4)
  locals i16:4
  local.get local=0
  random dtype=i16 stream=1 dims=[1, 4, 4, 3]
  local.tee local=1
  reshape dims=[4, 4, 3]
  local.take local=1
  scalar dtype=i64 value=5
  random dtype=i8 stream=2 dims=[3, 3, 3, 2]
  conv aBits=16 bBits=8 accumulator=i32 strides=[1, 1] dilations=[1, 1] pads=[1, 1, 1, 1] groups=1 padValue=3
  scalar dtype=i32 value=77
  add
  rescale multiplier=3 shift=2 dtype=i32 zeroPoint=0 lo=-100000 hi=100000
end`,
];

function handwritten(): Module[] {
  return [TINY, ...PROGRAMS.map((text) => parseAssembly(`aivm isa=1 gas=1\n${text}`))];
}

function bytesOf({ dtype, values }: ExactValue): Uint8Array {
  const data = newArray(dtype, values.length);
  values.forEach((value, i) => (data[i] = dtype === "i64" ? value : Number(value)));
  return new Uint8Array(data.buffer);
}

/** The example of each instruction: its first operand an input, the others parameters. */
function examples(): Module[] {
  return (Object.keys(EXAMPLES) as TensorOpName[]).map((op) => {
    const { imm, operands, results } = EXAMPLES[op];
    const type = ({ dtype, shape }: ExactValue): { dtype: typeof dtype; rank: number } => ({
      dtype,
      rank: shape.length,
    });
    const [first, ...rest] = operands;
    const draft: Draft = {
      configuration: {
        isaVersion: ISA_VERSION,
        gasVersion: GAS_VERSION,
        features: [],
        dimensions: [],
        entries: [
          {
            name: "main",
            function: 0,
            inputs: first === undefined ? [] : [{ name: "x", ...first }],
            outputs: [],
          },
        ],
        aggregations: [],
      },
      functions: [
        {
          params: first === undefined ? [] : [type(first)],
          results: results.map(type),
          locals: [],
          body: [
            ...(first === undefined ? [] : [{ op: "local.get", imm: { local: 0 } }]),
            ...rest.map((_, parameter) => ({ op: "const", imm: { parameter } })),
            { op, imm },
            { op: "end", imm: {} },
          ],
        },
      ],
      aggregation: [],
      parameters: rest.map((value) => ({
        dtype: value.dtype,
        shape: value.shape,
        root: chunkRoot(bytesOf(value)),
      })),
      parameterData: rest.map(bytesOf),
      provenance: { op },
    };
    for (const port of draft.configuration.entries[0]!.inputs) {
      Reflect.deleteProperty(port, "values");
    }
    declareOutputs(draft);
    return moduleOf(draft);
  });
}

type Build = (b: ModelBuilder, random: (...dims: number[]) => ReturnType<typeof tensor>) => void;

const MODELS: readonly (readonly [Precision, readonly number[], Build])[] = [
  [
    "fx16",
    [1, 2, 6, 6],
    (b, random) =>
      b
        .constant("w", random(4, 2, 3, 3))
        .constant("bias", random(4))
        .constant("depthwise", random(4, 1, 3, 3))
        .node("Conv", ["x", "w", "bias"], ["a"], { pads: [1, 1, 1, 1] })
        .node("Sigmoid", ["a"], ["s"])
        .node("Mul", ["a", "s"], ["silu"])
        .node("Conv", ["silu", "depthwise"], ["d"], { group: 4, strides: [2, 2] })
        .node("MaxPool", ["silu"], ["p"], { kernel_shape: [2, 2], strides: [3, 3] })
        .node("Concat", ["d", "p"], ["y"], { axis: 1 }),
  ],
  [
    "fx8",
    [1, 2, 6, 6],
    (b, random) =>
      b
        .constant("w", random(4, 2, 3, 3))
        .constant("fc", random(16, 3))
        .constant("shape", tensor("int64", [2], [1, -1]))
        .node("Conv", ["x", "w"], ["a"], { strides: [2, 2] })
        .node("Relu", ["a"], ["r"])
        .node("Reshape", ["r", "shape"], ["flat"])
        .node("MatMul", ["flat", "fc"], ["m"])
        .node("Softmax", ["m"], ["y"], { axis: -1 }),
  ],
  [
    "fx16w8",
    [2, 3, 8],
    (b, random) =>
      b
        .constant("w", random(8, 8))
        .node("MatMul", ["x", "w"], ["q"])
        .node("Transpose", ["q"], ["k"], { perm: [0, 2, 1] })
        .node("MatMul", ["q", "k"], ["scores"])
        .node("Softmax", ["scores"], ["p"], { axis: -1 })
        .node("MatMul", ["p", "x"], ["y"]),
  ],
  [
    "fx32",
    [2, 5],
    (b, random) =>
      b
        .constant("w", random(5, 4))
        .node("MatMul", ["x", "w"], ["m"])
        .node("Tanh", ["m"], ["t"])
        .node("ReduceMean", ["t"], ["y"], { axes: [1], keepdims: 1 }),
  ],
];

/** ONNX files of what is compiled most. */
export function compiledModels(): { precision: Precision; model: Uint8Array }[] {
  return MODELS.map(([precision, dims, build], i) => {
    const source = new SeededRandom(i + 1);
    const b = new ModelBuilder(17).input("x", "float32", dims);
    build(b, (...shape) => {
      const length = shape.reduce((product, dim) => product * dim, 1);
      const values = Array.from({ length }, () => source.int(-100, 100) / 128);
      return tensor("float32", shape, values);
    });
    return { precision, model: b.output("y", "float32").encode() };
  });
}

async function compiled(): Promise<Module[]> {
  const modules = [];
  for (const { precision, model } of compiledModels()) {
    const samples = madeUpSamples(describeModel(model).inputs, { count: 2 });
    const calibration = await calibrate(model, samples, { madeUp: true });
    modules.push(compile(model, { calibration, precision }).module);
  }
  return modules;
}

/** In groups of one kind, so that each kind can be chosen as often as the others. */
export async function baseModules(): Promise<readonly (readonly Module[])[]> {
  return [
    handwritten(),
    examples(),
    await compiled(),
    fc.sample(arbitraryModule({ absent: false }), { numRuns: 40, seed: 1 }),
  ];
}
