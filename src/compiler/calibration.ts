/**
 * What was measured on the float model, once, in floats: a small JSON artefact. Compiling is a
 * pure function of the model, this and the options.
 */
export interface Calibration {
  readonly version: 1;
  /** SHA-256 of the model's bytes, hex. */
  readonly model: string;
  /** How many samples were run. */
  readonly samples: number;
  /** Whether the samples were made up, for want of the user's. */
  readonly madeUp: boolean;
  /** Values of open dimensions that were seen, by name. */
  readonly dims: Readonly<Record<string, number>>;
  /**
   * What computed the values, where it is not onnxruntime: `aivm` is the compiler's own evaluator,
   * which takes over where onnxruntime cannot open or run the model.
   */
  readonly engine?: "aivm";
  /** Why it was not onnxruntime. */
  readonly engineReason?: string;
  /**
   * By value name: of the source model, of the normal form that is lowered, and of the bodies of
   * control flow in it. Float values only.
   */
  readonly tensors: Readonly<Record<string, TensorRange>>;
}

/** What a float tensor's values were over all samples of a calibration. */
export interface TensorRange {
  /** Least and greatest finite value over all samples. */
  readonly min: number;
  readonly max: number;
  /** Square root of the mean square. */
  readonly rms: number;
  /** Values that were seen. */
  readonly count: number;
  /** Ranges along axis 1 and along the last axis, for tensors of rank 3 and more. */
  readonly channels: readonly ChannelRange[];
  /**
   * How often each magnitude was seen: pairs of a bin and its count. The bin of x is the top 12
   * bits of its float32 representation (sign, exponent, three bits of the fraction).
   */
  readonly histogram: readonly (readonly [number, number])[];
}

/** Ranges of a tensor's values by channel, along one of its axes. */
export interface ChannelRange {
  readonly axis: number;
  readonly min: readonly number[];
  readonly max: readonly number[];
  /** Absent from calibrations that were made without. */
  readonly mean?: readonly number[];
  /**
   * Only where contractions sum over the channels: the variance of each, and the few directions
   * that they share most, longest first. Covariances are roughly the variances with Σ d·dᵀ beside
   * the diagonal.
   */
  readonly variance?: readonly number[];
  readonly directions?: readonly (readonly number[])[];
}
