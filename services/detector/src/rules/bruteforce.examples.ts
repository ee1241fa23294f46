import { at, type Example, failedLogin, login, mfaFailure, mfaSuccess } from "./example.ts";
import type { EnrichedEvent } from "./rule.ts";

const minutes = (...list: readonly number[]): readonly EnrichedEvent[] =>
  list.map((minute) => mfaFailure(`10:${minute}`));
const ids = (events: readonly EnrichedEvent[]): readonly string[] => events.map(({ id }) => id);

const five = minutes(0, 4, 8, 12, 16);

export const examples: readonly Example[] = [
  {
    name: "ANO-07, CNF-13: five failures of the second factor within an hour are allowed",
    given: five.slice(0, 4),
    when: mfaFailure("10:16"),
    finds: [],
  },
  {
    name: "CNF-13: the sixth within an hour fires",
    given: five,
    when: mfaFailure("10:20"),
    finds: [
      {
        causes: ids(minutes(0, 4, 8, 12, 16, 20)),
        occurredAtMs: at("10:20"),
        evidence: { of: "mfa", failures: "6", elapsed_s: "1200", window_s: "3600", limit: "5" },
        says: "with at most 5 of them, or 3600 s or more from the first to the last",
      },
    ],
  },
  {
    name: "exactly an hour from the first to the last is not within it",
    given: five,
    when: mfaFailure("11:00"),
    finds: [],
  },
  {
    name: "a moment less than an hour is, and is not told as an hour",
    given: five,
    when: mfaFailure("10:59:59.9"),
    finds: [{ evidence: { elapsed_s: "3599" } }],
  },
  {
    name: "a success in between does not reset the count",
    given: [...five, mfaSuccess("10:17"), login("10:18")],
    when: mfaFailure("10:20"),
    finds: [{}],
  },
  {
    name: "one alert a window: the next ones of it are quiet",
    given: [...five, mfaFailure("10:20"), mfaFailure("10:21")],
    when: mfaFailure("10:22"),
    finds: [],
  },
  {
    name: "the next alert counts only failures later than the last one's newest",
    given: [...five, ...minutes(20, 21, 22, 23, 24, 25)],
    when: mfaFailure("10:26"),
    finds: [{ causes: ids(minutes(21, 22, 23, 24, 25, 26)) }],
  },
  {
    name: "a late failure completes the window that it falls in",
    given: minutes(0, 4, 12, 16, 20),
    when: mfaFailure("10:8"),
    finds: [{ causes: ids(minutes(0, 4, 8, 12, 16, 20)), occurredAtMs: at("10:20") }],
  },
  {
    name: "a late failure of a window already told of is not counted again",
    given: [...five, mfaFailure("10:20"), ...minutes(21, 22, 23, 24, 25)],
    when: mfaFailure("10:19"),
    finds: [],
  },
  {
    name: "the same event twice counts once",
    given: five,
    when: mfaFailure("10:16"),
    finds: [],
  },
  {
    name: "failed logins and failures of the second factor are counted apart",
    given: [...five.slice(0, 4), failedLogin("10:17")],
    when: failedLogin("10:18"),
    finds: [],
  },
  {
    name: "six failed logins fire too, and the evidence says which",
    given: [0, 1, 2, 3, 4].map((minute) => failedLogin(`10:0${minute}`)),
    when: failedLogin("10:05", { sessionId: null }),
    finds: [{ evidence: { of: "login" }, sessionId: null }],
  },
  {
    name: "CNF-13: the lockout count is configurable",
    given: [failedLogin("10:00"), failedLogin("10:01")],
    when: failedLogin("10:02"),
    policy: { max_failed_login_hour: { count: 2 } },
    finds: [{ evidence: { failures: "3", limit: "2" } }],
  },
];
