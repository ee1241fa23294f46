import { DAKAR, type ForeignEvents, MINUTE, PARIS, PHONE } from "./events.ts";
import type { ForeignRecord } from "./foreign-producer.ts";
import { TENANT } from "./pipeline.ts";

/** What is sent, in order within each topic, and what must come of it. */
export interface Workload {
  readonly batches: readonly Batch[];
  readonly events: number;
  readonly anomalies: number;
  readonly sessions: ReadonlyMap<string, "ACTIVE" | "LOGGED_OUT">;
}

export interface Batch {
  readonly topic: string;
  readonly records: readonly ForeignRecord[];
}

const USERS_PER_ROUND = 25;
const HEARTBEATS = 2;
const FAILURES = 6;

/** Same arguments, same events: ids and times are derived, nothing is drawn. */
export function crashWorkload(make: ForeignEvents, users: number, atMs: number): Workload {
  const batches: Batch[] = [];
  const sessions = new Map<string, "ACTIVE" | "LOGGED_OUT">();
  let anomalies = 0;
  for (let first = 0; first < users; first += USERS_PER_ROUND) {
    const round = Array.from({ length: USERS_PER_ROUND }, (_, n) => first + n);
    const parts = round.map((n) => eventsOf(make, n, atMs));
    for (const topic of ["id.login", "id.heartbeat", "id.mfa"] as const) {
      const records = parts.flatMap((part) => part[topic]);
      if (records.length > 0) batches.push({ topic, records });
    }
    for (const n of round) {
      sessions.set(`s-${n}`, n % 5 === 0 ? "LOGGED_OUT" : "ACTIVE");
      if (n % 10 < 3) anomalies += 1;
    }
  }
  const events = batches.reduce((sum, { records }) => sum + records.length, 0);
  return { batches, events, anomalies, sessions };
}

/** Of ten users one travels, one is attacked, one has a changed device; one in five logs out. */
function eventsOf(make: ForeignEvents, n: number, atMs: number) {
  const at = (minutesAgo: number, name: string) => ({
    tenantId: TENANT,
    userId: `u-${n}`,
    sessionId: `s-${n}`,
    eventId: `e-${n}-${name}`,
    occurredAt: atMs - minutesAgo * MINUTE,
    ...PHONE,
  });
  const logins = [make.login({ ...at(20, "in"), ...DAKAR, similarity: 0.99 })];
  if (n % 10 === 0) logins.push(make.login({ ...at(1, "paris"), ...PARIS }));
  if (n % 10 === 2) logins.push(make.login({ ...at(1, "print"), similarity: 0.2 }));
  if (n % 5 === 0) logins.push(make.login({ ...at(0, "out"), kind: "LOGOUT" }));
  const heartbeats = Array.from({ length: HEARTBEATS }, (_, beat) =>
    make.heartbeat(at(2 - beat, `beat-${beat}`)),
  );
  const failures = Array.from({ length: n % 10 === 1 ? FAILURES : 0 }, (_, fail) =>
    make.mfa(at(15 - fail, `fail-${fail}`)),
  );
  return { "id.login": logins, "id.heartbeat": heartbeats, "id.mfa": failures };
}
