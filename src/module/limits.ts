/**
 * What a module may hold at most. The decoder refuses more before it allocates anything, so that
 * no bytes make it hold more than 8 bytes for each of theirs and 16 MiB; the validator counts on
 * these bounds for its time.
 */

/** Instructions in all functions of the code part and of the aggregation part together. */
export const MAX_INSTRUCTIONS = 65_536;
/** Functions of the code part; of the aggregation part. */
export const MAX_FUNCTIONS = 4_096;
/** Parameters of a function; results of a function. */
export const MAX_FUNCTION_ARITY = 256;
/** Parameters of a block; results of a block. */
export const MAX_BLOCK_ARITY = 64;
/** Locals of a function beyond its parameters. */
export const MAX_LOCALS = 4_096;
/** Greatest index and label that can be written; whether it exists is for the validator. */
export const MAX_INDEX = 0x7fffffff;
/** Greatest dimension. */
export const MAX_DIMENSION = 0x7fffffff;

export const MAX_PARAMETERS = 65_536;
/** Bytes of one parameter, dimensions of 0 counted as 1. */
export const MAX_PARAMETER_BYTES = 0xffffffff;

export const MAX_FEATURES = 64;
export const MAX_DIMENSIONS = 256;
export const MAX_ENTRIES = 256;
/** Inputs of an entry point; outputs of an entry point. */
export const MAX_PORTS = 256;
/** Inputs and outputs of all entry points together. */
export const MAX_ALL_PORTS = 16_384;
/** UTF-8 bytes of a name of the configuration, or of a key of the provenance. */
export const MAX_NAME_BYTES = 1_024;

export const MAX_PROVENANCE = 256;
/** UTF-8 bytes of a value of the provenance. */
export const MAX_PROVENANCE_BYTES = 65_536;

/** Blocks, loops and ifs inside one another; more is invalid. */
export const MAX_NESTING = 256;
/** Operands on the stack of one function at once; more is invalid. */
export const MAX_STACK_HEIGHT = 2_048;
