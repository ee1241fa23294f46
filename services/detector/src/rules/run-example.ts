import { Reader, Writer } from "@vigie/core/bytes";
import { defaultPolicy, overlayPolicy } from "@vigie/core/policy";
import { Habits } from "#state/habits";
import type { Example } from "./example.ts";
import type { AnyRule, EnrichedEvent, Finding } from "./rule.ts";

/** The examples of a rule lie beside it: `<rule>.examples.ts`. */
export async function examplesOf({ meta }: AnyRule): Promise<readonly Example[]> {
  const file = meta.name.replaceAll("_", "-");
  const { examples } = (await import(`./${file}.examples.ts`)) as { examples: readonly Example[] };
  return examples;
}

/** What the rule finds in an example's last event; `stored`: the state passes through its bytes after every event. */
export function runExample(rule: AnyRule, example: Example, stored = true): readonly Finding[] {
  const policy = overlayPolicy(defaultPolicy, example.policy ?? {});
  let state: unknown = rule.initial;
  let habits = Habits.none;
  let findings: readonly Finding[] = [];
  for (const event of [...example.given, example.when]) {
    const known: EnrichedEvent = { ...event, habits };
    if (event.kind === "login_success") habits = habits.after(event);
    findings = [];
    if (!rule.meta.events.includes(event.kind)) continue;
    ({ state, findings } = rule.step(state, known, policy));
    if (stored) state = throughBytes(rule, state);
  }
  return findings;
}

function throughBytes(rule: AnyRule, state: unknown): unknown {
  const writer = new Writer();
  rule.write(writer, state);
  const bytes = writer.finish();
  return rule.read(new Reader(bytes, 0, bytes.length));
}
