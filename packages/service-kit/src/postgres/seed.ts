import { tenantUuid, uuidOf } from "../ids.ts";
import type { Database } from "./database.ts";

interface SeedTenant {
  readonly id: string;
  readonly name: string;
  readonly country: string | null;
}

/** TEN-06. The platform itself, and one tenant for each active country (GEO-01). */
export const seedTenants: readonly SeedTenant[] = [
  { id: "molam", name: "Molam", country: null },
  { id: "molam-sn", name: "Molam Sénégal", country: "SN" },
  { id: "molam-ci", name: "Molam Côte d'Ivoire", country: "CI" },
  { id: "molam-gh", name: "Molam Ghana", country: "GH" },
  { id: "molam-ng", name: "Molam Nigeria", country: "NG" },
  { id: "molam-fr", name: "Molam France", country: "FR" },
];

/** The administrator of the platform; without a password until the identity service sets one. */
export const seedAdmin = { tenantId: "molam", userId: "admin", email: "admin@molam.example" };

/** Inserts what is missing and changes nothing that is there. Returns: rows inserted. */
export function seed(database: Database): Promise<number> {
  return database.transaction(async (tx) => {
    const tenants = await tx.query(
      `insert into tenants (id, slug, name, settings)
       select id, slug, name, jsonb_strip_nulls(jsonb_build_object('country', country))
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
           as given (id, slug, name, country)
       on conflict do nothing`,
      [
        seedTenants.map((tenant) => tenantUuid(tenant.id)),
        seedTenants.map((tenant) => tenant.id),
        seedTenants.map((tenant) => tenant.name),
        seedTenants.map((tenant) => tenant.country),
      ],
    );
    const { tenantId, userId, email } = seedAdmin;
    const admin = await tx.query(
      `insert into users (id, tenant_id, external_id, email, is_verified)
       values ($1, $2, $3, $4, true) on conflict do nothing`,
      [uuidOf(tenantId, "user", userId), tenantUuid(tenantId), userId, email],
    );
    return tenants.count + admin.count;
  });
}
