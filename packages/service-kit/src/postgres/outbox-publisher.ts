import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type pg from "pg";
import type { Metrics } from "../metrics.ts";
import type { DatabaseOptions } from "./connection.ts";
import { type Ears, keepListening, type Listening } from "./listening.ts";
import { LOCKS } from "./locks.ts";
import { OUTBOX_CHANNEL, type OutboxRecord } from "./outbox.ts";

/** Where the records go. One carrier of all is in charge: the one that claimed last. */
export interface OutboxCarrier {
  /** From then on nothing that an earlier carrier still has under way can be published any more. */
  claim(): Promise<void>;
  /**
   * Resolves once all of them are published, in order.
   * Throws: when that is not certain, or when somebody else has claimed; then this carrier is of no more use.
   */
  carry(records: readonly OutboxRecord[]): Promise<void>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

export interface OutboxPublisherOptions {
  readonly database: DatabaseOptions;
  readonly openCarrier: () => OutboxCarrier;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Told when records can, or cannot, be carried by whoever is in charge as far as this one sees. */
  readonly onState?: (up: boolean, why?: string) => void;
}

/** A commit wakes the one in charge; this finds what a lost notification left behind, and a vacant post. */
const LOOK_EVERY_MS = 500;
/** A connection that is silent for longer has lost its process: the server ends it, and its lock goes to another. */
const SILENCE_MAX_MS = 20_000;
/** One carrying that takes longer is given up, under the silence allowed. */
const CARRY_MAX_MS = 12_000;
const RECORDS_MAX = 200;
/** Far under the drain limit of a service. */
const STOP_MAX_MS = 500;

const LOOK = `
  select case when $1 then true
              else pg_try_advisory_lock(${LOCKS.outbox}, hashtext(current_schema() || current_user)) end as leads,
         count(*) as waiting,
         coalesce(extract(epoch from clock_timestamp() - min(enqueued_at)), 0)::float8 as lag_s
    from outbox`;
const NEXT = `
  select id, topic, key, partition, value,
         extract(epoch from enqueued_at)::float8 as enqueued_at_s
    from outbox order by id limit ${RECORDS_MAX}`;
const DONE = "delete from outbox where id = any($1::bigint[])";

interface Look {
  readonly leads: boolean;
  readonly waiting: number;
  readonly lag_s: number;
}

interface Row {
  readonly id: number;
  readonly topic: string;
  readonly key: string;
  readonly partition: number | null;
  readonly value: Buffer | null;
  readonly enqueued_at_s: number;
}

/**
 * Carries what is enqueued to its topics, as far as its role may see it; of all publishers of one role and schema only
 * one is in charge at a time.
 */
export function startOutboxPublisher(options: OutboxPublisherOptions): Listening {
  const publisher = new Publisher(options);
  const { database, log, onState } = options;
  return keepListening({
    database,
    channel: OUTBOX_CHANNEL,
    serve: (client, ears) => publisher.serve(client, ears),
    closed: () => publisher.resign(),
    // What waits for a broker that is away is given up; it is carried again by whoever is next in charge.
    stopMaxMs: STOP_MAX_MS,
    interrupted: "outbox_interrupted",
    log,
    onState,
  });
}

class Publisher {
  private readonly options: OutboxPublisherOptions;
  private readonly meters: ReturnType<typeof meters>;

  constructor(options: OutboxPublisherOptions) {
    this.options = options;
    this.meters = meters(options.metrics);
  }

  /** Each connection is a candidate, then perhaps in charge, until it breaks. */
  async serve(client: pg.Client, ears: Ears): Promise<void> {
    await client.query(`set idle_session_timeout = ${SILENCE_MAX_MS}`);
    let carrier: OutboxCarrier | null = null;
    try {
      while (!ears.stopped) {
        const { leads, waiting } = await this.look(client, carrier !== null);
        if (leads && carrier === null) {
          carrier = this.options.openCarrier();
          await inTime(carrier.claim());
          this.options.log.info({ waiting }, "outbox_claimed");
        }
        this.meters.leads.set(leads ? 1 : 0);
        ears.tellUp();
        const more = carrier !== null && waiting > 0 && (await this.carry(client, carrier));
        if (!more) await ears.rest(LOOK_EVERY_MS);
      }
    } finally {
      await carrier?.close();
    }
  }

  /** Another may be in charge now. */
  resign(): void {
    this.meters.leads.set(0);
  }

  private async look(client: pg.Client, leads: boolean): Promise<Look> {
    const { rows } = await client.query<Look>(LOOK, [leads]);
    const look = rows[0] ?? { leads, waiting: 0, lag_s: 0 };
    this.meters.waiting.set(look.waiting);
    this.meters.lag.set(look.lag_s);
    return look;
  }

  /** Published first, deleted after: what happens between the two is published again. Returns whether there is more. */
  private async carry(client: pg.Client, carrier: OutboxCarrier): Promise<boolean> {
    const { rows } = await client.query<Row>(NEXT);
    await inTime(carrier.carry(rows.map(recordOf)));
    const nowS = Date.now() / 1_000;
    for (const row of rows) {
      this.meters.carried.inc({ topic: row.topic });
      this.meters.seconds.observe(Math.max(0, nowS - row.enqueued_at_s));
    }
    await client.query(DONE, [rows.map(({ id }) => id)]);
    return rows.length > 0;
  }
}

function recordOf({ topic, key, partition, value }: Row): OutboxRecord {
  return { topic, key, value, ...(partition !== null && { partition }) };
}

async function inTime(work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new VigError("VIG_BROKER_AWAY", { why: "no answer in time" }));
  const timer = setTimeout(late, CARRY_MAX_MS);
  work.catch(() => {});
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

const meters = (metrics: Metrics) => ({
  leads: metrics.gauge("vigie_outbox_leads", "1 where the outbox is carried by this process"),
  waiting: metrics.gauge("vigie_outbox_records", "Records that wait to be carried", [], "max"),
  lag: metrics.gauge("vigie_outbox_lag_seconds", "Age of the record that waits longest", [], "max"),
  carried: metrics.counter("vigie_outbox_carried_total", "Records carried", ["topic"]),
  seconds: metrics.histogram("vigie_outbox_seconds", "From enqueueing to the broker's answer"),
});
