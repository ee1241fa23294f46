import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { Job } from "@vigie/service-kit/jobs";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { type SinkServiceParts, startSinkService } from "@vigie/service-kit/sink-service";
import type { StartedInBackground } from "@vigie/service-kit/start-in-background";
import { startCheckpoints } from "./checkpoint/start.ts";
import type { AuditSinkConfig } from "./config.ts";
import { checkUnchangeable, ROLE } from "./guard.ts";
import { listenForBroker } from "./reading.ts";
import { createSigners } from "./signer.ts";
import { auditTopics, createAuditSink, writeDueGaps } from "./sink.ts";
import { createAuditStore, GROUP } from "./store.ts";
import { createTold, type Told } from "./told.ts";

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
      const signers = createSigners(
        config.WORM_SIGNING_SECRET,
        config.WORM_SIGNING_SECRETS_RETIRED,
      );
      const checkpoints = startCheckpoints({
        config,
        database,
        log,
        metrics,
        health,
        clock,
        append: (entry) => store.write({ items: [{ entry, value: null }] }, []),
      });
      const { admit, guard, isOpen } = checkpoints;
      const store = createAuditStore(database, { keys, signers, clock, admit });
      const broker = listenForBroker();
      const tell = createTold(metrics);
      const observe = (told: Told): void => {
        tell(told);
        checkpoints.appended(BigInt(told.size));
      };
      return {
        sink: (context) => guard(createAuditSink({ store, codecs, log, observe })(context)),
        jobs: [
          ...checkpoints.jobs,
          gapsJob(async () => {
            if (isOpen() && broker.isUp()) await writeDueGaps({ store, log, observe });
          }),
        ],
        observer: broker.observer,
        stop: () => checkpoints.stop(),
      };
    },
  });
}

/** Well within the time that a missed record is waited for. */
const GAPS_EVERY_MS = 15 * SECOND_MS;

const gapsJob = (run: () => Promise<void>): Job => ({ name: "gaps", everyMs: GAPS_EVERY_MS, run });
