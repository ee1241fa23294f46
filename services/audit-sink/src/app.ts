import type { Clock } from "@vigie/core/time";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { type SinkServiceParts, startSinkService } from "@vigie/service-kit/sink-service";
import type { StartedInBackground } from "@vigie/service-kit/start-in-background";
import { createSigner } from "./chain.ts";
import type { AuditSinkConfig } from "./config.ts";
import { checkUnchangeable, ROLE } from "./guard.ts";
import { createSealing } from "./seal.ts";
import { auditTopics, createAuditSink } from "./sink.ts";
import { createAuditStore, GROUP } from "./store.ts";
import { createTold } from "./told.ts";

export interface AuditSinkParts extends SinkServiceParts<AuditSinkConfig> {
  readonly clock?: Clock;
}

/** Appends nothing before it is sure that it could not change what it appends (AUD-01). */
export function startAuditSink(parts: AuditSinkParts): StartedInBackground {
  const { config, log, metrics, health, clock = Date.now } = parts;
  const strict = config.NODE_ENV === "production";
  return startSinkService(parts, {
    name: "audit-sink",
    groupId: GROUP,
    role: ROLE,
    topics: auditTopics,
    prepare: (database) => checkUnchangeable(database, { strict, log }),
    async build({ database, codecs, signal }) {
      const keys = await awaitKeys(config, { log, health, signal });
      const sealing = createSealing(keys, createSigner(config.WORM_SIGNING_SECRET), clock);
      const store = createAuditStore(database, sealing);
      return { sink: createAuditSink({ store, codecs, log, observe: createTold(metrics) }) };
    },
  });
}
