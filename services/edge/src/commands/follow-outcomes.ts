import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import { type TopicTaker, taker } from "@vigie/service-kit/follow-topics";
import type { Outcomes } from "./outcomes.ts";

/**
 * Delivers what the topics of outcomes tell from now on. What was told while this edge was down is asked of
 * PostgreSQL by those who want to know.
 */
export const outcomeTakers = ({ commands, epochs, denied }: Outcomes): readonly TopicTaker[] => [
  taker<SessionCommandResult>("id.session.command.result", (result) => {
    denied.takeResult(result);
    commands.deliver(result.command_id, result);
  }),
  taker<SessionEpoch>("id.session.epoch", (epoch) => {
    denied.takeEpoch(epoch);
    epochs.deliver(epoch.epoch_id, epoch);
  }),
];
