import type { ProcessContext } from "@vigie/stream/processor";
import type { Known } from "#enrich/event";
import type { Habits } from "#state/habits";
import { type Population, populationOf } from "#state/population";
import type { Precision } from "#state/precision";
import type { OpenState } from "#state/user-state";
import type { Judge } from "./judge.ts";

/** What is known before an event. One object for all events, as the open state is. */
export class KnownBefore implements Known {
  private readonly judge: Judge;
  private readonly open: OpenState;
  private tenantId = "";
  private context: Pick<ProcessContext, "aggregate"> = { aggregate: () => null };

  constructor(judge: Judge, open: OpenState) {
    this.judge = judge;
    this.open = open;
  }

  /** Before an event of a user of this tenant, whose state is open. */
  of(tenantId: string, context: Pick<ProcessContext, "aggregate">): this {
    this.tenantId = tenantId;
    this.context = context;
    return this;
  }

  get precision(): Precision {
    return this.judge.precisionOf(this.open);
  }

  habits(): Habits {
    return this.judge.habitsOf(this.open);
  }

  population(): Population {
    return populationOf(this.tenantId, this.context);
  }
}
