import { sessionKey, userKey } from "@vigie/core/keys";
import type { Outages } from "@vigie/core/outages";
import type { VersionedPolicy } from "@vigie/core/policy";
import type { SubjectErasurePart } from "@vigie/schemas/types";
import type { Emit } from "@vigie/stream/processor";
import type { Client } from "../client.ts";
import type { Change } from "../evolve.ts";
import type { FindingKind } from "../finding.ts";
import { anomalyOf } from "./anomalies.ts";
import { type AuditNumbers, alarmsOf, auditsOf } from "./audit.ts";
import type { Owner } from "./owner.ts";
import { resultOf, revokedOf } from "./revoked.ts";
import { type Occasion, publicationsOf } from "./states.ts";

/** Everything that is published; an output each, so that they are counted apart. */
export type OutputName =
  | Occasion
  | "revoked"
  | "result"
  | FindingKind
  | "erased"
  | "audited"
  | "revocations_held";

export interface PublishSetting extends Owner {
  readonly policy: VersionedPolicy;
  readonly outages: Outages;
  readonly nowMs: number;
  readonly clientOf: (userAgent: string) => Client;
  readonly audit: AuditNumbers;
}

const partOf = (erasure_id: string, { tenantId, nowMs }: PublishSetting): SubjectErasurePart => ({
  erasure_id,
  tenant_id: tenantId,
  part: "sessions",
  done_at: nowMs,
});

/** What the world learns of a step's changes; revocations first. */
export function emitsOf(
  changes: readonly Change[],
  setting: PublishSetting,
): readonly Emit<OutputName>[] {
  const { tenantId, userId, audit } = setting;
  const stateSetting = { ...setting, policy: setting.policy.document };
  const key = userKey(tenantId, userId);
  const emits: Emit<OutputName>[] = [];
  for (const change of changes) {
    if (change.type === "ended" && change.revocation !== null) {
      emits.push({ output: "revoked", key, value: revokedOf(change, stateSetting) });
    } else if (change.type === "done") {
      emits.push({ output: "result", key, value: resultOf(change, setting) });
    } else if (change.type === "erased") {
      const { erasureId } = change;
      emits.push({ output: "erased", key: erasureId, value: partOf(erasureId, setting) });
    } else if (change.type === "found") {
      const { finding } = change;
      const value = anomalyOf(finding, setting);
      if (value !== null) emits.push({ output: finding.kind, key, value });
    }
  }
  for (const { occasion, sessionId, record } of publicationsOf(changes, stateSetting)) {
    emits.push({
      output: occasion,
      key: sessionKey(tenantId, userId, sessionId),
      value: record,
      // All sessions of a user lie where the user does, so that a reader of a partition sees them whole.
      partitionKey: key,
    });
  }
  for (const value of auditsOf(changes, setting, audit)) {
    emits.push({ output: "audited", key: audit.emitter, value });
  }
  for (const value of alarmsOf(changes, setting, audit)) {
    emits.push({ output: "revocations_held", key: audit.emitter, value });
  }
  return emits;
}
