import type { SessionAnomaly } from "@vigie/schemas/types";
import { uuidOf } from "../anomaly.ts";

/** What withdraws an anomaly. Its id follows from the anomaly's, so that whoever withdraws it withdraws it once. */
export const retractionOf = (anomaly: SessionAnomaly, nowMs: number): SessionAnomaly => ({
  ...anomaly,
  anomaly_id: uuidOf(["retraction", anomaly.anomaly_id]),
  risk_score: 0,
  action: "LOG_ONLY",
  detected_at: nowMs,
  evidence: {},
  explanation: "Newer data on addresses contradicts what the anomaly was found by.",
  retracts: anomaly.anomaly_id,
});
