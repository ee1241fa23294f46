import { SECOND_MS } from "@vigie/core/time";
import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { type TopicTaker, taker } from "@vigie/service-kit/follow-topics";
import type { KeptFollowing } from "@vigie/service-kit/keep-following";
import type { ExcessLogins } from "../ingest/excess-logins.ts";
import { everybodyOf } from "./event.ts";
import type { Hub } from "./hub.ts";

/** What this edge hears for all of its streams. */
export const liveTakers = (hub: Hub): readonly TopicTaker[] => {
  const wants = (key: string): boolean => hub.wants(key);
  return [
    taker<SessionState>(
      "id.session.state",
      (value) => hub.publish({ kind: "session", value }),
      wants,
    ),
    taker<SessionAnomaly>(
      "id.session.anomaly",
      (value) => hub.publish({ kind: "anomaly", value }),
      wants,
    ),
    taker<SessionRevoked>(
      "id.session.revoked",
      (value) => hub.publish({ kind: "revocation", value }),
      wants,
    ),
    taker<SessionEpoch>(
      "id.session.epoch",
      (value) => hub.publish({ kind: "epoch", value }),
      (key) => hub.wants(everybodyOf(key.split("|", 1)[0] ?? "")),
    ),
  ];
};

/** Whose logins are to be slowed, streams or none. */
export const excessTakers = (excess: ExcessLogins): readonly TopicTaker[] => [
  taker<SessionAnomaly>("id.session.anomaly", (value) => excess.note(value)),
];

/** Streams that are opened again within it, as a page that is reloaded does, begin nothing anew. */
const REST_AFTER_MS = 30 * SECOND_MS;

/**
 * Follows for the hub while somebody needs events, and a while longer: the topic of states is that of every heartbeat
 * of every session. `start` begins at the ends of the topics.
 */
export function followWhileNeeded(
  hub: Hub,
  start: (onFollowing: (isFollowing: boolean) => void) => KeptFollowing,
  restAfterMs = REST_AFTER_MS,
): KeptFollowing {
  let following: KeptFollowing | null = null;
  /** One more with each beginning and end: one that is ending has nothing to say any more. */
  let turn = 0;
  let resting: NodeJS.Timeout | undefined;
  let isStopped = false;
  /** What is ending, too. */
  const ending = new Set<Promise<unknown>>();

  function begin(): void {
    turn += 1;
    const mine = turn;
    following = start((isFollowing) => {
      if (mine !== turn) return;
      if (isFollowing) hub.follows();
      else hub.lost();
    });
  }

  function end(): void {
    if (following === null) return;
    const ended = following.stop();
    following = null;
    turn += 1;
    hub.lost();
    ending.add(ended);
    ended.finally(() => ending.delete(ended)).catch(() => undefined);
  }

  hub.whenNeeded((isNeeded) => {
    clearTimeout(resting);
    if (!isNeeded) resting = setTimeout(end, restAfterMs).unref();
    else if (following === null && !isStopped) begin();
  });
  return {
    async stop() {
      isStopped = true;
      clearTimeout(resting);
      end();
      await Promise.allSettled(ending);
    },
  };
}
