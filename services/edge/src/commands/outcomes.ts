import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import type { OpenedView } from "@vigie/service-kit/sessions/open-view";
import { OutcomeBook } from "./outcome-book.ts";

/** What every edge hears of the commands of all edges. */
export interface Outcomes {
  /** By command_id. */
  readonly commands: OutcomeBook<SessionCommandResult>;
  /** By epoch_id. */
  readonly epochs: OutcomeBook<SessionEpoch>;
  /**
   * REV-12: told before anybody else is, so that what this edge has answered as done is so at its next answer.
   */
  readonly denied: OpenedView["book"];
}

export const createOutcomes = (denied: OpenedView["book"]): Outcomes => ({
  denied,
  commands: new OutcomeBook(),
  epochs: new OutcomeBook(),
});
