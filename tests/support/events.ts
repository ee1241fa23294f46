import { randomUUID } from "node:crypto";
import {
  encodeHeartbeat,
  encodeLogin,
  encodeMfa,
  type HeartbeatInput,
  type LoginInput,
  type MfaInput,
} from "./avro.ts";
import type { ForeignProducer, ForeignRecord } from "./foreign-producer.ts";
import { TENANT } from "./pipeline.ts";

export const MINUTE = 60_000;
export const DAKAR = { lat: 14.69, lon: -17.44, country: "SN", city: "Dakar" } as const;
export const PARIS = { lat: 48.85, lon: 2.35, country: "FR", city: "Paris" } as const;
/** One phone, as its app describes it. */
export const PHONE = {
  deviceId: "phone-1",
  userAgent:
    "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
} as const;

type Loose<T> = Partial<T> & { readonly userId: string };

/** Events of another team's producer, encoded by hand. */
export interface ForeignEvents {
  login(event: Loose<LoginInput>): ForeignRecord;
  heartbeat(event: Loose<HeartbeatInput>): ForeignRecord;
  mfa(event: Loose<MfaInput>): ForeignRecord;
}

const common = (userId: string) => ({
  eventId: randomUUID(),
  tenantId: TENANT,
  userId,
  occurredAt: Date.now(),
});

const keyed = (userId: string, value: Buffer): ForeignRecord => ({
  key: `${TENANT}|${userId}`,
  value,
});

export async function foreignEvents(producer: ForeignProducer): Promise<ForeignEvents> {
  const [login, heartbeat, mfa] = await Promise.all(
    ["id.login", "id.heartbeat", "id.mfa"].map((topic) => producer.schemaId(topic)),
  );
  const id = (schemaId: number | undefined): number => schemaId ?? -1;
  return {
    login: (event) =>
      keyed(
        event.userId,
        encodeLogin(id(login), {
          ...common(event.userId),
          kind: "AUTH_SUCCESS",
          sessionId: `s-${event.userId}`,
          ...event,
        }),
      ),
    heartbeat: (event) =>
      keyed(
        event.userId,
        encodeHeartbeat(id(heartbeat), {
          ...common(event.userId),
          sessionId: `s-${event.userId}`,
          ...event,
        }),
      ),
    mfa: (event) =>
      keyed(
        event.userId,
        encodeMfa(id(mfa), {
          ...common(event.userId),
          kind: "FAIL",
          sessionId: `s-${event.userId}`,
          ...event,
        }),
      ),
  };
}
