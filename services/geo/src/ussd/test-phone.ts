import assert from "node:assert/strict";
import { type Clock, DAY_MS, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { TopicName } from "@vigie/schemas/catalogue";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { bearer, NOW_MS } from "@vigie/service-kit/testing/issuer";
import type { GeoOptions } from "../app.ts";
import { testGeo } from "../test-geo.ts";
import type { GeoTables } from "../test-tables.ts";
import { africasTalkingProvider } from "./providers/africas-talking.ts";
import { infobipProvider } from "./providers/infobip.ts";
import { twilioProvider } from "./providers/twilio.ts";
import { signatureOf, vigieProvider } from "./providers/vigie.ts";
import { memoryDialogues } from "./sessions/memory-dialogues.ts";
import type { UssdParts } from "./ussd.ts";

/** Phones that call the webhook of a geo service with real tables. */

export const SECRET = "the secret of the webhook in tests";
export const PATH_SECRET = "a-path-that-only-gateways-know-0123";
export const TWILIO_TOKEN = "0123456789abcdef0123456789abcdef";
export const PUBLIC_URL = "https://geo.molam.example";
export const TENANT = "molam-sn";
export const CODE = "*131#";
export const HOLD_MS = 72 * HOUR_MS;
export const PHONE = "+221771234567";
export const AWA = "usr_awa";
export const PIN = "2580";

export const ADMIN = { sub: "admin-1", user_type: "INTERNAL", scope: "id:admin" };
export const PLATFORM = { sub: "root", user_type: "INTERNAL", scope: "id:admin platform:admin" };
export const personal = (user: string) => ({ sub: user, sid: "s-1", user_type: "EXTERNAL" });

export interface Calls {
  readonly method?: "GET" | "POST" | "PUT";
  readonly url: string;
  readonly claims?: Record<string, unknown>;
  readonly payload?: object;
}

/** With every provider, for calls from this host. */
export function ussdParts(clock: Clock = () => NOW_MS): UssdParts {
  const source = { sources: ["127.0.0.0/8"], pathSecrets: [PATH_SECRET] };
  return {
    providers: [
      vigieProvider([SECRET]),
      africasTalkingProvider(source),
      infobipProvider(source),
      twilioProvider({ authTokens: [TWILIO_TOKEN], publicUrl: PUBLIC_URL }),
    ],
    dialogues: memoryDialogues(clock, { idleMs: 3 * MINUTE_MS, usedMs: DAY_MS }),
    simHoldMs: HOLD_MS,
  };
}

/** One geo service. Its clock stands at NOW_MS and is moved by hand. */
export function ussdService(tables: GeoTables, overrides: Partial<GeoOptions> = {}) {
  let nowMs = NOW_MS;
  const clock = () => nowMs;
  const master = { keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 7) };
  const keys = derivedKeys([master], clock);
  const ussd = ussdParts(clock);
  const geo = testGeo({ clock, keys, database: tables.geo, ussd, ...overrides });
  return {
    ...geo,
    keys,
    pass(ms: number): void {
      nowMs += ms;
    },
    async call({ method = "POST", url, claims = ADMIN, payload }: Calls) {
      const headers = await bearer(claims);
      return geo.app.inject({ method, url, headers, ...(payload && { payload }) });
    },
    /** One signed callback in our own format. */
    callback(fields: Readonly<Record<string, string>>) {
      const payload = JSON.stringify({ serviceCode: CODE, text: "", ...fields });
      const headers = {
        "content-type": "application/json",
        "x-ussd-signature": signatureOf(SECRET, payload),
      };
      return geo.app.inject({ method: "POST", url: "/v1/ussd/webhook", headers, payload });
    },
    /** What was published, decoded. */
    published<T>(topic: TopicName): T[] {
      const decoder = geo.codecs.decoder<T>(topic);
      return geo.output.produced.flatMap((event) => {
        if (event.topic !== topic) return [];
        const decoded = decoder.decode(event.value);
        assert.ok(decoded.kind === "ok");
        return [decoded.value];
      });
    },
  };
}
export type UssdService = ReturnType<typeof ussdService>;

/** A phone in one session: what is typed is sent as gateways do, with all that was typed before. */
export function dial(service: UssdService, phoneNumber: string, sessionId: string) {
  const typed: string[] = [];
  return {
    typed,
    /** Returns: the screen. */
    async type(...steps: readonly string[]): Promise<string> {
      let body = "";
      for (const step of steps.length === 0 ? [null] : steps) {
        if (step !== null) typed.push(step);
        const text = typed.join("*");
        const response = await service.callback({ sessionId, phoneNumber, text });
        assert.equal(response.statusCode, 200, response.body);
        body = response.body;
      }
      return body;
    },
  };
}

/** A tenant with its code, and a phone of somebody who has a PIN. */
export async function linkedPhone(
  service: UssdService,
  { phone, user, pin }: { phone: string; user: string; pin: string | null },
): Promise<void> {
  const ok = async (call: Calls) => {
    const response = await service.call(call);
    assert.equal(response.statusCode, 200, response.body);
  };
  const code = { tenant_id: TENANT, service_code: CODE, country: "SN", support_phone: "800 131" };
  await ok({ method: "PUT", url: "/v1/ussd/admin/service-codes", claims: PLATFORM, payload: code });
  const payload = { phone, user_id: user };
  await ok({ method: "PUT", url: "/v1/ussd/admin/links", payload });
  if (pin === null) return;
  await ok({ method: "PUT", url: "/v1/ussd/pin", claims: personal(user), payload: { pin } });
}

/** Of all that the tests of phones leave behind. */
const EMPTY = `truncate ussd_service_codes, ussd_links, ussd_sim_changes, ussd_pins, ussd_reset_codes,
  molam_geo_events`;

/** A service that knows no phone. */
export async function freshService(tables: GeoTables): Promise<UssdService> {
  await tables.owner.query(EMPTY);
  return ussdService(tables);
}

/** A service where PHONE is AWA's, who has PIN. */
export async function phoneOfAwa(tables: GeoTables): Promise<UssdService> {
  const service = await freshService(tables);
  await linkedPhone(service, { phone: PHONE, user: AWA, pin: PIN });
  return service;
}
