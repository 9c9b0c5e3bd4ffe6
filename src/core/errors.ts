/**
 * The error families of AIVM, one per phase. Match on `code` (and on the class), never on `message`.
 */

/** Where an error was found; every field is optional because every phase knows different things. */
export interface ErrorPlace {
  /** Byte offset into the bytes that were being read. */
  readonly offset?: number;
  /** Index of the function in the code part. */
  readonly function?: number;
  /** Index of the instruction in its function. */
  readonly pc?: number;
  /** Mnemonic of the instruction. */
  readonly op?: string;
  /** Name of the model node, tensor, input, output or file. */
  readonly name?: string;
}

/** Base of every error that AIVM throws on purpose. */
export abstract class AivmError extends Error {
  /** Stable machine-readable code, unique in its family. */
  readonly code: string;
  readonly place: ErrorPlace;

  constructor(code: string, message: string, place: ErrorPlace = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.place = place;
    this.name = new.target.name;
  }
}

/** The model cannot be compiled: unsupported, inconsistent or damaged. */
export class CompileError extends AivmError {
  constructor(code: string, message: string, place?: ErrorPlace, cause?: unknown) {
    super(code, message, place, cause);
  }
}

/** The bytes are not a module: wrong form, not canonical, too deep, too long. */
export class MalformedError extends AivmError {}

/** The module is well formed but its code does not validate. */
export class InvalidError extends AivmError {}

/** Parameters are missing or are not what their hash says. */
export class LinkError extends AivmError {}

/** What the caller handed in does not fit the entry point or the option. */
export class InputError extends AivmError {}

/** The host lacks something: memory, a file, a feature of its JavaScript engine. */
export class HostError extends AivmError {}

/** A bug of ours. No input may ever raise it. */
export class InternalError extends AivmError {
  constructor(message: string, place?: ErrorPlace, cause?: unknown) {
    super("Internal", `${message}; this is a bug in AIVM, please report it`, place, cause);
  }
}

/** Why an execution stopped. The number is what the receipt holds; numbers are never reused. */
export const TRAP_CODES = {
  /** A `trap` instruction was reached. */
  Unreachable: 1,
  /** Operand shapes do not fit the instruction, or a dimension does not fit its declaration. */
  ShapeMismatch: 2,
  /** An operand value lies outside the bits or the interval that the instruction states. */
  OperandRange: 3,
  /** `K · |a|max · |b|max` of a contraction exceeds its accumulator. */
  AccumulatorBound: 4,
  /** An index operand lies outside its axis. */
  IndexOutOfRange: 5,
  /** The gas limit of the run is used up. */
  OutOfGas: 6,
  /** The logical bytes of live tensors exceed the limit of the run. */
  MemoryLimit: 7,
  /** The operand stack exceeds the limit of the run. */
  StackLimit: 8,
  /** Calls are nested deeper than the limit of the run. */
  CallDepth: 9,
  /** A tensor has more elements than the limit of the run. */
  ElementLimit: 10,
} as const;

/** Names of the traps; spec/execution.md#traps says when each occurs. */
export type TrapCode = keyof typeof TRAP_CODES;

/** Execution stopped; a deterministic outcome that has a receipt, not a failure of the host. */
export class Trap extends AivmError {
  declare readonly code: TrapCode;
  /** Immediate of the `trap` instruction, when that is what stopped the run. */
  readonly detail: number | undefined;

  constructor(code: TrapCode, message: string, place?: ErrorPlace, detail?: number) {
    super(code, message, place);
    this.detail = detail;
  }
}
