import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import { type TopicTaker, taker } from "@vigie/service-kit/follow-topics";
import type { OpenedView } from "@vigie/service-kit/sessions/open-view";
import type { Outcomes } from "./outcomes.ts";

/**
 * Delivers what the topics of outcomes tell from now on. What was told while this edge was down is asked of
 * PostgreSQL by those who want to know.
 * REV-12: the book denies before anybody is told, so that what this edge has answered as done is so at its next answer.
 */
export const outcomeTakers = (
  { commands, epochs }: Outcomes,
  book: OpenedView["book"],
): readonly TopicTaker[] => [
  taker<SessionCommandResult>("id.session.command.result", (result) => {
    book.takeResult(result);
    commands.deliver(result.command_id, result);
  }),
  taker<SessionEpoch>("id.session.epoch", (epoch) => {
    book.takeEpoch(epoch);
    epochs.deliver(epoch.epoch_id, epoch);
  }),
];
