/** What validation finds out once, so that the interpreter need not search. */
import type { Module } from "./module.js";

/**
 * How control moves in one function. The arrays have an entry for each pc; a pc of `body.length`
 * means that control leaves the function with its results on top of the stack, which is also what
 * happens after the last `end`. Entries of instructions that do not jump, and of unreachable ones,
 * are −1 and never looked at.
 */
export interface FunctionPlan {
  /** Most operands on the stack of the function at once; its locals are not on the stack. */
  readonly maxHeight: number;
  /**
   * pc to continue at. `br`, `br.if` (taken) and `return`: behind the `end` of a block or if, at
   * the first instruction of a loop (behind `loop`), or `body.length`. `if` (the scalar is false):
   * behind its `else`, or behind its `end` where there is none. `else` (the first arm is done):
   * behind the `end`.
   */
  readonly target: Int32Array;
  /** `br`, `br.if`, `return`: how many operands from the top of the stack are carried along. */
  readonly arity: Int32Array;
  /**
   * `br`, `br.if`, `return`: height that the stack of the function is cut to before the carried
   * operands are put back (the scalar of `br.if` is popped first); 0 is the empty stack that a
   * function starts with.
   */
  readonly height: Int32Array;
}

/** A module whose code validates; made by `validateModule` only. */
export interface ValidatedModule {
  readonly module: Module;
  /** By index of the function in the inference code. */
  readonly functions: readonly FunctionPlan[];
  /** By index of the function in the aggregation code. */
  readonly aggregation: readonly FunctionPlan[];
  /** Steps that validation took: pushes, pops and entries of immediates; linear in the code. */
  readonly steps: number;
}
