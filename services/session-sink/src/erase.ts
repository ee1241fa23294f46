import type { ActorRef, SubjectErasure } from "@vigie/schemas/types";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { lockName, shareName } from "@vigie/service-kit/postgres/locks";
import type { Arrived, Item } from "./decode.ts";
import { erasureColumns } from "./rows/columns-security.ts";
import { isoTime, type Subject, subjectIds, subjectUuid } from "./rows/ids.ts";
import { tellingOf } from "./telling.ts";

/** The name under which the sink says that it has erased. */
const PART = "session-sink";
/** Stands where an erased person acted on others. */
const NOBODY = "erased";

const ERASURES = `
  insert into erasures (${erasureColumns.names})
  select ${erasureColumns.names} from ${erasureColumns.from} on conflict do nothing`;
const DONE = `
  insert into erasure_parts (tenant_id, erasure_id, part)
  select tenant_id, erasure_id, '${PART}' from ${erasureColumns.from} on conflict do nothing`;

/** $1 tenant, $2 user, $3 the time of the request. What came by then had happened, whatever time it says. */
export const DELETES = [
  `delete from session_activities
    where tenant_id = $1 and user_id = $2 and (timestamp <= $3 or arrived_at <= $3)`,
  `delete from session_security_events event
    where tenant_id = $1 and user_id = $2
      and (occurred_at <= $3
           or exists (select from session_anomalies a where a.id = event.id and a.detected_at <= $3))`,
  `delete from session_anomalies
    where tenant_id = $1 and user_id = $2 and (occurred_at <= $3 or detected_at <= $3)`,
  "delete from session_revocations where tenant_id = $1 and user_id = $2 and revoked_at <= $3",
  "delete from session_commands where tenant_id = $1 and user_id = $2 and noted_at <= $3",
  "delete from session_risk_decisions where tenant_id = $1 and user_id = $2 and decided_at <= $3",
  // A placeholder goes with its last activity, a session with the last that was heard of it.
  `delete from user_sessions held
    where tenant_id = $1 and user_id = $2
      and (status in ('PENDING', 'NONE')
           or greatest(created_at, last_activity, terminated_at) <= $3)
      and (status not in ('PENDING', 'NONE', 'REFUSED')
           or not exists (select from session_activities a
                           where a.tenant_id = $1 and a.user_id = $2 and a.session_id = held.id))`,
];

/** $1 tenant, $2 user. A retraction goes with its anomaly, however late it was said. */
const DELETE_RETRACTIONS = `
  delete from session_anomaly_retractions told
   where tenant_id = $1 and user_id = $2
     and not exists (select from session_anomalies held where held.id = told.id)`;
/** The same: whom others deliver is theirs, and who has begun anew stays. */
const DELETE_DEVICES = `
  delete from user_devices device
    where tenant_id = $1 and user_id = $2 and is_stub
      and not exists (select from user_sessions held
                       where held.tenant_id = $1 and held.user_id = $2
                         and held.device_id = device.id)`;
const DELETE_USER = `
  delete from users person where tenant_id = $1 and id = $2 and is_stub
   ${[
     "user_sessions",
     "user_devices",
     "session_anomalies",
     "session_anomaly_retractions",
     "session_revocations",
     "session_commands",
     "session_risk_decisions",
   ]
     .map(
       (table) =>
         `and not exists (select from ${table} where tenant_id = $1 and user_id = person.id)`,
     )
     .join(" ")}`;

/** $1 tenant, $2 the person's id as it is written. */
const UNNAME = [
  ...["session_revocations", "session_commands"].map(
    (table) => `update ${table} set actor_id = '${NOBODY}'
                 where tenant_id = $1 and actor_type = 'ADMIN' and actor_id = $2`,
  ),
  `update session_commands set impersonator_id = '${NOBODY}'
    where tenant_id = $1 and impersonator_id = $2`,
  ...["session_epochs", "session_policy_changes"].map(
    (table) => `update ${table} set actor_id = '${NOBODY}' where tenant_id = $1 and actor_id = $2`,
  ),
];

/**
 * PRV-14: erases what happened up to the request in every table, and says so in `erasure_parts`. Again it changes
 * nothing. Rows of users and devices that another service delivered stay: they are its own to erase. Called in every
 * write: without a request it holds off other members' erasures until the commit.
 */
export async function erase(tx: Queryable, requests: readonly SubjectErasure[]): Promise<void> {
  // What another member writes of the person is there before the erasure, or knows of it.
  const lock = requests.length > 0 ? lockName : shareName;
  await lock(tx, "forgetting", PART);
  if (requests.length === 0) return;
  const rows = erasureColumns.values(
    requests.map((request) => ({
      tenant_id: subjectIds(request).tenantId,
      erasure_id: request.erasure_id,
      subject_id: subjectUuid(request),
      requested_at: isoTime(request.requested_at),
    })),
  );
  await tx.query(ERASURES, rows);
  for (const request of requests) await eraseOne(tx, request);
  await tx.query(DONE, rows);
}

async function eraseOne(tx: Queryable, request: SubjectErasure): Promise<void> {
  const { tenantId, userId } = subjectIds(request);
  for (const text of DELETES)
    await tx.query(text, [tenantId, userId, isoTime(request.requested_at)]);
  for (const text of [DELETE_RETRACTIONS, DELETE_DEVICES, DELETE_USER])
    await tx.query(text, [tenantId, userId]);
  for (const text of UNNAME) await tx.query(text, [tenantId, request.user_id]);
}

const ERASED = `
  select tenant_id, subject_id, (extract(epoch from max(requested_at)) * 1000)::bigint as until_ms
    from erasures
   where (tenant_id, subject_id) in (select * from unnest($1::uuid[], $2::uuid[]))
   group by tenant_id, subject_id`;

/**
 * The items of whom nobody was erased since they happened; where an erased person only acted on another, the name goes.
 */
export async function withoutErased<I extends Item<Arrived>>(
  tx: Queryable,
  items: readonly I[],
): Promise<readonly I[]> {
  const ids = new Map<string, { readonly tenantId: string; readonly subjectId: string }>();
  for (const item of items) {
    for (const person of personsOf(item)) {
      if (ids.has(keyOf(person))) continue;
      const { tenantId } = subjectIds(person);
      ids.set(keyOf(person), { tenantId, subjectId: subjectUuid(person) });
    }
  }
  if (ids.size === 0) return items;
  const asked = [...ids.values()];
  type Row = { readonly tenant_id: string; readonly subject_id: string; readonly until_ms: number };
  const { rows } = await tx.query<Row>(ERASED, [
    asked.map(({ tenantId }) => tenantId),
    asked.map(({ subjectId }) => subjectId),
  ]);
  if (rows.length === 0) return items;
  const until = new Map(rows.map((row) => [`${row.tenant_id}|${row.subject_id}`, row.until_ms]));
  const isErased = (person: Subject, atMs: number): boolean => {
    const { tenantId, subjectId } = ids.get(keyOf(person)) ?? { tenantId: "", subjectId: "" };
    return atMs <= (until.get(`${tenantId}|${subjectId}`) ?? Number.NEGATIVE_INFINITY);
  };
  return items.flatMap((item) => {
    const told = tellingOf(item);
    if (told === null) return [item];
    const { subject, actor, atMs } = told;
    if (subject !== null && isErased(subject, atMs)) return [];
    const erased = actor.filter((person) => isErased(person, atMs)).map(({ user_id }) => user_id);
    return erased.length === 0 ? [item] : [withoutNames(item, erased)];
  });
}

const keyOf = ({ tenant_id, user_id }: Subject): string => `${tenant_id}|${user_id}`;

function personsOf(item: Item<Arrived>): readonly Subject[] {
  const told = tellingOf(item);
  if (told === null) return [];
  return told.subject === null ? told.actor : [told.subject, ...told.actor];
}

function withoutNames<I extends Item<Arrived>>(item: I, names: readonly string[]): I {
  const { actor } = item.value as { readonly actor: ActorRef };
  const { id, impersonator_id } = actor;
  const nameless = {
    ...actor,
    id: names.includes(id) ? NOBODY : id,
    impersonator_id:
      impersonator_id !== null && names.includes(impersonator_id) ? NOBODY : impersonator_id,
  };
  return { ...item, value: { ...item.value, actor: nameless } };
}
