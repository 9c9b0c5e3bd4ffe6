/** Calibrations as JSON text. */
import type { Calibration, ChannelRange, TensorRange } from "../compiler/calibration.js";
import { InputError } from "../core/errors.js";
import { isRecord, isSha256, parseVersioned } from "./versionedJson.js";

/** The text of a calibration file: the same calibration always gives the same text. */
export function formatCalibration(calibration: Calibration): string {
  return `${JSON.stringify(calibration)}\n`;
}

/**
 * Reads a calibration file.
 * @param file how messages name the file
 * @throws InputError `BadCalibration` when the text is no calibration
 */
export function parseCalibration(text: string, file: string): Calibration {
  const bad = (what: string): InputError =>
    new InputError(
      "BadCalibration",
      `${file} is no calibration file: ${what}; make one with \`aivm calibrate\``,
      { name: file },
    );
  const { model, samples, madeUp, dims, tensors, engine, engineReason } = parseVersioned(text, bad);
  if (!isSha256(model)) throw bad('"model" is no SHA-256');
  if (!isCount(samples)) throw bad('"samples" is no count');
  if (typeof madeUp !== "boolean") throw bad('"madeUp" is neither true nor false');
  if (!isRecord(dims) || !Object.values(dims).every(isCount)) throw bad('"dims" holds no sizes');
  if (engine !== undefined && engine !== "aivm") throw bad('"engine" is not known');
  if (engineReason !== undefined && typeof engineReason !== "string")
    throw bad('"engineReason" is no text');
  if (!isRecord(tensors)) throw bad('"tensors" holds no ranges');
  for (const [name, range] of Object.entries(tensors)) {
    if (!isTensorRange(range)) throw bad(`the range of tensor ${JSON.stringify(name)} is damaged`);
  }
  return {
    version: 1,
    model,
    samples,
    madeUp,
    dims: dims as Record<string, number>,
    ...(engine === undefined ? {} : { engine }),
    ...(engineReason === undefined ? {} : { engineReason }),
    tensors: tensors as Record<string, TensorRange>,
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => typeof x === "number");
}

function isTensorRange(value: unknown): value is TensorRange {
  if (!isRecord(value)) return false;
  const { min, max, rms, count, channels, histogram } = value;
  return (
    areNumbers([min, max, rms]) &&
    (min as number) <= (max as number) &&
    (rms as number) >= 0 &&
    isCount(count) &&
    Array.isArray(channels) &&
    channels.every(isChannelRange) &&
    Array.isArray(histogram) &&
    histogram.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isCount))
  );
}

function isChannelRange(value: unknown): value is ChannelRange {
  if (!isRecord(value)) return false;
  const { axis, min, max, mean = min } = value;
  if (!isCount(axis) || !areNumbers(min)) return false;
  const { variance = min, directions = [] } = value;
  if (!Array.isArray(directions)) return false;
  return [max, mean, variance, ...directions].every(
    (list) => areNumbers(list) && list.length === min.length,
  );
}
