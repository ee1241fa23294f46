/** A record's object and its place in arrays, as V8 lays them out: 106 bytes and more. */
const RECORD_OVERHEAD_BYTES = 150;

/** Memory that a record takes while it waits. An empty one takes some as well: else a log of them would fill it all. */
export const heldBytes = ({ size }: { readonly size: number }): number =>
  RECORD_OVERHEAD_BYTES + size;
