import type { Outcome } from "@vigie/core/outcome";
import type { ENVELOPE_HEADER_BYTES } from "./state/envelope.ts";

/**
 * Turns a record's value into what the processor works with. The runtime knows no contract.
 * `later` means that something is still to be fetched (a writer schema from the registry): the task waits for
 * `ready`, which resolves when a second call can answer and never rejects (an outage is waited out inside).
 */
export interface Decoder<V> {
  decode(value: Uint8Array): Outcome<V> | { readonly kind: "later"; readonly ready: Promise<void> };
}

/** Turns a value into the bytes of a record. Never fails for a value of its type. */
export interface Encoder<V> {
  encode(value: V): Buffer;
}

/**
 * Turns the state of one key into bytes and back. `version` is stored with the bytes; `decode` gets the version
 * that wrote them, so that an older one can be read. Bytes given either way are not changed any more by the giver.
 */
export interface StateCodec<S> {
  readonly version: number;
  /**
   * So many bytes in front of the state's own belong to the runtime, in what `encode` returns and in what `decode`
   * gets: the state is then stored as it lies, without a copy. Absent: none.
   */
  readonly room?: typeof ENVELOPE_HEADER_BYTES;
  encode(state: S): Uint8Array;
  decode(bytes: Uint8Array, version: number): S;
}
