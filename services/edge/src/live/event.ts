import { userKey } from "@vigie/core/keys";
import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";

/** One thing that streams tell. */
export type LiveEvent =
  | { readonly kind: "session"; readonly value: SessionState }
  | { readonly kind: "anomaly"; readonly value: SessionAnomaly }
  | { readonly kind: "revocation"; readonly value: SessionRevoked }
  | { readonly kind: "epoch"; readonly value: SessionEpoch };

export const liveKinds = ["session", "anomaly", "revocation", "epoch"] as const;
export type LiveKind = (typeof liveKinds)[number];

/** No user has an empty id: what concerns everybody of a tenant. */
export const everybodyOf = (tenantId: string): string => userKey(tenantId, "");

/** Under which keys an event is listened for: its tenant's, and its user's or everybody's. */
export function keysOf({ kind, value }: LiveEvent): readonly [string, string] {
  const { tenant_id: tenantId } = value;
  return [tenantId, kind === "epoch" ? everybodyOf(tenantId) : userKey(tenantId, value.user_id)];
}
