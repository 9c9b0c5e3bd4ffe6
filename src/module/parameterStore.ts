/** Where parameters come from that the module does not carry; a Map will do. */
export interface ParameterStore {
  /** Data with that root (64 lower-case hexadecimal digits), or undefined. */
  get(rootHex: string): Uint8Array | undefined;
}

/** A store that parameters are put into as they are made; a Map will do, or a file. */
export interface ParameterSink extends ParameterStore {
  /** Keeps the data of the parameter with that root. */
  set(rootHex: string, data: Uint8Array): unknown;
}
