import assert from "node:assert/strict";
import { test } from "vitest";
import { open, step } from "./machine.ts";
import { settle } from "./run.ts";
import { texts } from "./texts.ts";
import { type Facts, languages, type Performer, type Requests } from "./types.ts";

const PIN = "8305";
const CODE = "73910586";
const FACTS: Facts = { language: "fr", link: "l-1", hasPin: true, supportPhone: "+221 33 1" };

/** One phone whose PIN is 8305 and whose reset code is 73910586; `asked` is what was performed. */
function attendant(over: Partial<Performer> = {}) {
  const asked: [string, object][] = [];
  const noted = <T>(kind: string, request: object, outcome: T): T => {
    asked.push([kind, request]);
    return outcome;
  };
  const performer: Performer = {
    checkPin: async (request) =>
      noted(
        "checkPin",
        request,
        request.pin === PIN ? { kind: "ok", proven: "p-1" } : { kind: "wrong", triesLeft: 4 },
      ),
    checkCode: async (request) =>
      noted(
        "checkCode",
        request,
        request.code === CODE ? { kind: "ok", proven: "p-1" } : { kind: "wrong", triesLeft: 4 },
      ),
    markPin: async (request) =>
      noted("markPin", request, { kind: "ok", mark: `mark of ${request.pin.length}` }),
    setPin: async (request) =>
      noted("setPin", request, { kind: request.pin === "4071" ? "ok" : "differs" }),
    infos: async () =>
      noted(
        "infos",
        {},
        {
          kind: "ok",
          infos: { country: "SN", currency: "XOF", phoneEnding: "67", linkedOn: "2026-01-05" },
        },
      ),
    setLanguage: async (request) => noted("setLanguage", request, { kind: "ok" }),
    logout: async () => noted("logout", {}, { kind: "ok" }),
    ...over,
  };
  return { performer, asked };
}

/** The screen after `typed`, as it is answered, and what was asked on the way. */
async function dial(typed: string, facts: Partial<Facts> = {}, over: Partial<Performer> = {}) {
  const { performer, asked } = attendant(over);
  let at = await settle(open({ ...FACTS, ...facts }), performer);
  for (const input of typed === "" ? [] : typed.split("*")) {
    at = await settle(step(at.state, input), performer);
  }
  return { answer: `${at.screen.kind} ${at.screen.text}`, state: at.state, asked };
}

const ACCOUNT = `CON Mon compte
1. Vérifier mon identité
2. Voir mes infos
3. Changer mot de passe
0. Retour`;

const examples: [what: string, typed: string, facts: Partial<Facts>, answer: string][] = [
  [
    "USS-06: *131# is the main menu",
    "",
    {},
    "CON Bienvenue\n1. Mon compte\n2. Réinitialiser PIN\n3. Support\n4. Langue\n0. Quitter",
  ],
  ["USS-07: 1 is the account, to the letter", "1", {}, ACCOUNT],
  ["CNF-27: 1*2 is the account while there is no PIN", "1*2", { hasPin: false }, ACCOUNT],
  ["CNF-27: 1*2 is the account without a link", "1*2", { link: null, hasPin: false }, ACCOUNT],
  [
    "USS-02: 1*2 asks for the PIN before anything is shown",
    "1*2",
    {},
    "CON Voir mes infos\nEntrez votre PIN\n0. Retour",
  ],
  [
    "CNF-27: 1*2 shows the infos after the PIN",
    "1*2*8305",
    {},
    "CON Mes infos\nNuméro: ...67\nLié le: 2026-01-05\nPays: SN\nDevise: XOF\n0. Retour",
  ],
  [
    "the PIN is asked once",
    "1*1*8305*0*2",
    {},
    "CON Mes infos\nNuméro: ...67\nLié le: 2026-01-05\nPays: SN\nDevise: XOF\n0. Retour",
  ],
  [
    "a wrong PIN may be tried again",
    "1*1*4071",
    {},
    "CON PIN incorrect. Essais restants: 4.\nVérifier mon identité\nEntrez votre PIN\n0. Retour",
  ],
  [
    "USS-06: 2 asks for the second proof",
    "2",
    {},
    "CON Réinitialiser PIN\nEntrez le code donné par l'application\n0. Retour",
  ],
  [
    "a phone without a link has no PIN to reset",
    "2",
    { link: null, hasPin: false },
    "CON Ce numéro n'est lié à aucun compte. Liez-le dans l'application.\n0. Retour",
  ],
  ["USS-06: 3 is the support", "3", {}, "CON Support\nAppelez le +221 33 1.\n0. Retour"],
  ["USS-06: 4 is the language", "4", {}, "CON Langue\n1. Francais\n2. English\n0. Retour"],
  [
    "4*2 goes on in English",
    "4*2*1",
    {},
    "CON My account\n1. Verify my identity\n2. View my details\n3. Change password\n0. Back",
  ],
  ["0 leads back", "1*0*4*0*3*0*1", {}, ACCOUNT],
  ["what is no choice is told", "1*7", {}, ACCOUNT.replace("CON ", "CON Choix invalide.\n")],
  ["0 at the main menu is the end", "0", {}, "END Au revoir."],
];

test.each(examples)("%s", async (_, typed, facts, answer) => {
  assert.equal((await dial(typed, facts)).answer, answer);
});

test("a PIN is reset with the code, then typed twice", async () => {
  const { answer, asked, state } = await dial(`2*${CODE}*4071*4071`, { hasPin: false });
  assert.equal(answer, "CON Votre PIN est enregistré.\n0. Retour");
  assert.deepEqual(asked, [
    ["checkCode", { code: CODE }],
    ["markPin", { pin: "4071" }],
    [
      "setPin",
      {
        pin: "4071",
        mark: "mark of 4",
        proof: { by: "code", proven: "p-1" },
      } satisfies Requests["setPin"],
    ],
  ]);
  assert.equal(state.hasPin, true);
  assert.equal(state.signedIn, false);
});

test("a PIN is changed with the current one, which is asked again of who is signed in", async () => {
  const { answer, asked } = await dial(`1*1*${PIN}*0*3*${PIN}*4071*4072`);
  assert.equal(
    answer,
    "CON Les deux PIN diffèrent.\nChanger mot de passe\nEntrez un nouveau PIN (4 à 6 chiffres)\n0. Retour",
  );
  assert.deepEqual(
    asked.filter(([kind]) => kind === "checkPin").map(([, request]) => request),
    [
      { pin: PIN, purpose: "identity", signedIn: false },
      { pin: PIN, purpose: "change", signedIn: true },
    ],
  );
});

test("the end signs out, and only who was signed in", async () => {
  const kinds = async (typed: string) => (await dial(typed)).asked.map(([kind]) => kind);
  assert.deepEqual(await kinds(`1*1*${PIN}*0*0*0`), ["checkPin", "logout"]);
  assert.deepEqual(await kinds("1*0*0"), []);
});

test("too many tries end the dialogue, signed in or not", async () => {
  const lockedPin = async () => ({ kind: "locked", minutes: 15 }) as const;
  const { answer } = await dial(`1*1*${PIN}`, {}, { checkPin: lockedPin });
  assert.equal(answer, "END Trop d'essais. Réessayez dans 15 min.");
});

test("what is not there leads back to the menu, where it can be tried again", async () => {
  const away = async () => ({ kind: "unavailable" }) as const;
  const { answer } = await dial(`1*1*${PIN}`, {}, { checkPin: away });
  assert.equal(answer, "CON Service indisponible. Réessayez plus tard.\n0. Retour");
  const again = await dial(`1*1*${PIN}*0`, {}, { checkPin: away });
  assert.equal(again.answer, ACCOUNT);
});

test("a support phone that no screen takes is refused at once", () => {
  assert.throws(() => open({ ...FACTS, supportPhone: "call\nme" }), { code: "VIG_INVARIANT" });
  assert.throws(() => open({ ...FACTS, supportPhone: "1".repeat(21) }), { code: "VIG_INVARIANT" });
});

test("both languages say the same: the same choices in every menu", () => {
  const digits = (text: string) => [...text.matchAll(/^(\d)\. /gm)].map(([, digit]) => digit);
  for (const at of ["main", "account", "language"] as const) {
    const [one, ...others] = languages.map((language) => digits(texts[language].menus[at]));
    for (const other of others) assert.deepEqual(other, one);
  }
});
