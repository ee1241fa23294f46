import { nameUuid, noSessionUuid as noSession, tenantUuid, uuidOf } from "@vigie/service-kit/ids";

/** Ids of one user's rows. */
export interface Subject {
  readonly tenant_id: string;
  readonly user_id: string;
}

export interface SubjectIds {
  readonly tenantId: string;
  readonly userId: string;
}

export const subjectIds = ({ tenant_id, user_id }: Subject): SubjectIds => ({
  tenantId: tenantUuid(tenant_id),
  userId: uuidOf(tenant_id, "user", user_id),
});

export const sessionUuid = ({ tenant_id }: Subject, sessionId: string): string =>
  uuidOf(tenant_id, "session", sessionId);

/** Whose a row is, by id and as events name them. */
export function personOf(subject: Subject) {
  const { tenantId, userId } = subjectIds(subject);
  return { tenant_id: tenantId, user_id: userId, user_key: subject.user_id };
}

/** Of which session a row is, likewise. */
export const sessionOf = (subject: Subject, sessionId: string | null) => ({
  session_id: sessionId === null ? null : sessionUuid(subject, sessionId),
  session_key: sessionId,
});

export const anomalyUuid = ({ tenant_id }: Pick<Subject, "tenant_id">, anomalyId: string): string =>
  nameUuid(tenant_id, "anomaly", anomalyId);

export const revocationUuid = (
  { tenant_id }: Pick<Subject, "tenant_id">,
  revocationId: string,
): string => nameUuid(tenant_id, "revocation", revocationId);

/** By which an erased person's late events are known, and nobody else's ids. */
export const subjectUuid = ({ tenant_id, user_id }: Subject): string =>
  nameUuid(tenant_id, "subject", user_id);

/** Holds a user's activities without a session: the column takes no null. */
export const noSessionUuid = ({ tenant_id, user_id }: Subject): string =>
  noSession(tenant_id, user_id);

/**
 * Always by name: tenants and topics choose event ids on their own, and rows of two must not meet.
 */
export const eventUuid = ({ tenant_id }: Subject, topic: string, eventId: string): string =>
  nameUuid(tenant_id, "event", `${topic}|${eventId}`);

export const isoTime = (ms: number): string => new Date(ms).toISOString();
export const isoTimeOrNull = (ms: number | null): string | null =>
  ms === null ? null : isoTime(ms);
