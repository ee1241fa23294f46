import { VigError } from "./errors.ts";

/** Throws: VIG_INVARIANT when `condition` is false; `what` says what should have held. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new VigError("VIG_INVARIANT", { what });
}

/** Marks a branch that the type checker has proven empty. */
export function assertNever(value: never): never {
  throw new VigError("VIG_INVARIANT", { what: `no case for ${JSON.stringify(value)}` });
}
