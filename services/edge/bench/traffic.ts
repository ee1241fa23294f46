import { SAMPLE_TIME_MS, sampleLogin, sampleState } from "@vigie/schemas/samples";
import type { SessionState } from "@vigie/schemas/types";

/** Logins of this many users go round: enough that all partitions are in use. */
const USERS = 512;

/** Bodies as an authentication service sends them, some 1 KB of JSON and 565 bytes of Avro each. */
export function bodies(nowMs: number): string[] {
  return Array.from({ length: USERS }, (_, index) => {
    const user = String(index).padStart(8, "0");
    const event = {
      ...sampleLogin,
      event_id: `0b9c1f4e-53e6-4e0f-9d0b-${user.padStart(12, "0")}`,
      user_id: `usr_${user}`,
      occurred_at: nowMs + (sampleLogin.occurred_at - SAMPLE_TIME_MS),
    };
    return JSON.stringify(event);
  });
}

/** Live sessions of as many users, seen just now. */
export const sessionStates = (tenantId: string, nowMs: number): SessionState[] =>
  Array.from({ length: USERS }, (_, index) =>
    sampleState(nowMs, {
      tenant_id: tenantId,
      user_id: `usr_${String(index).padStart(8, "0")}`,
      session_id: `0b9c1f4e-53e6-4e0f-9d0b-${String(index).padStart(12, "0")}`,
    }),
  );
