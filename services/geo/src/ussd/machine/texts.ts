import type { Infos, Language, Menu, PinPurpose, Proof } from "./types.ts";

/**
 * Every text of one language, in letters of the GSM 7 bit alphabet: it has é, è, à and ù, but no ç
 * and no circumflex.
 */
export interface Texts {
  readonly menus: Readonly<Record<Menu, string>>;
  readonly back: string;
  readonly purposes: Readonly<Record<PinPurpose, string>>;
  readonly authorities: Readonly<Record<Proof["by"], string>>;
  /** What an entry asks for. */
  readonly currentPin: string;
  readonly code: string;
  readonly newPin: string;
  readonly repeatPin: string;
  /** What was wrong with the last input; stands above the same screen. */
  readonly badChoice: string;
  readonly badPin: string;
  readonly badCode: string;
  readonly weakPin: string;
  readonly differs: string;
  readonly pinChanged: string;
  readonly wrongPin: (triesLeft: number) => string;
  readonly wrongCode: (triesLeft: number) => string;
  /** To be read. */
  readonly support: (phone: string | null) => string;
  readonly notLinked: string;
  readonly noPin: string;
  readonly verified: string;
  readonly pinSet: string;
  readonly held: (hours: number) => string;
  readonly unavailable: string;
  readonly infos: (infos: Infos) => string;
  /** Last words. */
  readonly bye: string;
  readonly locked: (minutes: number) => string;
  readonly gone: string;
}

const fr: Texts = {
  menus: {
    main: "Bienvenue\n1. Mon compte\n2. Réinitialiser PIN\n3. Support\n4. Langue\n0. Quitter",
    account:
      "Mon compte\n1. Vérifier mon identité\n2. Voir mes infos\n3. Changer mot de passe\n0. Retour",
    language: "Langue\n1. Francais\n2. English\n0. Retour",
  },
  back: "0. Retour",
  purposes: {
    identity: "Vérifier mon identité",
    infos: "Voir mes infos",
    change: "Changer mot de passe",
  },
  authorities: { pin: "Changer mot de passe", code: "Réinitialiser PIN" },
  currentPin: "Entrez votre PIN",
  code: "Entrez le code donné par l'application",
  newPin: "Entrez un nouveau PIN (4 à 6 chiffres)",
  repeatPin: "Répétez le nouveau PIN",
  badChoice: "Choix invalide.",
  badPin: "Un PIN a 4 à 6 chiffres.",
  badCode: "Le code a 8 chiffres.",
  weakPin: "PIN trop facile à deviner.",
  differs: "Les deux PIN diffèrent.",
  pinChanged: "Le PIN a changé entre-temps.",
  wrongPin: (triesLeft) => `PIN incorrect. Essais restants: ${triesLeft}.`,
  wrongCode: (triesLeft) => `Code incorrect. Essais restants: ${triesLeft}.`,
  support: (phone) =>
    `Support\n${phone === null ? "Voyez l'aide de l'application." : `Appelez le ${phone}.`}`,
  notLinked: "Ce numéro n'est lié à aucun compte. Liez-le dans l'application.",
  noPin: "Aucun PIN. Créez-le dans l'application, ou par Réinitialiser PIN.",
  verified: "Identité vérifiée.",
  pinSet: "Votre PIN est enregistré.",
  held: (hours) => `Impossible après un changement de SIM. Réessayez dans ${hours} h.`,
  unavailable: "Service indisponible. Réessayez plus tard.",
  infos: ({ country, currency, phoneEnding, linkedOn }) =>
    [
      "Mes infos",
      `Numéro: ...${phoneEnding}`,
      `Lié le: ${linkedOn}`,
      `Pays: ${country ?? "-"}`,
      `Devise: ${currency ?? "-"}`,
    ].join("\n"),
  bye: "Au revoir.",
  locked: (minutes) => `Trop d'essais. Réessayez dans ${minutes} min.`,
  gone: "Ce numéro n'a plus de PIN. Composez le code à nouveau.",
};

const en: Texts = {
  menus: {
    main: "Welcome\n1. My account\n2. Reset PIN\n3. Support\n4. Language\n0. Exit",
    account: "My account\n1. Verify my identity\n2. View my details\n3. Change password\n0. Back",
    language: "Language\n1. Francais\n2. English\n0. Back",
  },
  back: "0. Back",
  purposes: {
    identity: "Verify my identity",
    infos: "View my details",
    change: "Change password",
  },
  authorities: { pin: "Change password", code: "Reset PIN" },
  currentPin: "Enter your PIN",
  code: "Enter the code shown in the app",
  newPin: "Enter a new PIN (4 to 6 digits)",
  repeatPin: "Repeat the new PIN",
  badChoice: "Invalid choice.",
  badPin: "A PIN has 4 to 6 digits.",
  badCode: "The code has 8 digits.",
  weakPin: "This PIN is too easy to guess.",
  differs: "The two PINs differ.",
  pinChanged: "The PIN has changed meanwhile.",
  wrongPin: (triesLeft) => `Wrong PIN. Tries left: ${triesLeft}.`,
  wrongCode: (triesLeft) => `Wrong code. Tries left: ${triesLeft}.`,
  support: (phone) => `Support\n${phone === null ? "See the help in the app." : `Call ${phone}.`}`,
  notLinked: "This number is not linked to an account. Link it in the app.",
  noPin: "No PIN yet. Set it in the app, or with Reset PIN.",
  verified: "Identity verified.",
  pinSet: "Your PIN is set.",
  held: (hours) => `Not possible after a change of SIM. Try again in ${hours} h.`,
  unavailable: "Service not available. Try again later.",
  infos: ({ country, currency, phoneEnding, linkedOn }) =>
    [
      "My details",
      `Number: ...${phoneEnding}`,
      `Linked on: ${linkedOn}`,
      `Country: ${country ?? "-"}`,
      `Currency: ${currency ?? "-"}`,
    ].join("\n"),
  bye: "Goodbye.",
  locked: (minutes) => `Too many tries. Try again in ${minutes} min.`,
  gone: "This number has no PIN any more. Dial the code again.",
};

export const texts: Readonly<Record<Language, Texts>> = { fr, en };

/** For a dialogue that is known no more, so neither is its language. */
export const OVER =
  "Session terminée. Composez le code à nouveau.\nSession over. Dial the code again.";
