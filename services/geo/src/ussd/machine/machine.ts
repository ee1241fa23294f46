import { assert } from "@vigie/core/assert";
import { bye, entry, menu, notice, wordsOf } from "./screens.ts";
import {
  type Entry,
  type Facts,
  type Menu,
  type Outcomes,
  PIN,
  type PinPurpose,
  type Proof,
  RESET_CODE,
  type State,
  type Step,
} from "./types.ts";
import { isWeakPin } from "./weak-pin.ts";

/** What a screen has room for and a phone can call. */
const SUPPORT_PHONE = /^[+0-9 *#]{1,20}$/;

/** A new dialogue: the main menu. Throws: VIG_INVARIANT for a support phone that no screen takes. */
export function open(facts: Facts): Step {
  const { language, link, hasPin, supportPhone } = facts;
  assert(supportPhone === null || SUPPORT_PHONE.test(supportPhone), "a support phone is short");
  const place = { at: "main" } as const;
  return menu({ language, link, hasPin, supportPhone, signedIn: false, place }, "main");
}

/** What one input leads to, whatever it is. */
export function step(state: State, input: string): Step {
  const { place } = state;
  const typed = input.trim();
  switch (place.at) {
    case "main":
    case "account":
    case "language": {
      const move = menus[place.at].get(typed);
      return move ? move(state) : menu(state, place.at, wordsOf(state).badChoice);
    }
    case "notice":
      return menu(state, place.back);
    case "ended":
      return bye(state);
    default:
      return typed === "0" ? menu(state, backOf(place)) : entered(state, place, typed);
  }
}

/** The caller is gone: nobody reads the screen, but who signed in is signed out. */
export function hangUp(state: State): Step {
  return bye(state);
}

type Move = (state: State) => Step;

const menus: Readonly<Record<Menu, ReadonlyMap<string, Move>>> = {
  main: new Map<string, Move>([
    ["1", (state) => menu(state, "account")],
    ["2", (state) => (state.link ? entry(state, { at: "code" }) : notLinked(state, "main"))],
    ["3", (state) => notice(state, "main", wordsOf(state).support(state.supportPhone))],
    ["4", (state) => menu(state, "language")],
    ["0", (state) => bye(state)],
  ]),
  account: new Map<string, Move>([
    ["1", (state) => (state.signedIn ? verified(state) : askPin(state, "identity"))],
    // CNF-27: nothing can be seen without a PIN, so the account screen stays.
    ["2", (state) => (state.hasPin ? seeInfos(state) : menu(state, "account"))],
    // Asked of those who are signed in too: the phone may be in other hands since.
    ["3", (state) => askPin(state, "change")],
    ["0", (state) => menu(state, "main")],
  ]),
  language: new Map<string, Move>([
    ["1", (state) => speak({ ...state, language: "fr" })],
    ["2", (state) => speak({ ...state, language: "en" })],
    ["0", (state) => menu(state, "main")],
  ]),
};

/** Where 0 leads, and where one arrives when it is done. */
function backOf(place: Entry): Menu {
  if (place.at === "code") return "main";
  return place.at === "pin" ? "account" : menuOf(place.proof);
}

/** Where the proof is given. */
const proofOf = ({ by }: Proof): Entry =>
  by === "pin" ? { at: "pin", purpose: "change" } : { at: "code" };

/** The menu from which a new PIN is set. */
const menuOf = ({ by }: Proof): Menu => (by === "pin" ? "account" : "main");

function entered(state: State, place: Entry, typed: string): Step {
  const words = wordsOf(state);
  if (place.at === "code") {
    if (!RESET_CODE.test(typed)) return entry(state, place, words.badCode);
    return { kind: "checkCode", request: { code: typed }, next: (o) => codeChecked(state, o) };
  }
  if (!PIN.test(typed)) return entry(state, place, words.badPin);
  switch (place.at) {
    case "pin": {
      const request = { pin: typed, purpose: place.purpose, signedIn: state.signedIn };
      return { kind: "checkPin", request, next: (o) => pinChecked(state, place, o) };
    }
    case "newPin":
      if (isWeakPin(typed)) return entry(state, place, words.weakPin);
      return { kind: "markPin", request: { pin: typed }, next: (o) => pinMarked(state, place, o) };
    case "repeatPin": {
      const request = { pin: typed, mark: place.mark, proof: place.proof };
      return { kind: "setPin", request, next: (o) => pinSet(state, place, o) };
    }
  }
}

function askPin(state: State, purpose: PinPurpose): Step {
  if (!state.link) return notLinked(state, "account");
  if (!state.hasPin) return notice(state, "account", wordsOf(state).noPin);
  return entry(state, { at: "pin", purpose });
}

type PinEntry = Extract<Entry, { at: "pin" }>;

function pinChecked(state: State, place: PinEntry, outcome: Outcomes["checkPin"]): Step {
  const words = wordsOf(state);
  const signedIn: State = { ...state, signedIn: true };
  switch (outcome.kind) {
    case "ok": {
      const proof = { by: "pin", proven: outcome.proven } as const;
      if (place.purpose === "infos") return seeInfos(signedIn);
      if (place.purpose === "change") return entry(signedIn, { at: "newPin", proof });
      return verified(signedIn);
    }
    case "wrong":
      return entry(state, place, words.wrongPin(outcome.triesLeft));
    case "locked":
      return bye(state, words.locked(outcome.minutes));
    case "none":
      return bye(state, words.gone);
    case "unavailable":
      return notice(state, "account", words.unavailable);
  }
}

function codeChecked(state: State, outcome: Outcomes["checkCode"]): Step {
  const words = wordsOf(state);
  switch (outcome.kind) {
    case "ok":
      return entry(state, { at: "newPin", proof: { by: "code", proven: outcome.proven } });
    case "wrong":
      return entry(state, { at: "code" }, words.wrongCode(outcome.triesLeft));
    case "held":
      return notice(state, "main", words.held(outcome.hours));
    case "unavailable":
      return notice(state, "main", words.unavailable);
  }
}

type NewPinEntry = { readonly at: "newPin" | "repeatPin"; readonly proof: Proof };

function pinMarked(state: State, { proof }: NewPinEntry, outcome: Outcomes["markPin"]): Step {
  if (outcome.kind === "ok") return entry(state, { at: "repeatPin", proof, mark: outcome.mark });
  return notice(state, menuOf(proof), wordsOf(state).unavailable);
}

function pinSet(state: State, { proof }: NewPinEntry, outcome: Outcomes["setPin"]): Step {
  const words = wordsOf(state);
  switch (outcome.kind) {
    case "ok":
      return notice({ ...state, hasPin: true }, menuOf(proof), words.pinSet);
    case "differs":
      return entry(state, { at: "newPin", proof }, words.differs);
    case "changed":
      return entry(state, proofOf(proof), words.pinChanged);
    case "held":
      return notice(state, menuOf(proof), words.held(outcome.hours));
    case "none":
      return bye(state, words.gone);
    case "unavailable":
      return notice(state, menuOf(proof), words.unavailable);
  }
}

function seeInfos(state: State): Step {
  if (!state.signedIn) return entry(state, { at: "pin", purpose: "infos" });
  return { kind: "infos", request: {}, next: (o) => infosFound(state, o) };
}

function infosFound(state: State, outcome: Outcomes["infos"]): Step {
  const words = wordsOf(state);
  if (outcome.kind === "none") return bye(state, words.gone);
  if (outcome.kind === "unavailable") return notice(state, "account", words.unavailable);
  return notice(state, "account", words.infos(outcome.infos), "infos");
}

const verified = (state: State): Step => notice(state, "account", wordsOf(state).verified);

const notLinked = (state: State, back: Menu): Step => notice(state, back, wordsOf(state).notLinked);

/** The dialogue goes on in its language whether or not the phone's could be kept. */
function speak(state: State): Step {
  const request = { language: state.language };
  return { kind: "setLanguage", request, next: () => menu(state, "main") };
}
