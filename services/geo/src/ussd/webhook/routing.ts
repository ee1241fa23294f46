import type { Database } from "@vigie/service-kit/postgres/database";
import type { Countries } from "#countries/countries";
import { countriesOfPhone } from "#detect/phone";
import type { UssdCallback } from "../callback.ts";
import { findServiceCode, type ServiceCode } from "../links/service-codes.ts";
import type { Screen } from "../machine/types.ts";
import type { Provider } from "../providers/provider.ts";
import { dialledAfter } from "../sessions/locate.ts";

/** Whose a callback is. */
export interface Route extends ServiceCode {
  /** What was dialled after the code. */
  readonly dialled: readonly string[];
}

/**
 * USS-09: the tenant that has the code in the phone's country, where USSD is supported and the provider serves.
 * Null: nobody's. Throws: VIG_DATABASE_AWAY.
 */
export async function routeOf(
  { serviceCode: dialled, phone }: UssdCallback,
  provider: Pick<Provider, "countries">,
  parts: { readonly database: Pick<Database, "query">; readonly countries: Countries },
): Promise<Route | null> {
  const served = countriesOfPhone(phone).filter((code) => {
    const country = parts.countries.find(code);
    const isOpen = country?.active === true && country.supportsUssd;
    return isOpen && (provider.countries?.has(code) ?? true);
  });
  if (served.length === 0) return null;
  const code = await findServiceCode(parts.database, dialled, served);
  return code && { ...code, dialled: dialledAfter(code.serviceCode, dialled) ?? [] };
}

/** Nobody knows the language of somebody who belongs to no tenant. */
export const notServed: Screen = {
  kind: "END",
  language: "fr",
  name: "bye",
  text: "Service non disponible ici.\nThis service is not available here.",
};
