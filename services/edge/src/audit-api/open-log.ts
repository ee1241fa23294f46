import type { Keys } from "@vigie/service-kit/kms/keys";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import { retryWhileAway } from "@vigie/service-kit/retry";
import type { Wiring } from "../wiring.ts";
import type { AuditLog } from "./audit-log.ts";
import { postgresLog } from "./postgres-log.ts";

export interface OpenedLog {
  /** Null without a database. */
  readonly log: AuditLog | null;
  /** Rejects when the keys are of no use; else never settles. */
  readonly failed: Promise<never>;
  /** Waits for keys no longer. */
  close(): Promise<void>;
}

/** Events are taken without the keys of the audit, so health only degrades; till they are there boxes stay sealed. */
export function openAuditLog(
  { config, log, health }: Wiring,
  database: Database | null,
): OpenedLog {
  const { VIGIE_KEYS_FILE, AUDIT_ORIGIN: origin } = config;
  const waiting = new AbortController();
  const closed = { close: async () => waiting.abort() };
  const never = new Promise<never>(() => {});
  if (database === null) return { log: null, failed: never, ...closed };
  let keys: Keys | null = null;
  const opened = { log: postgresLog({ database, keys: () => keys, origin }), ...closed };
  if (VIGIE_KEYS_FILE === null) return { ...opened, failed: never };
  health.declare("keys", { needed: false });
  const opening = retryWhileAway(() => openKeys({ ...config, VIGIE_KEYS_FILE }), {
    log,
    what: "kms",
    signal: waiting.signal,
    onAway: ({ message }) => health.set("keys", false, message),
  });
  const failed = opening.then((found) => {
    keys = found;
    health.set("keys", true);
    return never;
  });
  return { ...opened, failed };
}
