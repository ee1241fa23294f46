import { type Page, type PageWanted, pageOf } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import type { Person } from "./person.ts";
import { afterPlace, Values } from "./statement.ts";

/** What a session says of its device. */
const SAID = "last_activity, client_info, country, city";

/** A device and what its latest session says of it; null without a session. */
export interface DeviceRow {
  readonly id: string;
  readonly external_id: string;
  readonly first_seen_at: Date;
  readonly last_activity: Date | null;
  readonly client_info: Readonly<Record<string, string>> | null;
  readonly country: string | null;
  readonly city: string | null;
}

/**
 * A person's newest sessions are on the devices that they use: read in one go from their index. Of a device with thousands of
 * sessions the planner may read and sort all: with 10 million sessions the p99 was 47-74 ms from a cold disk and is 10 now.
 */
const NEWEST_SESSIONS = 50;

/** SES-23: a person's devices, the newest first. A phone that several share shows the person's own use only. */
export async function devicesPage(
  tx: Queryable,
  person: Person,
  { after, limit }: PageWanted,
): Promise<Page<DeviceRow>> {
  const values = new Values();
  const tenant = values.put(person.tenantId, "uuid");
  const user = values.put(person.userId, "uuid");
  const rest = afterPlace(values, after)("first_seen_at");
  const ofPerson = `tenant_id = ${tenant} and user_id = ${user} and ${IS_SESSION}`;
  const newestOnDevice = "device_id = device.id order by created_at desc, id desc limit 1";
  const text = `
    with newest as materialized (
      select id, device_id, created_at, ${SAID} from user_sessions
       where ${ofPerson} order by created_at desc, id desc limit ${NEWEST_SESSIONS})
    select device.id, external_id, first_seen_at, ${SAID}
      from (select id, external_id, first_seen_at from user_devices
             where tenant_id = ${tenant} and user_id = ${user} ${rest}
             order by first_seen_at desc, id desc
             limit ${values.put(limit + 1, "integer")}) as device
      left join lateral (
        -- Both parts find the same session; the second is read only where the first finds none.
        (select ${SAID} from newest where ${newestOnDevice})
        union all
        (select ${SAID} from user_sessions where ${ofPerson} and ${newestOnDevice})
        limit 1) as latest on true
     order by first_seen_at desc, device.id desc`;
  const { rows } = await tx.query<DeviceRow>(text, values.all);
  return pageOf(rows, limit, ({ first_seen_at, id }) => ({ atMs: first_seen_at.getTime(), id }));
}
