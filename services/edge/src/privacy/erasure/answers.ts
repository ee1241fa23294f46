import { type Static, Type } from "typebox";
import { type ErasureFacts, isUnderWay } from "./erasure-book.ts";
import { clearAtMs, expectedParts, retainedOf } from "./parts.ts";

const time = (description: string) => Type.String({ format: "date-time", description });

export const erasureSchema = Type.Object(
  {
    erasure_id: Type.String(),
    requested_at: time("what happened up to here is erased"),
    status: Type.String({ description: "under_way, or done: every part has told so" }),
    parts: Type.Array(
      Type.Object({
        part: Type.String(),
        status: Type.String({ description: "pending, done" }),
        done_at: Type.Union([Type.String({ format: "date-time" }), Type.Null()]),
      }),
    ),
    follows: Type.Array(Type.String(), {
      description: "parts that follow another one and do not tell by themselves",
    }),
    retained: Type.Array(
      Type.Object({
        where: Type.Array(Type.String()),
        why: Type.String(),
        until: Type.Union([Type.String({ format: "date-time" }), Type.Null()], {
          description: "null: no end",
        }),
      }),
      { description: "what goes by itself, and what stays" },
    ),
    clear_at: time("the last of these ends has passed"),
  },
  { description: "how far an erasure is" },
);

const iso = (ms: number): string => new Date(ms).toISOString();

export function erasureAnswer(facts: ErasureFacts): Static<typeof erasureSchema> {
  const { erasureId, requestedAtMs, doneAtMs } = facts;
  return {
    erasure_id: erasureId,
    requested_at: iso(requestedAtMs),
    status: isUnderWay(facts) ? "under_way" : "done",
    parts: expectedParts.map((part) => {
      const atMs = doneAtMs.get(part);
      return atMs === undefined
        ? { part, status: "pending", done_at: null }
        : { part, status: "done", done_at: iso(atMs) };
    }),
    follows: ["session-cache: sessions"],
    retained: retainedOf(requestedAtMs).map(({ where, why, untilMs }) => ({
      where: [...where],
      why,
      until: untilMs === null ? null : iso(untilMs),
    })),
    clear_at: iso(clearAtMs(requestedAtMs)),
  };
}
