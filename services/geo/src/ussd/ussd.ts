import type { Provider } from "./providers/provider.ts";
import type { DialogueStore } from "./sessions/dialogue-store.ts";

/** What USSD needs besides what all features share. */
export interface UssdParts {
  /** Those that are configured. */
  readonly providers: readonly Provider[];
  readonly dialogues: DialogueStore;
  /** How long after a change of SIM nobody may set another PIN by phone. */
  readonly simHoldMs: number;
}
