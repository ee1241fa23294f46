import { type Epoch, epochCovers, epochKeysOf } from "@vigie/core/epochs";
import type { SessionEpoch } from "@vigie/schemas/types";
import type { GlobalTable } from "@vigie/stream/processor";
import type { Revocation, Session } from "./state.ts";

/** What of a session an epoch asks for. */
export type Epochable = Pick<Session, "orgId" | "roles" | "channel" | "createdAtMs" | "startKnown">;

/** The revocation of a session by an epoch, or null. */
export type EpochOver = (session: Epochable) => Revocation | null;

/** Epochs never go back: of two of one scope the later counts, in whatever order they are written. */
export const laterEpoch: NonNullable<GlobalTable<SessionEpoch>["fold"]> = (before, next) =>
  before !== undefined && before.not_before > next.not_before ? before : next;

/** Key of an epoch is tenant|scope|value: the users of its tenant are concerned. */
export const tenantPrefix = (key: string): string => key.slice(0, key.indexOf("|") + 1);

/** Asks the epochs in force about sessions of one tenant. Within a step one epoch is one cause: the same object. */
export function epochsOver(
  tenantId: string,
  lookup: (key: string) => SessionEpoch | undefined,
): EpochOver {
  const causes = new Map<string, Revocation>();
  return (session) => {
    const { orgId, roles, channel } = session;
    const startedAtMs = session.startKnown ? session.createdAtMs : null;
    const subject = { tenantId, orgId, roles, channel, startedAtMs };
    for (const key of epochKeysOf(subject)) {
      const record = lookup(key);
      if (record === undefined) continue;
      const epoch = epochOf(record);
      if (epoch === null || !epochCovers(epoch, subject)) continue;
      const cause = causes.get(key) ?? revocationBy(record);
      causes.set(key, cause);
      return cause;
    }
    return null;
  };
}

/** Null: of a scope that this version does not know. */
function epochOf(record: SessionEpoch): Epoch | null {
  const { epoch_id: id, tenant_id: tenantId, scope, value, not_before: notBeforeMs } = record;
  return scope === "UNKNOWN" ? null : { id, tenantId, scope, value, notBeforeMs };
}

const revocationBy = ({ epoch_id, reason, actor }: SessionEpoch): Revocation => ({
  reason,
  actor,
  commandId: null,
  anomalyId: null,
  epochId: epoch_id,
});
