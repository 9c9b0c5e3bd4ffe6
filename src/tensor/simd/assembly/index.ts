// What the kernel module exports. Every function is pure over the addresses it is given, and writes
// nothing but the results that it is asked for: threads give neighbouring parts at the same time.
export { columnSums, pack, planRuns, splitPairs } from "./pack";
export { contract, contractScratchBytes } from "./conv";
export { depthwise, depthwiseScratchBytes } from "./depthwise";
export { rescale } from "./epilogue";
export { lutDirect, lutInterpolate } from "./lut";
export { binary, compare } from "./elementwise";
export { cast, clamp, select, unary } from "./unary";
export { multiply } from "./product";
export { mulWide, rescaleAdd } from "./weighted";
export { arg, reduce } from "./reduce";
export { pool } from "./pool";
export { copy, fill, gather } from "./move";
export { argsort, cumsum, nonzero, scatter, scatterAdd, scatterExact, scatterInto } from "./indexing";
