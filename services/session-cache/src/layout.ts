import { sessionKey, userKey } from "@vigie/core/keys";
import type { SessionState } from "@vigie/schemas/types";

/** What lies in Redis, and under which names. `key` adds the prefix of this installation. */
export interface Layout {
  /**
   * Hash: `offset:<partition>` where reading goes on; gone: Redis lost its data. `fresh:<partition>` when the
   * writer last knew that the partition is complete here, ms.
   */
  readonly progress: string;
  /** Sorted set of live sessions by the time at which they run out, ms. */
  readonly live: string;
  /** Hash of one session; expires when the session does. An ended one is a marker until its absolute end. */
  session(name: string): string;
  /** Sorted set of a user's live session ids by the time at which they run out, ms. */
  user(name: string): string;
}

export function layoutOf(key: (name: string) => string): Layout {
  return {
    progress: key("vigie:session-cache"),
    live: key("vigie:sessions-live"),
    session: (name) => key(`vigie:session:${name}`),
    user: (name) => key(`vigie:user-sessions:${name}`),
  };
}

export const sessionName = (state: SessionState): string =>
  sessionKey(state.tenant_id, state.user_id, state.session_id);

export const userName = (state: SessionState): string => userKey(state.tenant_id, state.user_id);

/** A session id may hold '|', a user id may not. */
export function partsOfKey(key: string): { readonly user: string; readonly sessionId: string } {
  const second = key.indexOf("|", key.indexOf("|") + 1);
  return { user: key.slice(0, second), sessionId: key.slice(second + 1) };
}

/** The fields of a live session's hash: those of the contract as text, lists and maps as JSON, null left out. */
export function fieldsOf(state: SessionState): readonly string[] {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(state)) {
    if (value === null) continue;
    fields.push(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return fields;
}
