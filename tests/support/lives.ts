import { setTimeout as pause } from "node:timers/promises";
import type { Introspect, Who } from "./introspection.ts";

/** How long one edge has surely called a session active, ms of performance.now(). */
export interface Life {
  /** End of the first question that was answered so. */
  readonly fromMs: number;
  /** Beginning of the last one. */
  readonly toMs: number;
}

export interface LivesWatch {
  /** Of every session that was called active at all, by its place in what is asked. */
  readonly lives: ReadonlyMap<number, Life>;
  /** Sessions that were called active again after they had been called inactive. */
  readonly risen: ReadonlySet<number>;
  /** Times that all of them were asked. */
  readonly rounds: number;
  stop(): Promise<void>;
}

const ASKERS = 8;
/** After each pair of questions, so that it is not the asking that keeps the machine from what is asked about. */
const PAUSE_MS = 10;
/** Those that began last live, or lived a moment ago. */
const RECENT = 12;

/**
 * Asks one edge of all these sessions, round and round, and as often of the last of the first `begun()`. A session
 * lives once, from a login to an end: asked twice and called active both times, it was so at every instant between.
 */
export function watchLives(
  url: string,
  all: readonly Who[],
  { introspect, begun }: { readonly introspect: Introspect; begun(): number },
): LivesWatch {
  const lives = new Map<number, Life>();
  const ended = new Set<number>();
  const risen = new Set<number>();
  let next = 0;
  let stopping = false;

  async function ask(place: number, who: Who): Promise<void> {
    const begunMs = performance.now();
    const said = await introspect(url, who);
    const life = lives.get(place);
    if (said === "active") {
      if (ended.has(place)) risen.add(place);
      // Several questions about one session may be under way when there are few.
      const fromMs = Math.min(life?.fromMs ?? Number.POSITIVE_INFINITY, performance.now());
      lives.set(place, { fromMs, toMs: Math.max(life?.toMs ?? 0, begunMs) });
    } else if (said === "inactive" && life !== undefined && begunMs > life.fromMs) {
      ended.add(place);
    }
  }

  async function loop(): Promise<void> {
    while (!stopping) {
      const turn = next;
      next += 1;
      for (const place of [turn % all.length, begun() - 1 - (turn % RECENT)]) {
        const who = all[place];
        if (who !== undefined) await ask(place, who);
      }
      await pause(PAUSE_MS);
    }
  }

  const loops = Promise.all(Array.from({ length: ASKERS }, loop));
  loops.catch(() => {
    stopping = true;
  });
  return {
    lives,
    risen,
    get rounds() {
      return Math.floor(next / all.length);
    },
    async stop() {
      stopping = true;
      await loops;
    },
  };
}

/** How many of them there were at the instant at which there were most. */
export function mostAtOnce(lives: Iterable<Life>): number {
  const sure = [...lives].filter(({ fromMs, toMs }) => fromMs <= toMs);
  const at = (ms: number): number =>
    sure.filter(({ fromMs, toMs }) => fromMs <= ms && ms <= toMs).length;
  return Math.max(0, ...sure.map(({ fromMs }) => at(fromMs)));
}
