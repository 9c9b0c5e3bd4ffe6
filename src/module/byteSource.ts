/** Bytes that need not all be in memory: a file, read by ranges. */
export interface ByteSource {
  readonly length: number;
  /**
   * Exactly `length` bytes from byte `offset`; they lie within the source.
   * @throws HostError when they cannot be read
   */
  read(offset: number, length: number): Uint8Array;
}
