import { assert, assertNever } from "@vigie/core/assert";
import { gsmLength, SCREEN_CHARS_MAX } from "./gsm7.ts";
import { OVER, type Texts, texts } from "./texts.ts";
import type { Entry, Menu, Place, Screen, ScreenName, State, Step } from "./types.ts";

/** Answers a dialogue that is over and forgotten. */
export const overScreen: Screen = { kind: "END", name: "bye", language: "fr", text: OVER };

export const wordsOf = (state: State): Texts => texts[state.language];

/** `note` says what was wrong with the last input. */
export function menu(state: State, at: Menu, note?: string): Step {
  return ask(state, { at }, [note, wordsOf(state).menus[at]]);
}

/** Something to read, from which any input leads `back`. */
export function notice(state: State, back: Menu, text: string, name?: ScreenName): Step {
  return ask(state, { at: "notice", back }, [text, wordsOf(state).back], name ?? "notice");
}

export function entry(state: State, place: Entry, note?: string): Step {
  const words = wordsOf(state);
  return ask(state, place, [note, ...promptOf(place, words), words.back], place.at);
}

/** The last words. Who signed in is signed out, before they are shown. */
export function bye(state: State, text: string = wordsOf(state).bye): Step {
  const end: Step = {
    kind: "screen",
    state: { ...state, signedIn: false, place: { at: "ended" } },
    screen: { kind: "END", name: "bye", language: state.language, text: fitting(text) },
  };
  return state.signedIn ? { kind: "logout", request: {}, next: () => end } : end;
}

function promptOf(place: Entry, words: Texts): readonly string[] {
  switch (place.at) {
    case "pin":
      return [words.purposes[place.purpose], words.currentPin];
    case "code":
      return [words.authorities.code, words.code];
    case "newPin":
      return [words.authorities[place.proof.by], words.newPin];
    case "repeatPin":
      return [words.authorities[place.proof.by], words.repeatPin];
    default:
      return assertNever(place);
  }
}

type Asking = Exclude<Place, { at: "ended" }>;

function ask(
  state: State,
  place: Asking,
  lines: readonly (string | undefined)[],
  name: ScreenName = place.at,
): Step {
  const text = fitting(lines.filter((line) => line !== undefined).join("\n"));
  const screen: Screen = { kind: "CON", name, language: state.language, text };
  return { kind: "screen", state: { ...state, place }, screen };
}

function fitting(text: string): string {
  const length = gsmLength(text);
  assert(length !== null && length <= SCREEN_CHARS_MAX, "a text fits the screen of a phone");
  return text;
}
