import { placeAt } from "#enrich/place";
import {
  DAKAR,
  type Example,
  heartbeat,
  login,
  mfaSuccess,
  PARIS,
  THIES,
  uuidOf,
} from "./example.ts";

const dakar = { position: DAKAR, sessionId: "s-dakar" };
const paris = { position: PARIS, sessionId: "s-paris" };
const from = login("10:00", dakar);

/** 1,000 km north of the equator's crossing with the Greenwich meridian, with no uncertainty of its own. */
const ORIGIN = placeAt({ lat: 0.02, lon: 0.02 }, 0, "GH", "");
const NORTH_1000_KM = placeAt({ lat: 9.012, lon: 0.02 }, 0, "GH", "");

export const examples: readonly Example[] = [
  {
    name: "ANO-03: Dakar at 10:00, Paris at 10:30 fires, with the distance and the speed of the reference case",
    given: [from],
    when: login("10:30", paris),
    finds: [
      {
        causes: [from.id, uuidOf("login_success 10:30")],
        occurredAtMs: login("10:30").atMs,
        sessionId: "s-paris",
        evidence: {
          distance_km: "4204",
          speed_kmh: "8408",
          min_speed_kmh: "7556",
          elapsed_s: "1800",
          limit_kmh: "900",
          from_country: "SN",
          to_country: "FR",
          from_city: "Dakar",
          to_city: "Paris",
        },
        says: "with 15557 s or more between the two it would not have exceeded the limit of 900 km/h",
      },
    ],
  },
  {
    name: "delivered in reverse order, it still fires, in the order of the events and on the later one's session",
    given: [login("10:30", paris)],
    when: from,
    finds: [
      {
        causes: [from.id, uuidOf("login_success 10:30")],
        occurredAtMs: login("10:30").atMs,
        sessionId: "s-paris",
      },
    ],
  },
  {
    name: "a late event is compared with both neighbours in time",
    given: [from, heartbeat("11:00", dakar)],
    when: login("10:30", paris),
    finds: [
      { causes: [from.id, uuidOf("login_success 10:30")] },
      { causes: [uuidOf("login_success 10:30"), uuidOf("heartbeat 11:00")] },
    ],
  },
  {
    name: "what a late event splits is not found twice",
    given: [from, login("10:30", paris)],
    when: heartbeat("10:15", dakar),
    finds: [{ causes: [uuidOf("heartbeat 10:15"), uuidOf("login_success 10:30")] }],
  },
  {
    name: "five hours are enough for the flight",
    given: [from],
    when: login("15:00", paris),
    finds: [],
  },
  {
    name: "CNF-01: a limit of 800 km/h finds a flight that 900 km/h allows",
    given: [from],
    when: login("14:30", paris),
    policy: { impossible_travel: { kmh_threshold: 800 } },
    finds: [{ evidence: { limit_kmh: "800" } }],
  },
  {
    name: "the same flight under the default limit",
    given: [from],
    when: login("14:30", paris),
    finds: [],
  },
  {
    name: "two addresses of one region are within their uncertainty",
    given: [from],
    when: login("10:00:01", { position: THIES }),
    finds: [],
  },
  {
    name: "events of the same instant: the raw speed is reckoned over one second",
    given: [from],
    when: heartbeat("10:00", paris),
    finds: [{ evidence: { elapsed_s: "0", speed_kmh: "15134433" } }],
  },
  {
    name: "1,000 km in 66 min is above 900 km/h but for the minute that clocks may differ",
    given: [heartbeat("10:00", { position: ORIGIN })],
    when: heartbeat("11:06", { position: NORTH_1000_KM }),
    finds: [],
  },
  {
    name: "1,000 km in 65 min is above 900 km/h",
    given: [heartbeat("10:00", { position: ORIGIN })],
    when: heartbeat("11:05", { position: NORTH_1000_KM }),
    finds: [{}],
  },
  {
    name: "a second factor given is a position too",
    given: [from],
    when: mfaSuccess("10:30", paris),
    finds: [{}],
  },
  {
    name: "an event without a position changes nothing",
    given: [from, login("10:10")],
    when: login("10:30", paris),
    finds: [{ causes: [from.id, uuidOf("login_success 10:30")] }],
  },
  {
    name: "a heartbeat that comes twice is no second finding",
    given: [from, heartbeat("10:30", paris)],
    when: heartbeat("10:30", paris),
    finds: [],
  },
  {
    name: "a stay of many heartbeats does not push out what came before it",
    given: [
      from,
      ...Array.from({ length: 50 }, (_, i) =>
        heartbeat(`20:${10 + Math.floor(i / 2)}:${(i % 2) * 30}`, paris),
      ),
    ],
    when: login("10:30", paris),
    finds: [{ causes: [from.id, uuidOf("login_success 10:30")] }],
  },
];
