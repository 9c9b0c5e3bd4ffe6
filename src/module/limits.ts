/**
 * Limits that are part of validity: the same for every engine, so that no valid module can be
 * refused and the work of decoding and validating is linear in its size.
 */

/** Blocks, loops and ifs inside one another, the function's own block not counted. */
export const MAX_NESTING = 256;
/** Parameters or results of a block or function. */
export const MAX_ARITY = 64;
/** Operands on the stack of one function at once. */
export const MAX_STACK_HEIGHT = 2048;
/** Locals of a function, its parameters included. */
export const MAX_LOCALS = 16_384;
