import { countryRadiusKm } from "@vigie/geoip/countries";
import { placeAt } from "@vigie/geoip/place";
import {
  ABIDJAN,
  addressOf,
  DAKAR,
  dailyLogins,
  type Example,
  given,
  heartbeat,
  inData,
  LAGOS,
  login,
  mfaSuccess,
  PARIS,
  THIES,
  uuidOf,
} from "./example.ts";

const dakar = { position: DAKAR, sessionId: "s-dakar" };
const paris = { position: PARIS, sessionId: "s-paris" };
const from = login("10:00", dakar);

const TAMBACOUNDA = placeAt({ lat: 13.7707, lon: -13.6673 }, 150, "SN", "Tambacounda", 1);
const SENEGAL = placeAt({ lat: 14.5, lon: -14.45 }, countryRadiusKm("SN"), "SN", "", 1);
const orange = addressOf({ asn: 8_346, organisation: "SONATEL-AS", country: "SN" });
const expresso = addressOf({ asn: 37_196, organisation: "SUDATEL-SENEGAL", country: "SN" });

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
          distance_km: "4197",
          speed_kmh: "8395",
          min_speed_kmh: "7543",
          elapsed_s: "1800",
          limit_kmh: "900",
          from_country: "SN",
          to_country: "FR",
          from_city: "Dakar",
          to_city: "Paris",
        },
        says: "with 15530 s or more between the two it would not have exceeded the limit of 900 km/h",
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
    name: "ANO-03: the positions of the requirement",
    given: [login("10:00", { position: placeAt({ lat: 14.69, lon: -17.44 }, 0, "SN", "Dakar") })],
    when: login("10:30", { position: placeAt({ lat: 48.85, lon: 2.35 }, 0, "FR", "Paris") }),
    finds: [{ evidence: { distance_km: "4198", speed_kmh: "8397" } }],
  },
  {
    name: "five hours are enough for the flight",
    given: [from],
    when: login("15:00", paris),
    finds: [],
  },
  {
    name: "Abidjan to Paris in six hours and a half is a flight",
    given: [login("10:00", { position: ABIDJAN })],
    when: login("16:30", paris),
    finds: [],
  },
  {
    name: "Lagos to Paris in 6.3 hours is a flight",
    given: [login("10:00", { position: LAGOS })],
    when: login("16:18", paris),
    finds: [],
  },
  {
    name: "at the same moment, with no skew allowed for, the speed is a number",
    given: [from],
    when: login("10:00", { ...paris, id: uuidOf("at once") }),
    policy: { impossible_travel: { skew_s: 0 } },
    finds: [{ evidence: { elapsed_s: "0", min_speed_kmh: "14030888" } }],
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
    finds: [{ evidence: { elapsed_s: "0", speed_kmh: "15110888" } }],
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
    name: "two mobile logins in Senegal minutes apart, one at the country's centre, are one place",
    given: [login("10:00", { position: DAKAR, address: orange })],
    when: login("10:04", { position: SENEGAL, address: expresso }),
    finds: [],
  },
  {
    name: "a carrier's addresses are placed all over its country: one mobile phone does not jump",
    given: [login("10:00", { position: DAKAR, address: orange })],
    when: login("10:03", { position: TAMBACOUNDA, address: orange }),
    finds: [],
  },
  {
    name: "another carrier is another network",
    given: [login("10:00", { position: DAKAR, address: orange })],
    when: login("10:03", { position: TAMBACOUNDA, address: expresso }),
    finds: [{}],
  },
  {
    name: "who is not on a mobile channel has no carrier",
    given: [login("10:00", { position: DAKAR, address: orange, channel: "WEB" })],
    when: login("10:03", { position: TAMBACOUNDA, address: orange }),
    finds: [{}],
  },
  {
    name: "two given positions have nothing to do with the network between",
    given: [login("10:00", { position: given(DAKAR), address: orange })],
    when: login("10:03", { position: given(TAMBACOUNDA), address: orange }),
    finds: [{}],
  },
  {
    name: "between positions of different data, what moved may be the data",
    given: [from],
    when: heartbeat("10:30", { ...paris, position: inData(PARIS, 2) }),
    finds: [],
  },
  {
    name: "nor does one that comes late travel between data, on either side",
    given: [from, heartbeat("11:00", { ...dakar, position: inData(DAKAR, 2) })],
    when: login("10:30", { ...paris, position: inData(PARIS, 3) }),
    finds: [],
  },
  {
    name: "the first trip by the new data alone is found",
    given: [from, heartbeat("10:30", { ...paris, position: inData(PARIS, 2) })],
    when: login("11:00", { ...dakar, position: inData(DAKAR, 2) }),
    finds: [{ causes: [uuidOf("heartbeat 10:30"), uuidOf("login_success 11:00")] }],
  },
  {
    name: "a given position is judged whatever data the other is of",
    given: [from, login("10:30", { ...paris, position: given(PARIS) })],
    when: heartbeat("11:00", { ...dakar, position: inData(DAKAR, 2) }),
    finds: [{ causes: [uuidOf("login_success 10:30"), uuidOf("heartbeat 11:00")] }],
  },
  {
    name: "and so is one that comes after it",
    given: [from],
    when: login("10:30", { ...paris, position: given(PARIS) }),
    finds: [{ causes: [from.id, uuidOf("login_success 10:30")] }],
  },
  {
    name: "one carrier in two countries is no excuse",
    given: [login("10:00", { position: DAKAR, address: orange })],
    when: login("10:30", { position: PARIS, address: orange }),
    finds: [{}],
  },
  {
    name: "between two places that the user is often at, nothing is found",
    given: [
      ...dailyLogins({ days: 7 }, dakar),
      ...dailyLogins({ days: 3, from: 7 }, paris),
      login("240:00", dakar),
    ],
    when: login("240:30", paris),
    finds: [],
  },
  {
    name: "back from a place that is none of the usual ones fires too",
    given: [...dailyLogins({ days: 11 }, dakar), login("297:00", paris)],
    when: login("297:30", dakar),
    finds: [{ evidence: { from_city: "Paris", to_city: "Dakar" } }],
  },
  {
    name: "one visit makes no habit",
    given: [
      ...dailyLogins({ days: 11 }, dakar),
      ...dailyLogins({ days: 1, from: 11 }, paris),
      login("297:00", dakar),
    ],
    when: login("297:30", paris),
    finds: [{}],
  },
  {
    name: "of a user of a few days and logins nothing is usual",
    given: [
      ...dailyLogins({ days: 3 }, dakar),
      ...dailyLogins({ days: 3, from: 3 }, paris),
      login("153:00", dakar),
    ],
    when: login("153:30", paris),
    finds: [{}],
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
