import { isDeepStrictEqual } from "node:util";
import { gsmLength, SCREEN_CHARS_MAX } from "../machine/gsm7.ts";
import type {
  Ask,
  Facts,
  Outcomes,
  RequestKind,
  Requests,
  Screen,
  State,
  Step,
} from "../machine/types.ts";

/** The machine, or a copy with a fault. */
export interface Machine {
  open(facts: Facts): Step;
  step(state: State, input: string): Step;
  hangUp(state: State): Step;
}

type ByKind<T extends { readonly kind: string }> = {
  readonly [K in T["kind"]]: readonly Omit<Extract<T, { readonly kind: K }>, "kind">[];
};

/** What the PIN is named that a right PIN or code is of. */
const PROVEN = "a-proven-pin";

const plain = [{}];
/** Every outcome of every request, none left out, with the numbers that make the widest screens. */
const outcomes: { readonly [K in RequestKind]: ByKind<Outcomes[K]> } = {
  checkPin: {
    ok: [{ proven: PROVEN }],
    wrong: [{ triesLeft: 4 }, { triesLeft: 0 }],
    locked: [{ minutes: 99_999 }],
    none: plain,
    unavailable: plain,
  },
  checkCode: {
    ok: [{ proven: PROVEN }],
    wrong: [{ triesLeft: 2 }, { triesLeft: 0 }],
    held: [{ hours: 999 }],
    unavailable: plain,
  },
  markPin: { ok: [{ mark: "a-mark" }], unavailable: plain },
  setPin: {
    ok: plain,
    differs: plain,
    changed: plain,
    held: [{ hours: 999 }],
    none: plain,
    unavailable: plain,
  },
  infos: {
    ok: [
      { infos: { country: "SN", currency: "XOF", phoneEnding: "67", linkedOn: "2026-01-05" } },
      { infos: { country: null, currency: null, phoneEnding: "67", linkedOn: "2026-01-05" } },
    ],
    none: plain,
    unavailable: plain,
  },
  setLanguage: { ok: plain, unavailable: plain },
  logout: { ok: plain },
};

const outcomesOf = <K extends RequestKind>(kind: K): readonly Outcomes[K][] =>
  Object.entries<readonly object[]>(outcomes[kind]).flatMap(([name, list]) =>
    list.map((rest) => ({ kind: name, ...rest }) as Outcomes[K]),
  );

/** PINs and codes that occur nowhere else, so that a trace of them is found. */
export const SECRETS = ["8305", "83052", "830529", "73910586"];
export const WEAK_PINS = ["1234", "9876", "0000", "1212", "123123"];
const GARBAGE = [
  ..."0123456789*#",
  ..." \n\u0000éç😀",
  "",
  "00",
  " 0 ",
  "01",
  "-1",
  "1.0",
  "١",
  "un",
  "__proto__",
  "constructor",
  "83",
  "8305294",
  "739105867",
  "8305 ",
  "zq".repeat(5_000),
];
export const INPUTS: readonly string[] = [...SECRETS, ...WEAK_PINS, ...GARBAGE];

const both = [true, false];
const openings: readonly Facts[] = (["fr", "en"] as const).flatMap((language) =>
  both.flatMap((isLinked) =>
    both.flatMap((hasPin) =>
      [null, "+221 33 123 45 67 89"].map((supportPhone) => ({
        language,
        link: isLinked ? "a-link" : null,
        hasPin: isLinked && hasPin,
        supportPhone,
      })),
    ),
  ),
);

/** What one input may end in: a screen, with what was asked and answered before. */
export interface Ending {
  readonly state: State;
  readonly screen: Screen;
  readonly asked: readonly Asked[];
}
type Asked = {
  readonly [K in RequestKind]: {
    readonly kind: K;
    readonly request: Requests[K];
    readonly outcome: Outcomes[K];
  };
}[RequestKind];

/** Every way to end a step, by every outcome of what it asks. */
export function endings(taken: Step, asked: readonly Asked[] = []): readonly Ending[] {
  if (taken.kind === "screen") return [{ state: taken.state, screen: taken.screen, asked }];
  return branches(taken).flatMap(([next, one]) => endings(next, [...asked, one]));
}

function branches<K extends RequestKind>(ask: Ask<K>): readonly (readonly [Step, Asked])[] {
  const { kind, request } = ask;
  return outcomesOf<K>(ask.kind).map((outcome) => [
    ask.next(outcome),
    { kind, request, outcome } as Asked,
  ]);
}

/** Where one input leads. `before` is null at the opening; `input` null: the caller hung up. */
export interface Edge extends Ending {
  readonly before: State | null;
  readonly input: string | null;
}

export interface Exploration {
  readonly states: ReadonlyMap<string, State>;
  readonly edges: readonly Edge[];
}

/** Every state that can be reached, and every edge between them. Throws: what the machine throws. */
export function explore(machine: Machine): Exploration {
  const states = new Map<string, State>();
  const edges: Edge[] = [];
  const open: State[] = [];
  const add = (before: State | null, input: string | null, taken: Step): void => {
    for (const ending of endings(taken)) {
      edges.push({ before, input, ...ending });
      const name = JSON.stringify(ending.state);
      if (states.has(name)) continue;
      states.set(name, ending.state);
      open.push(ending.state);
    }
  };
  for (const facts of openings) add(null, "", machine.open(facts));
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const input of INPUTS) add(state, input, machine.step(state, input));
    add(state, null, machine.hangUp(state));
  }
  return { states, edges };
}

/** How often 0 is pressed at most until everybody is out. */
const WAY_OUT_MAX = 3;

/** What must hold on every edge. */
export const rules: Readonly<Record<string, (edge: Edge, machine: Machine) => boolean>> = {
  "a screen fits every phone": ({ screen }) => {
    const length = gsmLength(screen.text);
    return length !== null && length <= SCREEN_CHARS_MAX && screen.text.trim() !== "";
  },
  "nothing that was typed is in a state or a screen": ({ state, screen }) => {
    const seen = JSON.stringify([state, screen]);
    return ![...SECRETS, "zqzq", "__proto__", "😀"].some((typed) => seen.includes(typed));
  },
  "a state is JSON": ({ state }) => isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state),
  "an END ends, a CON goes on": ({ state, screen }) =>
    (screen.kind === "END") === (state.place.at === "ended"),
  "0 leads out": ({ state }, machine) => leadsOut(machine, state, WAY_OUT_MAX),
  "only a right PIN signs in": ({ before, state, asked }) =>
    !state.signedIn ||
    before?.signedIn === true ||
    asked.some(({ kind, outcome }) => kind === "checkPin" && outcome.kind === "ok"),
  "who signed in is signed out at the end": ({ before, state, asked }) =>
    before?.signedIn !== true ||
    state.place.at !== "ended" ||
    asked.some(({ kind }) => kind === "logout"),
  "who did not sign in sees nothing": ({ state, screen }) =>
    screen.name !== "infos" || state.signedIn,
  "a new PIN needs a right PIN or code": ({ before, state, asked }) => {
    if (state.place.at !== "newPin") return true;
    const wasProven = before?.place.at === "newPin" || before?.place.at === "repeatPin";
    if (wasProven && asked.every(({ outcome }) => outcome.kind !== "changed")) return true;
    const proof = state.place.proof.by === "pin" ? "checkPin" : "checkCode";
    return asked.some(({ kind, outcome }) => kind === proof && outcome.kind === "ok");
  },
  "a PIN is typed twice before it is set": ({ before, asked }) =>
    before?.place.at === "repeatPin" || asked.every(({ kind }) => kind !== "setPin"),
  "a PIN is set in place of the one that was proven": ({ asked }) =>
    asked.every((one) => one.kind !== "setPin" || one.request.proof.proven === PROVEN),
  "no PIN that everybody tries is set": ({ asked }) =>
    asked.every((one) => one.kind !== "markPin" || !WEAK_PINS.includes(one.request.pin)),
  "no phone without a link is asked for a PIN": ({ state, asked }) =>
    state.link !== null || asked.every(({ kind }) => kind === "setLanguage"),
};

function leadsOut(machine: Machine, state: State, presses: number): boolean {
  if (state.place.at === "ended") return true;
  if (presses === 0) return false;
  return endings(machine.step(state, "0")).every((end) =>
    leadsOut(machine, end.state, presses - 1),
  );
}

/** Names of the rules that `machine` breaks, each with one edge that does. */
export function faultsOf(machine: Machine): ReadonlyMap<string, Edge> {
  const faults = new Map<string, Edge>();
  const { edges } = explore(machine);
  for (const [name, holds] of Object.entries(rules)) {
    const broken = edges.find((edge) => !holds(edge, machine));
    if (broken !== undefined) faults.set(name, broken);
  }
  return faults;
}
