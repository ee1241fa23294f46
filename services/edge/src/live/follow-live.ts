import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { type TopicTaker, taker } from "../follow-topics.ts";
import type { ExcessLogins } from "../ingest/excess-logins.ts";
import { everybodyOf } from "./event.ts";
import type { Hub } from "./hub.ts";

/** What this edge hears for all of its streams; anomalies also say whose logins are to be slowed. */
export const liveTakers = (hub: Hub, excess: ExcessLogins): readonly TopicTaker[] => {
  const wants = (key: string): boolean => hub.wants(key);
  return [
    taker<SessionState>(
      "id.session.state",
      (value) => hub.publish({ kind: "session", value }),
      wants,
    ),
    taker<SessionAnomaly>("id.session.anomaly", (value) => {
      excess.note(value);
      hub.publish({ kind: "anomaly", value });
    }),
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
