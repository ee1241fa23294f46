import { setTimeout as pause } from "node:timers/promises";
import type { Introspect } from "./introspection.ts";

/** What edges have said of sessions whose revocation was answered before they were asked. */
export interface Figures {
  /** Answers, of all edges. */
  readonly asked: number;
  /** Of them: 503, nobody can tell. */
  readonly unsure: number;
  /** "active" within the time that a denial may take to reach another edge, ms after the revocation's answer. */
  readonly lateMs: readonly number[];
  /** Any other "active". */
  readonly wrong: readonly string[];
}

export interface Watch {
  /** The revocation of this user's session was answered just now. */
  revoked(userId: string): void;
  readonly figures: Figures;
  stop(): Promise<Figures>;
}

/** An edge that lags more than this behind the revocations says 503. Source: service-kit, denials.ts. */
const REACHES_WITHIN_MS = 2_000;
const ASKERS_PER_EDGE = 2;
/** Between two questions: the edges that are asked have the rest of their work to do. */
const PAUSE_MS = 5;
const UNSURE = "VIG_SESSION_STATE_UNKNOWN";

/** Asks these edges all the time, of the newest revoked sessions as often as of all the others. */
export function startWatch(urls: readonly string[], introspect: Introspect): Watch {
  const users: string[] = [];
  const revokedAtMs = new Map<string, number>();
  const lateMs: number[] = [];
  const wrong: string[] = [];
  let asked = 0;
  let unsure = 0;
  let stopping = false;

  async function ask(url: string, userId: string, knownDead: Set<string>): Promise<void> {
    const begunMs = performance.now();
    // What an edge has once called dead has reached it; a question that was under way then may be older.
    const wasDead = knownDead.has(userId);
    // An edge that is being started anew does not answer.
    const said = await introspect(url, { userId }).catch(() => null);
    if (said === null) return;
    asked += 1;
    if (said === UNSURE) unsure += 1;
    else if (said === "inactive") knownDead.add(userId);
    else if (said === "active") {
      const afterMs = begunMs - (revokedAtMs.get(userId) ?? begunMs);
      const isLate = afterMs < REACHES_WITHIN_MS && !wasDead;
      if (isLate) lateMs.push(afterMs);
      else wrong.push(`${userId} after ${afterMs.toFixed(0)} ms at ${url}`);
    } else wrong.push(`${userId}: ${said}`);
  }

  async function loop(url: string, knownDead: Set<string>): Promise<void> {
    for (let n = 0; !stopping; n += 1) {
      const userId = n % 2 === 0 ? users.at(-1) : users[(n >> 1) % Math.max(1, users.length)];
      if (userId !== undefined) await ask(url, userId, knownDead);
      await pause(PAUSE_MS);
    }
  }

  const loops = Promise.all(
    urls.flatMap((url) => {
      const knownDead = new Set<string>();
      return Array.from({ length: ASKERS_PER_EDGE }, () => loop(url, knownDead));
    }),
  );
  const watch: Watch = {
    revoked(userId) {
      revokedAtMs.set(userId, performance.now());
      users.push(userId);
    },
    get figures() {
      return { asked, unsure, lateMs, wrong };
    },
    async stop() {
      stopping = true;
      await loops;
      return watch.figures;
    },
  };
  return watch;
}
