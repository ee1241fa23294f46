import { tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { dialledAfter } from "../sessions/locate.ts";

/** Whose a service code is in a country (USS-09). */
export interface ServiceCode {
  readonly tenantId: string;
  /** `*131#`, or the number of a voice line. */
  readonly serviceCode: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** What a person who needs help is told to call. */
  readonly supportPhone: string | null;
}

const COLUMNS = `
  tenant_key as "tenantId", service_code as "serviceCode", country_code as country,
  support_phone as "supportPhone"`;
const FIND = `
  select ${COLUMNS} from ussd_service_codes where starts_with(service_code, $1) and country_code = any($2)
   order by length(service_code) desc, country_code`;
const OF_TENANT = `
  select ${COLUMNS} from ussd_service_codes where tenant_id = $1 order by service_code, country_code`;
/** A code that is another tenant's is not seen by the update: nothing comes back. */
const PUT = `
  insert into ussd_service_codes (service_code, country_code, tenant_id, tenant_key, support_phone)
  values ($1, $2, $3, $4, $5)
  on conflict (service_code, country_code) do update set support_phone = excluded.support_phone
    where ussd_service_codes.tenant_id = excluded.tenant_id
  returning service_code`;
const REMOVE = `
  delete from ussd_service_codes where service_code = $1 and country_code = $2 and tenant_id = $3`;
const TENANTS = `select distinct tenant_key as "tenantId" from ussd_service_codes order by 1`;

/** What every code begins with that `dialled` can be of: what follows may hold a PIN, and no statement has one. */
const rootOf = (dialled: string): string => /^[*#]\d+/.exec(dialled)?.[0] ?? dialled;

/**
 * Whose the code is that was dialled from a phone of one of these countries; of two that it begins with the longer one
 * counts. Null: nobody's.
 */
export async function findServiceCode(
  database: Pick<Database, "query">,
  dialled: string,
  countries: readonly string[],
): Promise<ServiceCode | null> {
  const { rows } = await database.query<ServiceCode>(FIND, [rootOf(dialled), countries]);
  return rows.find(({ serviceCode }) => dialledAfter(serviceCode, dialled) !== null) ?? null;
}

export async function serviceCodesOf(
  tx: Queryable,
  tenantId: string,
): Promise<readonly ServiceCode[]> {
  return (await tx.query<ServiceCode>(OF_TENANT, [tenantUuid(tenantId)])).rows;
}

/** `tx` in the code's tenant. Returns: false when the code is another tenant's. */
export async function putServiceCode(tx: Queryable, code: ServiceCode): Promise<boolean> {
  const { tenantId, serviceCode, country, supportPhone } = code;
  const values = [serviceCode, country, tenantUuid(tenantId), tenantId, supportPhone];
  return (await tx.query(PUT, values)).count === 1;
}

/** `tx` in the tenant. Returns: whether it was the tenant's. */
export async function removeServiceCode(
  tx: Queryable,
  { tenantId, serviceCode, country }: Omit<ServiceCode, "supportPhone">,
): Promise<boolean> {
  return (await tx.query(REMOVE, [serviceCode, country, tenantUuid(tenantId)])).count === 1;
}

/** Every tenant that has a code. */
export async function ussdTenants(database: Pick<Database, "query">): Promise<readonly string[]> {
  const { rows } = await database.query<{ readonly tenantId: string }>(TENANTS);
  return rows.map(({ tenantId }) => tenantId);
}
