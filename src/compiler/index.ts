/** `aivm/compiler`: ONNX models in, modules out. */
export * from "../core/errors.js";
export type { Calibration, ChannelRange, TensorRange } from "./calibration.js";
export type { CompileOptions, CompileReport, CompileResult } from "./compile.js";
export { compile, importSupported } from "./compile.js";
export type { Dim, ElementType } from "./graph.js";
export type { ImportOptions } from "./importModel.js";
export { importModel } from "./importModel.js";
export type { ExternalData } from "./onnx/tensor.js";
export type { ParameterSink, ParameterStore } from "../module/parameterStore.js";
export type { Plan, WeightReport } from "./plan.js";
export { planText } from "./plan.js";
export type { States } from "./states.js";
export type { TensorReport } from "./lower/tensorReport.js";
export type { Precision } from "./lower/profile.js";
export { PRECISIONS } from "./lower/profile.js";
