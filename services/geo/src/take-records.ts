import { join } from "node:path";
import type { Logger } from "@vigie/core/log";
import type { Health } from "@vigie/service-kit/health";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { Database } from "@vigie/service-kit/postgres/database";
import { createRecordSink, type RecordTaker, tallying } from "@vigie/service-kit/record-sink";
import { retryWhileAway } from "@vigie/service-kit/retry";
import {
  type StartedInBackground,
  startInBackground,
} from "@vigie/service-kit/start-in-background";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { startSink } from "@vigie/stream/kafka/sink";

/** Without the installation's prefix. */
const GROUP = "vigie.geo";
/** Its part in health: calls are answered without it. */
const PART = "records";

export interface TakeRecordsOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly stateDir: string;
  readonly database: Database;
  readonly takers: readonly RecordTaker[];
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** Takes what topics tell into PostgreSQL, each record once; waits for the broker in the background. */
export function takeRecords(options: TakeRecordsOptions): StartedInBackground {
  const { client, prefix, database, takers, log, metrics, health } = options;
  health.declare(PART, { needed: false });
  const { observer, told } = tallying(streamObserver(metrics, health, "geo", PART));
  return startInBackground((signal) => {
    const onAway = (error: Error) => health.set(PART, false, error.message);
    const waiting = { log, signal, what: "kafka", onAway };
    return retryWhileAway(
      () =>
        startSink({
          client,
          prefix,
          groupId: prefix + GROUP,
          topics: takers.map(({ topic }) => topic),
          service: "geo",
          sink: createRecordSink({ groupId: GROUP, database, takers, told }),
          log,
          observer,
          memberIdFile: join(options.stateDir, `${prefix}geo.member`),
          onWriting: (up, why) => health.set(PART, up, why),
        }),
      waiting,
    );
  });
}
