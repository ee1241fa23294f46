import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import { OutcomeBook } from "./outcome-book.ts";

/** What every edge hears of the commands of all edges. */
export interface Outcomes {
  /** By command_id. */
  readonly commands: OutcomeBook<SessionCommandResult>;
  /** By epoch_id. */
  readonly epochs: OutcomeBook<SessionEpoch>;
}

export const createOutcomes = (): Outcomes => ({
  commands: new OutcomeBook(),
  epochs: new OutcomeBook(),
});
