import type { PolicyOverlay } from "@vigie/core/policy";
import { at, type Expected, uuidOf } from "#rules/example";
import { type Try, userHash } from "./try.ts";

/** A worked example: what comes from one address, in the order of arrival. */
export interface SprayExample {
  readonly name: string;
  readonly given: readonly Try[];
  readonly when: Try;
  readonly policy?: PolicyOverlay;
  readonly finds: readonly Expected[];
}

export const failed = (user: string, clock: string): Try => ({
  user: userHash(`acme|${user}`),
  mark: 0,
  atMs: at(clock),
  eventId: uuidOf(`${user} ${clock}`),
  letIn: null,
});

export const letIn = (user: string, clock: string, sessionId: string | null = "s-1"): Try => ({
  ...failed(user, clock),
  letIn: { userId: user, sessionId, channel: "WEB", roles: [] },
});

const idOf = ({ eventId }: Try): string => eventId.toString();

/** Users 1.. fail, one a minute from 10:00 on. */
const fails = (count: number): readonly Try[] =>
  Array.from({ length: count }, (_, n) => failed(`u-${n + 1}`, `10:${n}`));
const succeed = (count: number): readonly Try[] =>
  Array.from({ length: count }, (_, n) => letIn(`v-${n + 1}`, `10:${n}:30`));

export const examples: readonly SprayExample[] = [
  {
    name: "four users who fail are no spray",
    given: fails(3),
    when: failed("u-4", "10:3"),
    finds: [],
  },
  {
    name: "the fifth within 20 minutes fires, on the address",
    given: fails(4),
    when: failed("u-5", "10:19:59"),
    finds: [
      {
        causes: [...fails(4), failed("u-5", "10:19:59")].map(idOf),
        sessionId: null,
        occurredAtMs: at("10:19:59"),
        evidence: {
          users_failed: "5",
          users_succeeded: "0",
          elapsed_s: "1199",
          window_s: "1200",
          limit: "5",
        },
        says: "with fewer than 5 users failing within 1200 s",
      },
    ],
  },
  {
    name: "20 minutes from the first to the last is not within them",
    given: fails(4),
    when: failed("u-5", "10:20"),
    finds: [],
  },
  {
    name: "one user who fails again and again is brute force, not a spray",
    given: [...fails(1), ...fails(4).map(({ atMs }) => ({ ...failed("u-1", "10:0"), atMs }))],
    when: failed("u-1", "10:5"),
    finds: [],
  },
  {
    name: "as many users who succeed as fail: people behind one address",
    given: [...succeed(5), ...fails(4)],
    when: failed("u-5", "10:5"),
    finds: [],
  },
  {
    name: "more who fail than succeed",
    given: [...succeed(4), ...fails(4)],
    when: failed("u-5", "10:5"),
    finds: [{ evidence: { users_succeeded: "4" } }],
  },
  {
    name: "successes outside the window do not excuse it",
    given: [...succeed(5).map((each) => ({ ...each, atMs: at("9:59") })), ...fails(4)],
    when: failed("u-5", "10:5"),
    finds: [{ evidence: { users_succeeded: "0" } }],
  },
  {
    name: "one alert a window, however many fail in it",
    given: fails(9),
    when: failed("u-10", "10:9"),
    finds: [],
  },
  {
    name: "the next window is told of again",
    given: [
      ...fails(5),
      ...[21, 22, 23, 24].map((minute) => failed(`x-${minute}`, `10:${minute}`)),
    ],
    when: failed("x-25", "10:25"),
    finds: [{ occurredAtMs: at("10:25") }],
  },
  {
    name: "a late failure completes the window that it falls in",
    given: [...fails(3), failed("u-5", "10:18")],
    when: failed("u-4", "10:3"),
    finds: [{ occurredAtMs: at("10:18"), evidence: { elapsed_s: "1080" } }],
  },
  {
    name: "the same failure twice counts once",
    given: fails(4),
    when: failed("u-4", "10:3"),
    finds: [],
  },
  {
    name: "who is let in afterwards is told of, with the session",
    given: fails(5),
    when: letIn("u-9", "10:6", "s-9"),
    finds: [
      {
        causes: [idOf(failed("u-1", "10:0")), idOf(letIn("u-9", "10:6"))],
        sessionId: "s-9",
        occurredAtMs: at("10:6"),
        evidence: { users_failed: "5", since_s: "120", window_s: "1200" },
        says: "from another address, or 1200 s or more after them",
      },
    ],
  },
  {
    name: "also one of those who failed",
    given: fails(5),
    when: letIn("u-3", "10:5"),
    finds: [{ sessionId: "s-1" }],
  },
  {
    name: "once a user and alert",
    given: [...fails(5), letIn("u-3", "10:5", "s-3")],
    when: letIn("u-3", "10:9", "s-4"),
    finds: [],
  },
  {
    name: "each of several users",
    given: [...fails(5), letIn("u-3", "10:5")],
    when: letIn("u-4", "10:6", "s-4"),
    finds: [{ sessionId: "s-4" }],
  },
  {
    name: "who was let in before the fifth failure is not, though the record comes late",
    given: fails(5),
    when: letIn("u-9", "10:3:59"),
    finds: [],
  },
  {
    name: "nor who comes 20 minutes after the last failure of the alert",
    given: fails(5),
    when: letIn("u-9", "10:24"),
    finds: [],
  },
  {
    name: "the count of users is the policy's",
    given: fails(2),
    when: failed("u-3", "10:2"),
    policy: { credential_spray: { user_count: 3 } },
    finds: [{ evidence: { limit: "3" } }],
  },
  {
    name: "and so is the window",
    given: fails(4),
    when: failed("u-5", "10:4"),
    policy: { credential_spray: { window_minutes: 4 } },
    finds: [],
  },
];
