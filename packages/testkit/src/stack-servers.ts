import { assert } from "@vigie/core/assert";

/**
 * The real servers of a test run.
 * Shape: kafka is host:port, the others are URLs; registry ends in /apis/ccompat/v7.
 */
export interface Servers {
  readonly kafka: string;
  readonly registry: string;
  readonly postgres: string;
  readonly redis: string;
}

export interface OwnedServers extends Servers {
  stop(): Promise<void>;
}

/** Throws: VIG_INVARIANT when the text is not a JSON object with the four addresses. */
export function parseServers(json: string): Servers {
  const value: unknown = JSON.parse(json);
  assert(typeof value === "object" && value !== null, "the addresses are a JSON object");
  const address = (name: keyof Servers): string => {
    const found = (value as Record<string, unknown>)[name];
    assert(typeof found === "string" && found !== "", `the addresses name ${name}`);
    return found;
  };
  return {
    kafka: address("kafka"),
    registry: address("registry"),
    postgres: address("postgres"),
    redis: address("redis"),
  };
}
