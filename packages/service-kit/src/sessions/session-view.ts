import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import type { Outages } from "@vigie/core/outages";
import type { PolicyDocument } from "@vigie/core/policy";
import { deadlinesOf } from "@vigie/core/session-deadlines";
import type { Clock } from "@vigie/core/time";
import type { DenialBook } from "./denial-book.ts";
import type {
  Found,
  OwnedSession,
  SessionStore,
  StoreAnswer,
  StoredSession,
} from "./session-store.ts";
import type { TopicEnds } from "./topic-ends.ts";
import type { SessionAnswer, SessionView } from "./view.ts";

export interface SessionViewParts {
  /** Asked in turn until one can vouch for its answer; a miss is believed of the last one only. */
  readonly stores: readonly SessionStore[];
  readonly book: DenialBook;
  /** Whether the book knows all that could deny a session of this user. */
  isBookCurrent(tenantId: string, userId: string): boolean;
  /** Of id.session.state. */
  readonly ends: Pick<TopicEnds, "isCurrent">;
  policyOf(tenantId: string): PolicyDocument;
  /** Of the partition in which a user lies. */
  outagesOf(partition: number): Outages;
  /** Null: not known, or nobody knows. */
  ownerOf(tenantId: string, sessionId: string): Promise<OwnedSession | null>;
  readonly clock: Clock;
}

const revoked: SessionAnswer = { kind: "ended", status: "REVOKED" };

/** Whether sessions live. An end holds whoever tells it; a life only if nobody who could deny it lags behind. */
export function createSessionView(parts: SessionViewParts): SessionView {
  const { stores, book, ends, clock } = parts;

  async function ask(
    name: SessionName,
  ): Promise<{ readonly found: Found; readonly partition: number }> {
    let why = "no store is configured";
    for (const store of stores) {
      let answer: StoreAnswer;
      try {
        answer = await store.find(name);
      } catch (error) {
        if (!(error instanceof VigError && error.retry)) throw error;
        why = error.message;
        continue;
      }
      const { found, partition, appliedOffset } = answer;
      if (found.kind === "ended") return answer;
      const isCurrent = ends.isCurrent(partition, appliedOffset, store.lagMaxMs);
      if (!isCurrent) why = "the stores lag behind";
      else if (found.kind === "active" || store === stores.at(-1)) return answer;
    }
    throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why });
  }

  function judge(name: SessionName, session: StoredSession, partition: number): SessionAnswer {
    const { tenantId, userId } = name;
    // Asked after the store has answered: what came meanwhile counts.
    if ((book.revocationOf(name) ?? book.epochOver(session)) !== null) return revoked;
    const times = { ...session, absoluteCapMs: session.absoluteExpiresAtMs };
    const deadlines = deadlinesOf(times, parts.policyOf(tenantId), parts.outagesOf(partition));
    const { idleExpiresAtMs, absoluteExpiresAtMs } = deadlines;
    if (clock() >= absoluteExpiresAtMs) return { kind: "ended", status: "EXPIRED" };
    // While the broker is away a silence means nothing, either.
    if (!parts.isBookCurrent(tenantId, userId)) {
      throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "revocations cannot be followed" });
    }
    if (clock() >= idleExpiresAtMs) return { kind: "ended", status: "IDLE_EXPIRED" };
    return { kind: "live", session: { ...session, idleExpiresAtMs, absoluteExpiresAtMs } };
  }

  const view: SessionView = {
    async resolve(name) {
      if (book.revocationOf(name) !== null) return revoked;
      const { found, partition } = await ask(name);
      if (found.kind === "active") return judge(name, found.session, partition);
      return found.kind === "none" ? { kind: "unknown" } : found;
    },
    async resolveById(tenantId, sessionId) {
      const owned = await parts.ownerOf(tenantId, sessionId);
      if (owned === null) return { kind: "unknown" };
      return view.resolve(new SessionName(tenantId, owned.userId, owned.sessionId));
    },
    denialOf: (session) => book.denialOf(session),
  };
  return view;
}
