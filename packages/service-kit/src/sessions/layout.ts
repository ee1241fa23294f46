import { sessionKey } from "@vigie/core/keys";
import { HOUR_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";

/** What lies in Redis, and under which names. `key` adds the prefix of this installation. */
export interface Layout {
  /** Hash: `offset:<partition>`, up to where the partition is applied; gone: Redis lost its data. */
  readonly progress: string;
  /** Sorted set of live sessions by the time at which they run out, ms. */
  readonly live: string;
  /** Text of one session, see `textOf` and `keptUntilMs`. An ended one is a marker until its absolute end. */
  session(name: string): string;
}

export function layoutOf(key: (name: string) => string): Layout {
  return {
    progress: key("vigie:session-states"),
    live: key("vigie:sessions-live"),
    session: (name) => key(`vigie:session-state:${name}`),
  };
}

export const offsetField = (partition: number): string => `offset:${partition}`;

export const sessionName = (state: SessionState): string =>
  sessionKey(state.tenant_id, state.user_id, state.session_id);

/** Source: DESIGN, Sessions: an outage of ours moves an idle end by 2 h at most. */
const IDLE_END_MOVES_MAX_MS = 2 * HOUR_MS;

/** A live session is kept as long as it may live: readers derive its deadlines with the policy in force. */
export const keptUntilMs = (state: SessionState): number =>
  Math.min(state.absolute_expires_at, state.idle_expires_at + IDLE_END_MOVES_MAX_MS);
