import assert from "node:assert/strict";
import { test } from "vitest";
import {
  type Edge,
  explore,
  faultsOf,
  INPUTS,
  type Machine,
  rules,
  WEAK_PINS,
} from "../testing/explore.ts";
import * as machine from "./machine.ts";
import type { State, Step } from "./types.ts";

const { states, edges } = explore(machine);

test("every input in every state, with every outcome, keeps every rule", () => {
  assert.deepEqual([...faultsOf(machine)], []);
});

test("every place and every screen is reached, in both languages", () => {
  const places = new Set([...states.values()].map(({ place }) => place.at));
  assert.deepEqual([...places].sort(), [
    "account",
    "code",
    "ended",
    "language",
    "main",
    "newPin",
    "notice",
    "pin",
    "repeatPin",
  ]);
  const named = new Set(edges.map(({ screen }) => `${screen.language} ${screen.name}`));
  assert.equal(named.size, 2 * 10);
  assert.ok(edges.length > INPUTS.length * states.size);
});

test("whatever is typed at an end, it stays the end", () => {
  const after = edges.filter(({ before }) => before?.place.at === "ended");
  assert.ok(after.length > 0);
  for (const { state, asked } of after) {
    assert.equal(state.place.at, "ended");
    assert.deepEqual(asked, []);
  }
});

test("garbage asks for nothing and leaves the place as it is, but for notices", () => {
  const places = (edge: Edge) => [edge.before?.place, edge.state.place];
  const garbage = edges.filter(({ input }) => input === "" || input === "un" || input === "00");
  for (const edge of garbage.filter(({ before }) => before && before.place.at !== "notice")) {
    const [before, after] = places(edge);
    assert.deepEqual(after, before);
    assert.deepEqual(edge.asked, []);
  }
});

type Shown = Extract<Step, { kind: "screen" }>;

/** `taken` with what each of its screens is made into. */
function onScreens(taken: Step, edit: (shown: Shown) => Step): Step {
  if (taken.kind === "screen") return edit(taken);
  const next = (outcome: never): Step => onScreens(taken.next(outcome), edit);
  return { ...taken, next } as Step;
}

const withText = (shown: Shown, text: string): Step => ({
  ...shown,
  screen: { ...shown.screen, text },
});

const withState = (shown: Shown, state: object): Step => ({
  ...shown,
  state: { ...shown.state, ...state },
});

/** The machine with a fault in its steps. */
const faulty = (step: (state: State, input: string) => Step): Machine => ({ ...machine, step });

const unless = (wrong: (state: State, input: string) => Step | null): Machine =>
  faulty((state, input) => wrong(state, input) ?? machine.step(state, input));

/** Takes every outcome of `kind` for `ok`. */
const believing = (kind: "checkPin" | "checkCode"): Machine =>
  faulty((state, input) => {
    const taken = machine.step(state, input);
    return taken.kind === kind ? ({ ...taken, next: () => taken.next(RIGHT) } as Step) : taken;
  });
const RIGHT = { kind: "ok", proven: "a-proven-pin" } as const;

const signedOutBy = (taken: Step): Step =>
  taken.kind === "logout" ? taken.next({ kind: "ok" }) : taken;

/** One fault for each rule, which that rule must find. */
const planted: Readonly<Record<string, Machine>> = {
  "a screen fits every phone": faulty((state, input) =>
    onScreens(machine.step(state, input), (shown) =>
      withText(shown, shown.screen.text.replace("Francais", "Français")),
    ),
  ),
  "nothing that was typed is in a state or a screen": faulty((state, input) =>
    onScreens(machine.step(state, input), (shown) =>
      shown.state.place.at === "repeatPin"
        ? withState(shown, { place: { ...shown.state.place, mark: input } })
        : shown,
    ),
  ),
  "a state is JSON": faulty((state, input) =>
    onScreens(machine.step(state, input), (shown) => withState(shown, { seen: new Map() })),
  ),
  "an END ends, a CON goes on": faulty((state, input) =>
    onScreens(machine.step(state, input), (shown) =>
      shown.screen.name === "notice"
        ? { ...shown, screen: { ...shown.screen, kind: "END" } }
        : shown,
    ),
  ),
  "0 leads out": unless((state, input) =>
    state.place.at === "code" && input === "0" ? machine.step(state, "?") : null,
  ),
  "only a right PIN signs in": believing("checkPin"),
  "who signed in is signed out at the end": {
    ...machine,
    hangUp: (state) => signedOutBy(machine.hangUp(state)),
  },
  "who did not sign in sees nothing": unless((state, input) =>
    state.place.at === "account" && input === "2"
      ? onScreens(machine.step({ ...state, signedIn: true, hasPin: true }, input), (shown) =>
          withState(shown, { signedIn: false }),
        )
      : null,
  ),
  "a new PIN needs a right PIN or code": believing("checkCode"),
  "a PIN is typed twice before it is set": unless(({ place, ...state }, input) =>
    place.at === "newPin"
      ? machine.step({ ...state, place: { ...place, at: "repeatPin", mark: "a-mark" } }, input)
      : null,
  ),
  "a PIN is set in place of the one that was proven": faulty((state, input) => {
    const taken = machine.step(state, input);
    if (taken.kind !== "setPin") return taken;
    const proof = { ...taken.request.proof, proven: "whatever it is now" };
    return { ...taken, request: { ...taken.request, proof } };
  }),
  "no PIN that everybody tries is set": unless((state, input) => {
    const taken = WEAK_PINS.includes(input) ? machine.step(state, "8305") : null;
    return taken?.kind === "markPin" ? { ...taken, request: { pin: input } } : null;
  }),
  "no phone without a link is asked for a PIN": unless((state, input) =>
    state.place.at === "main" && input === "2" && state.link === null
      ? onScreens(machine.step({ ...state, link: "a-link" }, input), (shown) =>
          withState(shown, { link: null }),
        )
      : null,
  ),
};

test("each rule has a planted fault", () => {
  assert.deepEqual(Object.keys(planted).sort(), Object.keys(rules).sort());
});

test.each(Object.entries(planted))("a planted fault is found: not %s", (rule, broken) => {
  assert.ok(faultsOf(broken).has(rule));
});
