import { setTimeout as pause } from "node:timers/promises";
import { type ForeignEvents, PHONE } from "./events.ts";
import { type Pipeline, TENANT } from "./pipeline.ts";

/** Traffic that goes on through outages, as clients that mean it: each event again until it is acknowledged. */
export interface Load {
  /** Users whose login the edge has acknowledged with 202; their session is s-<user>. */
  readonly byHttp: ReadonlySet<string>;
  /** Users whose login the broker has acknowledged to the other team's producer. */
  readonly byAvro: ReadonlySet<string>;
  /** Answers of the edge by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Ends once what was begun is acknowledged. Throws: what a loop could not go on after. */
  stop(): Promise<void>;
}

const PAUSE_MS = 25;
const RETRY_MS = 200;

export function startLoad(pipeline: Pipeline, events: ForeignEvents): Load {
  const byHttp = new Set<string>();
  const byAvro = new Set<string>();
  const statuses = new Map<number, number>();
  let stopping = false;

  async function post(userId: string): Promise<void> {
    const body = {
      event_id: `e-${userId}`,
      tenant_id: TENANT,
      user_id: userId,
      occurred_at: Date.now(),
      kind: "AUTH_SUCCESS",
      session_id: `s-${userId}`,
      channel: "MOBILE",
    };
    for (;;) {
      const status = await pipeline.post("/v1/events/login", body).then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        () => 0,
      );
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 202) return;
      await pause(RETRY_MS);
    }
  }

  async function httpLoop(): Promise<void> {
    for (let n = 0; !stopping; n += 1) {
      await post(`http-${n}`);
      byHttp.add(`http-${n}`);
      await pause(PAUSE_MS);
    }
  }

  async function avroLoop(): Promise<void> {
    for (let n = 0; !stopping; n += 1) {
      const userId = `avro-${n}`;
      const record = events.login({ userId, eventId: `e-${userId}`, ...PHONE });
      await pipeline.producer.send("id.login", [record]);
      byAvro.add(userId);
      await pause(PAUSE_MS);
    }
  }

  const loops = Promise.all([httpLoop(), avroLoop()]);
  loops.catch(() => {
    stopping = true;
  });
  return {
    byHttp,
    byAvro,
    statuses,
    async stop() {
      stopping = true;
      await loops;
    },
  };
}
