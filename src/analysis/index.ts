/** `aivm/analysis`: the float model beside the compiled one. Needs the package onnxruntime-web. */
export * from "../core/errors.js";
export type { HostArray, HostArrayTypes, HostData, HostElementType } from "../core/hostArray.js";
export type { Calibration } from "../compiler/calibration.js";
export type { ModelDescription, ModelPort } from "../compiler/describe.js";
export { describeModel } from "../compiler/describe.js";
export type { CalibrateOptions } from "./calibrate.js";
export { calibrate } from "./calibrate.js";
export { formatCalibration, parseCalibration } from "./calibrationFile.js";
export type { Accuracy, CompareOptions, Comparison, OutputComparison } from "./compare.js";
export { compare } from "./compare.js";
export type { CompareLayersOptions, LayerComparison, LayersComparison } from "./compareLayers.js";
export { compareLayers } from "./compareLayers.js";
export type {
  CompilationReport,
  LayerReport,
  ReportSource,
  ValueReport,
} from "./report/compilationReport.js";
export { compilationReport } from "./report/compilationReport.js";
export type { Octave } from "./report/magnitudes.js";
export type { FloatModel, FloatModelOptions, NamedArrays } from "./floatModel.js";
export { openFloatModel } from "./floatModel.js";
export type { MadeUpOptions } from "./madeUpSamples.js";
export { madeUpSamples } from "./madeUpSamples.js";
export type { ChosenPlan, ChoosePlanOptions } from "./choosePlan.js";
export { choosePlan } from "./choosePlan.js";
export { parsePlan } from "./planFile.js";
export type { SamplePlan } from "./samplePlan.js";
export { planSamples } from "./samplePlan.js";
