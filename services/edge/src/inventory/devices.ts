import { type Page, type PageWanted, pageOf } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import type { Person } from "./person.ts";
import { afterPlace, Values } from "./statement.ts";

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
  const text = `
    select device.id, external_id, first_seen_at, last_activity, client_info, country, city
      from (select id, external_id, first_seen_at from user_devices
             where tenant_id = ${tenant} and user_id = ${user} ${rest}
             order by first_seen_at desc, id desc
             limit ${values.put(limit + 1, "integer")}) as device
      left join lateral (
        select last_activity, client_info, country, city from user_sessions
         where tenant_id = ${tenant} and device_id = device.id and user_id = ${user}
           and ${IS_SESSION}
         order by created_at desc, id desc limit 1) as latest on true
     order by first_seen_at desc, device.id desc`;
  const { rows } = await tx.query<DeviceRow>(text, values.all);
  return pageOf(rows, limit, ({ first_seen_at, id }) => ({ atMs: first_seen_at.getTime(), id }));
}
