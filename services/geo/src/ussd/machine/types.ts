/** The languages that every screen exists in. */
export const languages = ["fr", "en"] as const;
export type Language = (typeof languages)[number];

/**
 * A PIN: 4 to 6 digits. Fewer are guessed too easily; a longer one is not remembered.
 * Source: ISO 9564-1 allows 4..12; six give no more safety under a limit of tries (Markert et al.,
 * "This PIN Can Be Easily Guessed", IEEE S&P 2020).
 */
export const PIN = /^\d{4,6}$/;
/** Digits of a reset code; longer than any PIN, so that neither is taken for the other. */
export const RESET_CODE_DIGITS = 8;
export const RESET_CODE = new RegExp(`^\\d{${RESET_CODE_DIGITS}}$`);

/** What is known of the caller when a dialogue opens. */
export interface Facts {
  readonly language: Language;
  /** The link of the phone to a user, by a name that tells nothing of either; null: it has none. */
  readonly link: string | null;
  /** That user has set a PIN. */
  readonly hasPin: boolean;
  /** Digits, spaces and + * #, at most 20 of them; null where there is none to call. */
  readonly supportPhone: string | null;
}

export type Menu = "main" | "account" | "language";
/** Why a PIN is asked for. */
export type PinPurpose = "identity" | "infos" | "change";
/** What allows a new PIN in place of `proven`, while it is still that one: itself, or a reset code (the second proof). */
export type Proof = { readonly by: "pin" | "code"; readonly proven: ProvenPin };
/** Names the PIN that was there when it or the code was right, and no other one after it; tells nothing of it. */
export type ProvenPin = string;

/** Something to type in. */
export type Entry =
  | { readonly at: "pin"; readonly purpose: PinPurpose }
  | { readonly at: "code" }
  | { readonly at: "newPin"; readonly proof: Proof }
  | { readonly at: "repeatPin"; readonly proof: Proof; readonly mark: string };

/** Where the dialogue stands: what the next input means. */
export type Place =
  | { readonly at: Menu }
  /** Something to read; any input leads `back`. */
  | { readonly at: "notice"; readonly back: Menu }
  | Entry
  | { readonly at: "ended" };

/** JSON, without a phone, a user or a PIN. */
export interface State extends Facts {
  /** A PIN was right in this dialogue: it is linked to the ID. */
  readonly signedIn: boolean;
  readonly place: Place;
}

export type ScreenName =
  | Menu
  | "notice"
  | "infos"
  | "pin"
  | "code"
  | "newPin"
  | "repeatPin"
  | "bye";

export interface Screen {
  readonly kind: "CON" | "END";
  readonly language: Language;
  /** For metrics and events; says nothing of the person. */
  readonly name: ScreenName;
  /** At most SCREEN_CHARS_MAX characters of the GSM 7 bit alphabet, lines parted by \n. */
  readonly text: string;
}

/** What a person may see of their link; no more than a passer-by may read. */
export interface Infos {
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  /** ISO 4217. */
  readonly currency: string | null;
  /** Last two digits of the phone. */
  readonly phoneEnding: string;
  /** Date of the link, YYYY-MM-DD. */
  readonly linkedOn: string;
}

/**
 * What the machine asks to be done, by kind. The input of the person is only ever here, never in a
 * state or a screen.
 */
export interface Requests {
  /** A right PIN signs in unless `signedIn` already; then it only proves who is there. */
  checkPin: { readonly pin: string; readonly purpose: PinPurpose; readonly signedIn: boolean };
  /** Takes the reset code: right once. */
  checkCode: { readonly code: string };
  /** A keyed hash of a new PIN, bound to this dialogue: the PIN itself is not kept for the repeat. */
  markPin: { readonly pin: string };
  /** Sets `pin` if it has `mark` and the proof still holds. */
  setPin: { readonly pin: string; readonly mark: string; readonly proof: Proof };
  infos: Record<never, never>;
  /** Remembers the language of the phone; this dialogue has it already. */
  setLanguage: { readonly language: Language };
  /** The signed-in dialogue ends. */
  logout: Record<never, never>;
}
export type RequestKind = keyof Requests;

/** Any request may find its store or broker away: nothing was done, the person may try again. */
export type Unavailable = { readonly kind: "unavailable" };
/** Too many wrong tries, in this dialogue or another one. */
type Locked = { readonly kind: "locked"; readonly minutes: number };
type Wrong = { readonly kind: "wrong"; readonly triesLeft: number };
/** No reset or change so soon after a change of SIM. */
type Held = { readonly kind: "held"; readonly hours: number };
/** There is no link or no PIN any more. */
type None = { readonly kind: "none" };
type Ok = { readonly kind: "ok" };
type Proven = { readonly kind: "ok"; readonly proven: ProvenPin };

export interface Outcomes {
  checkPin: Proven | Wrong | Locked | None | Unavailable;
  checkCode: Proven | Wrong | Held | Unavailable;
  markPin: { readonly kind: "ok"; readonly mark: string } | Unavailable;
  /** changed: the PIN is not the one any more that the proof is of. */
  setPin:
    | Ok
    | { readonly kind: "differs" }
    | { readonly kind: "changed" }
    | Held
    | None
    | Unavailable;
  infos: { readonly kind: "ok"; readonly infos: Infos } | None | Unavailable;
  setLanguage: Ok | Unavailable;
  /** What can not be told now must not be lost: that throws. */
  logout: Ok;
}

/** A request and what follows from its outcome. */
export type Ask<K extends RequestKind = RequestKind> = {
  readonly [P in K]: {
    readonly kind: P;
    readonly request: Requests[P];
    readonly next: (outcome: Outcomes[P]) => Step;
  };
}[K];

/** One input ends in a screen, after as many requests as it takes. */
export type Step =
  | { readonly kind: "screen"; readonly state: State; readonly screen: Screen }
  | Ask;

/** Performs requests. Throws only what no screen can tell of: the dialogue then stays as it was. */
export type Performer = {
  readonly [K in RequestKind]: (request: Requests[K]) => Promise<Outcomes[K]>;
};
