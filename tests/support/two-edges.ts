import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ForeignEvents, foreignEvents } from "./events.ts";
import { createIntrospection, type Introspection, type Who } from "./introspection.ts";
import { openPipeline, type Pipeline, type Servers } from "./pipeline.ts";
import { createService, type ServiceProcess } from "./processes.ts";
import { type RevocationStream, startRevocations } from "./revocations.ts";
import { untilTrue } from "./until.ts";
import { startWatch, type Watch } from "./watch.ts";

/** For all of it to be well again. */
export const DEADLINE_MS = 60_000;

/**
 * Two edges under load, whose answers are compared with what is known to be true: one revokes without pause, and
 * whatever it has answered is asked of both.
 */
export interface TwoEdges {
  readonly pipeline: Pipeline;
  readonly events: ForeignEvents;
  readonly introspection: Introspection;
  readonly first: ServiceProcess;
  readonly other: ServiceProcess;
  readonly watch: Watch;
  readonly stream: RevocationStream;
  /** Waits until this edge says so. */
  says(url: string, who: Who, what: string): Promise<void>;
  /** Whoever is signed in and was not revoked is active at both edges, or becomes so. */
  sparedAreActive(): Promise<void>;
  /** People sign in and are called active; sessions are revoked and the calls answered. */
  goesOn(): Promise<void>;
  /** So many answers about ended sessions from now on. */
  answers(count: number): Promise<void>;
  /** Waits until all is well; tells how long that took, and what was answered so far. */
  recovers(after: string): Promise<void>;
  close(): Promise<void>;
}

export async function startTwoEdges(servers: Servers): Promise<TwoEdges> {
  const pipeline = await openPipeline(servers);
  try {
    return await withOther(pipeline);
  } catch (error) {
    await pipeline.close();
    throw error;
  }
}

async function withOther(pipeline: Pipeline): Promise<TwoEdges> {
  const events = await foreignEvents(pipeline.producer);
  const introspection = createIntrospection(pipeline);
  const directory = join(pipeline.directory, "other-edge");
  mkdirSync(directory);
  const env = { ...pipeline.env, VIGIE_STATE_DIR: directory, INSTANCE_ID: "other" };
  const other = await createService({ name: "edge", env, directory });
  await other.start().catch(async (error: unknown) => {
    await other.kill();
    throw error;
  });
  const first = pipeline.service("edge");
  const watch = startWatch([first.url, other.url], introspection.introspect);
  const onRevoked = (userId: string) => watch.revoked(userId);
  const stream = startRevocations(pipeline, events, introspection, onRevoked);

  const edges: TwoEdges = {
    pipeline,
    events,
    introspection,
    first,
    other,
    watch,
    stream,
    says: (url, who, what) =>
      untilTrue(
        `${who.userId} is ${what}`,
        async () => (await introspection.introspect(url, who)) === what,
        DEADLINE_MS,
      ),
    async sparedAreActive() {
      const users = [...stream.spared];
      for (const { url } of [first, other]) {
        await Promise.all(users.map((userId) => edges.says(url, { userId }, "active")));
      }
    },
    async goesOn() {
      const spared = stream.spared.size;
      const revoked = stream.revoked.size;
      await untilTrue("logins go on", () => stream.spared.size >= spared + 3, DEADLINE_MS);
      await untilTrue("revocations go on", () => stream.revoked.size >= revoked + 6, DEADLINE_MS);
      await edges.sparedAreActive();
    },
    async answers(count) {
      const { asked } = watch.figures;
      await untilTrue("edges answer", () => watch.figures.asked >= asked + count, DEADLINE_MS);
    },
    async recovers(after) {
      const fromMs = performance.now();
      await edges.goesOn();
      const tookMs = Math.round(performance.now() - fromMs);
      const { asked, unsure, lateMs, wrong } = watch.figures;
      console.info(
        `${after}: well after ${tookMs} ms; so far ${stream.revoked.size} revoked, ${stream.spared.size} spared, ` +
          `${asked} asked, ${unsure} unsure, ${wrong.length} wrong, ` +
          `${lateMs.length} late (at most ${Math.max(0, ...lateMs).toFixed(0)} ms)`,
      );
      assert.deepEqual(wrong, [], "no revoked session is ever called active");
    },
    async close() {
      await stream.stop().catch(() => undefined);
      await watch.stop();
      await other.kill();
      await pipeline.close();
    },
  };
  return edges;
}
