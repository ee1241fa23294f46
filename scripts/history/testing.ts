import { unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import type { HistoryEvent } from "./minimise.ts";

const START_MS = Date.UTC(2026, 10, 20);
const uuidOf = (number: number, kind: number): string =>
  `${number.toString(16).padStart(8, "0")}-0000-4000-8000-00000000000${kind}`;

/** Logins of some users at home, one after another. */
export const someEvents = (count: number): readonly HistoryEvent[] =>
  Array.from({ length: count }, (_, i) => {
    const user = i % 500;
    const timestampMs = START_MS + i * 1_000;
    return {
      topic: "id.login",
      timestampMs,
      value: {
        event_id: uuidOf(i, 1),
        tenant_id: "acme",
        user_id: uuidOf(user, 2),
        occurred_at: timestampMs - 20,
        kind: "AUTH_SUCCESS",
        session_id: uuidOf(i, 3),
        channel: "MOBILE",
        roles: ["customer"],
        network: { ip: `1:2:3:4:5:6:7:${user.toString(16)}`, user_agent: "agent" },
        device: {
          device_id: uuidOf(user, 4),
          fingerprint: { similarity: null, signals: TextMap.of({ os: "android 1" }) },
        },
        location: null,
      },
      address: {
        ...unknownAddress,
        place: placeAt({ lat: 14.69, lon: -17.44 }, 150, "SN", "Dakar", 1),
        country: "SN",
        organisation: "Sonatel",
      },
      userAgent: {
        os: "Android",
        osVersion: "14",
        browser: "Chrome",
        browserVersion: "142",
        platform: "mobile",
      },
    };
  });
