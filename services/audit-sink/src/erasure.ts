import type { AuditAction } from "@vigie/schemas/audit-actions";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { type AuditEntry, type Origin, OWN_EMITTER, ownEntry } from "./entry.ts";
import type { Erasure } from "./items.ts";
import type { Person } from "./subjects.ts";

/** The name under which the audit says that it has erased. */
const PART = "audit-sink";
export const KEY_DESTROYED = "subject.key_destroyed" satisfies AuditAction;

const REMEMBER = `
  insert into audit_erased as held (subject_id, until_ms)
  values ($1, $2)
  on conflict (subject_id) do update set until_ms = excluded.until_ms
  where held.until_ms < excluded.until_ms`;
const DESTROY = "delete from audit_subjects where tenant_id = $1 and user_id = $2 returning ref";
const DONE = `
  insert into erasure_parts (tenant_id, erasure_id, part) values ($1, $2, '${PART}')
  on conflict do nothing`;

export interface Erased {
  /** That keys are destroyed, as entries of the log. */
  readonly entries: readonly AuditEntry[];
  /** Until when the newest of them reaches; 0: there is none. */
  readonly untilMs: number;
}

/**
 * CNF-20, PRV-14: destroys the keys of persons, says so in the log and among the parts of the erasure. What was asked
 * for before changes nothing: the person may have begun anew since.
 */
export async function destroyKeys(tx: Queryable, erasures: readonly Erasure[]): Promise<Erased> {
  const entries: AuditEntry[] = [];
  let newestMs = 0;
  for (const { request, origin } of erasures) {
    const { tenant_id: tenant, user_id: user } = request;
    const tenantId = tenantUuid(tenant);
    // Nobody asks for what has not happened yet: else all that a person will ever do would be sealed away.
    const untilMs = Math.min(request.requested_at, origin.timestampMs);
    const subject = erasedId({ tenantKey: tenant, userId: user });
    const { count } = await tx.query(REMEMBER, [subject, untilMs]);
    if (count > 0) {
      const ids = [tenantId, uuidOf(tenant, "user", user)];
      const { rows } = await tx.query<{ ref: string }>(DESTROY, ids);
      entries.push(...rows.map(({ ref }) => destroyedEntry(tenant, ref, origin)));
      newestMs = Math.max(newestMs, untilMs);
    }
    await tx.query(DONE, [tenantId, request.erasure_id]);
  }
  return { entries, untilMs: newestMs };
}

/** That a ref has no key any more. */
export const destroyedEntry = (tenant: string, ref: string, origin: Origin): AuditEntry =>
  ownEntry(
    {
      eventId: nameUuid(tenant, "event", `destroyed|${ref}`),
      tenantKey: tenant,
      occurredAtMs: origin.timestampMs,
      action: KEY_DESTROYED,
      payload: { ref },
    },
    origin,
  );

/** The ref whose key a leaf says is destroyed; null: it says nothing of the kind, or is not the log's own. */
export function refDestroyedBy({
  emitter,
  action,
  payload,
}: {
  readonly emitter: string;
  readonly action: string;
  readonly payload?: unknown;
}): string | null {
  if (emitter !== OWN_EMITTER || action !== KEY_DESTROYED) return null;
  return (payload as { readonly ref: string }).ref;
}

const UNTIL = "select subject_id, until_ms from audit_erased where subject_id = any($1::uuid[])";

/** Until when each of these persons is erased, by nameOfPerson; those who are not are left out. */
export async function erasedUntil(
  tx: Queryable,
  persons: ReadonlyMap<string, Person>,
): Promise<ReadonlyMap<string, number>> {
  if (persons.size === 0) return new Map();
  const ids = [...persons].map(([name, person]) => [name, erasedId(person)] as const);
  const { rows } = await tx.query<{ subject_id: string; until_ms: number }>(UNTIL, [
    ids.map(([, id]) => id),
  ]);
  const until = new Map(rows.map(({ subject_id, until_ms }) => [subject_id, until_ms]));
  return new Map(
    ids.flatMap(([name, id]) => {
      const untilMs = until.get(id);
      return untilMs === undefined ? [] : [[name, untilMs] as const];
    }),
  );
}

/** Recognises a person and names nobody: the same for all spellings that audit_subjects takes for one person. */
const erasedId = ({ tenantKey, userId }: Person): string =>
  nameUuid(tenantUuid(tenantKey), "subject", uuidOf(tenantKey, "user", userId));

/** When it happened, as far as anybody can say; a source's clock may be ahead. */
export const happenedAtMs = ({ occurredAtMs, origin }: AuditEntry): number =>
  Math.min(occurredAtMs, origin.timestampMs);
