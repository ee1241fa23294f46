import { setTimeout as pause } from "node:timers/promises";
import type { ForeignEvents } from "./events.ts";
import type { Introspection } from "./introspection.ts";
import { startLoad } from "./load.ts";
import type { Pipeline } from "./pipeline.ts";

/** Logins and heartbeats without end, and of every three users two whose session is revoked by HTTP. */
export interface RevocationStream {
  /** Users whose revocation was answered with its outcome. */
  readonly revoked: ReadonlySet<string>;
  /** Users who are signed in and whom nobody revokes. */
  readonly spared: ReadonlySet<string>;
  /** Answers to revocations by status. */
  readonly statuses: ReadonlyMap<number, number>;
  stop(): Promise<void>;
}

const RETRY_MS = 100;
const BEAT_MS = 20;

export function startRevocations(
  pipeline: Pipeline,
  events: ForeignEvents,
  { introspect, tokenOf }: Introspection,
  onRevoked: (userId: string) => void,
): RevocationStream {
  const load = startLoad(pipeline, events);
  const revoked = new Set<string>();
  const spared = new Set<string>();
  const statuses = new Map<number, number>();
  let stopping = false;

  /** By its own person, or by an administrator, who needs no live session. */
  async function post(userId: string, byAdmin: boolean): Promise<number> {
    const own = `/api/id/sessions/s-${userId}/revoke`;
    const path = byAdmin ? "/api/id/admin/sessions/revoke" : own;
    const filter = { user_id: userId, session_id: `s-${userId}` };
    const bearer = byAdmin
      ? pipeline.token({ sub: "console", scope: "id:admin" })
      : tokenOf({ userId });
    const response = await fetch(pipeline.service("edge").url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify(byAdmin ? { filter } : {}),
    });
    const { terminated_count: ended } = (await response.json()) as { terminated_count?: number };
    // An administrator may come before the login that is on its way.
    return response.status === 200 && ended === 0 ? 0 : response.status;
  }

  async function revoke(userId: string): Promise<void> {
    let wasActive = false;
    for (let n = revoked.size; !stopping; n += 1) {
      const edge = pipeline.service("edge").url;
      wasActive ||= (await introspect(edge, { userId })) === "active";
      const status = await post(userId, n % 2 === 1 || !wasActive);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      // A session that was active is refused because an attempt before, answered 202 or 503, has ended it.
      if (status === 200 || (status === 401 && wasActive)) {
        revoked.add(userId);
        onRevoked(userId);
        return;
      }
      await pause(RETRY_MS);
    }
  }

  async function follow(users: ReadonlySet<string>): Promise<void> {
    let n = 0;
    while (!stopping) {
      const userId = [...users][n];
      if (userId === undefined) {
        await pause(BEAT_MS);
        continue;
      }
      if (n % 3 === 2) spared.add(userId);
      else await revoke(userId);
      n += 1;
    }
  }

  /** Of all in turn, the revoked as well: a heartbeat wakes nobody up. */
  async function beat(): Promise<void> {
    for (let n = 0; !stopping; n += 1) {
      const users = [...load.byAvro];
      const userId = users[n % Math.max(1, users.length)];
      if (userId !== undefined) {
        await pipeline.producer.send("id.heartbeat", [events.heartbeat({ userId })]);
      }
      await pause(BEAT_MS);
    }
  }

  const loops = Promise.all([follow(load.byHttp), follow(load.byAvro), beat()]);
  loops.catch(() => {
    stopping = true;
  });
  return {
    revoked,
    spared,
    statuses,
    async stop() {
      stopping = true;
      await loops;
      await load.stop();
    },
  };
}
