import { at, type Example, mfaChallenge, mfaFailure, mfaSuccess } from "./example.ts";
import type { EnrichedEvent } from "./rule.ts";

const seconds = (...list: readonly number[]): readonly EnrichedEvent[] =>
  list.map((second) => mfaChallenge(`10:00:${second}`));
const ids = (events: readonly EnrichedEvent[]): readonly string[] => events.map(({ id }) => id);
const four = seconds(0, 60, 120, 180);

export const examples: readonly Example[] = [
  {
    name: "the fifth challenge within ten minutes fires",
    given: four,
    when: mfaChallenge("10:00:240", { sessionId: "s-1" }),
    finds: [
      {
        sessionId: "s-1",
        causes: ids(seconds(0, 60, 120, 180, 240)),
        occurredAtMs: at("10:04"),
        evidence: { challenges: "5", elapsed_s: "240", window_s: "600", limit: "5" },
        says: "with fewer than 5, or 600 s or more from the first to the last",
      },
    ],
  },
  { name: "four are a slow network", given: four.slice(1), when: mfaChallenge("10:04"), finds: [] },
  {
    name: "a moment less than ten minutes is, and is not told as ten",
    given: four,
    when: mfaChallenge("10:09:59.9"),
    finds: [{ evidence: { elapsed_s: "599" } }],
  },
  {
    name: "ten minutes from the first to the last are not within them",
    given: four,
    when: mfaChallenge("10:10"),
    finds: [],
  },
  {
    name: "a late challenge completes the window that it falls in",
    given: seconds(0, 60, 180, 240),
    when: mfaChallenge("10:00:120"),
    finds: [{ occurredAtMs: at("10:04") }],
  },
  {
    name: "one alert a window: the next ones of it are quiet",
    given: [...four, ...seconds(240, 250, 260, 270)],
    when: mfaChallenge("10:00:280"),
    finds: [],
  },
  {
    name: "the next alert counts only challenges later than the last one's newest",
    given: [...four, ...seconds(240, 250, 260, 270, 280)],
    when: mfaChallenge("10:00:290"),
    finds: [{ causes: ids(seconds(250, 260, 270, 280, 290)) }],
  },
  {
    name: "answers are no challenges, right or wrong",
    given: [...four, mfaFailure("10:03:10")],
    when: mfaSuccess("10:03:20"),
    finds: [],
  },
  {
    name: "the numbers are the policy's",
    given: seconds(0, 60),
    when: mfaChallenge("10:00:119"),
    policy: { mfa_fatigue: { challenge_count: 3, window_minutes: 2 } },
    finds: [{ evidence: { limit: "3", window_s: "120" } }],
  },
];
