import { device, type Example, failedLogin, heartbeat, login } from "./example.ts";

const PHONE = {
  os: "Android",
  os_version: "14",
  browser: "Chrome",
  browser_version: "141.0.7390.122",
  device_model: "TECNO CK7n",
  screen: "1080x2460",
  timezone: "Africa/Dakar",
  languages: "fr-SN,fr,wo",
  gpu_vendor: "ARM Mali-G57",
  app_version: "4.12.0",
};
const phone = { device: device(PHONE) };
const changed = (signals: Readonly<Record<string, string>>) => ({
  device: device({ ...PHONE, ...signals }),
});
const known = login("10:00", phone);

/** A browser's renderer is longer than what is kept as it is, and so is more of a fingerprint that is long in all. */
const BROWSER = {
  ...PHONE,
  timezone: "Africa/Porto-Novo",
  languages: "fr-BJ,fr;q=0.9,yo;q=0.8",
  gpu_vendor: "Google Inc. (Intel)",
  gpu_renderer: "ANGLE (Intel, Intel(R) UHD Graphics 620 Direct3D11 vs_5_0 ps_5_0, D3D11)",
};
const wordy = (i: number): Readonly<Record<string, string>> => ({
  ...BROWSER,
  ...Object.fromEntries(
    Array.from({ length: i }, (_, k) => [`of-the-producer-${k}`, "x".repeat(40)]),
  ),
});

export const examples: readonly Example[] = [
  {
    name: "ANO-06: another system on the same device is no similarity at all",
    given: [known],
    when: login("10:30", { ...changed({ os: "iOS" }), sessionId: "s-2" }),
    finds: [
      {
        sessionId: "s-2",
        evidence: { similarity: "0.00", score_min: "0.85", source: "detector", changed: "os" },
        says: "with 0.85 or more it would not have fired",
      },
    ],
  },
  {
    name: "the same fingerprint is quiet",
    given: [known],
    when: heartbeat("10:30", phone),
    finds: [],
  },
  {
    name: "two changed signals of ten are too many",
    given: [known],
    when: heartbeat("10:30", changed({ timezone: "Europe/Paris", languages: "fr-FR" })),
    finds: [{ evidence: { similarity: "0.80", changed: "timezone,languages" } }],
  },
  {
    name: "one changed signal of ten is borne",
    given: [known],
    when: heartbeat("10:30", changed({ timezone: "Europe/Paris" })),
    finds: [],
  },
  {
    name: "exactly the minimum is not below it",
    given: [known],
    when: heartbeat("10:30", changed({ timezone: "Europe/Paris", languages: "fr-FR" })),
    policy: { fp_mismatch_tolerance: { score_min: 0.8 } },
    finds: [],
  },
  {
    name: "versions that grew count as equal",
    given: [known],
    when: login(
      "10:30",
      changed({ os_version: "15", browser_version: "142.0", app_version: "4.13" }),
    ),
    finds: [],
  },
  {
    name: "versions that fell count as different",
    given: [known],
    when: login("10:30", changed({ os_version: "13", browser_version: "140.0" })),
    finds: [{ evidence: { changed: "os_version,browser_version", similarity: "0.80" } }],
  },
  {
    name: "a late event is the older side: its lower versions are no fall",
    given: [login("10:30", changed({ os_version: "15", browser_version: "142.0" }))],
    when: login("10:00", phone),
    finds: [],
  },
  {
    name: "another browser family must not come from the same device",
    given: [known],
    when: login("10:30", changed({ browser: "Firefox" })),
    finds: [{ evidence: { similarity: "0.00", changed: "browser" } }],
  },
  {
    name: "names of one family are the same: iPadOS is iOS",
    given: [login("10:00", changed({ os: "iOS" }))],
    when: login("10:30", changed({ os: "iPadOS" })),
    finds: [],
  },
  {
    name: "another device of the user has a fingerprint of its own",
    given: [known],
    when: login("10:30", { device: device({ os: "iOS" }, { id: "tablet-1" }) }),
    finds: [],
  },
  {
    name: "a device known by its id alone has no fingerprint to differ from",
    given: [login("10:00", { device: device({}) }), login("10:05", { device: device({}) })],
    when: login("10:30", phone),
    finds: [],
  },
  {
    name: "a changed fingerprint is told of once, then it is the known one",
    given: [known, login("10:30", changed({ os: "iOS" }))],
    when: heartbeat("10:31", changed({ os: "iOS" })),
    finds: [],
  },
  {
    name: "the producer's own comparison counts before ours",
    given: [known],
    when: login("10:30", { device: device(PHONE, { similarity: 0.849 }) }),
    finds: [{ evidence: { similarity: "0.84", source: "producer" } }],
  },
  {
    name: "0.84 is below the minimum of 0.85",
    given: [known],
    when: login("10:30", { device: device(PHONE, { similarity: 0.84 }) }),
    finds: [{ evidence: { similarity: "0.84", score_min: "0.85" } }],
  },
  {
    name: "0.85 is not",
    given: [known],
    when: login("10:30", { device: device(PHONE, { similarity: 0.85 }) }),
    finds: [],
  },
  {
    name: "a producer who finds them alike is believed",
    given: [known],
    when: login("10:30", { device: device({ ...PHONE, os: "iOS" }, { similarity: 0.85 }) }),
    finds: [],
  },
  {
    name: "a producer's low similarity is told of once, not with every heartbeat",
    given: [login("10:30", { device: device(PHONE, { similarity: 0.5 }) })],
    when: heartbeat("10:31", { device: device(PHONE, { similarity: 0.5 }) }),
    finds: [],
  },
  {
    name: "a failed login teaches nothing of the device",
    given: [known, failedLogin("10:10", changed({ os: "iOS" }))],
    when: login("10:30", phone),
    finds: [],
  },
  {
    name: "a producer's comparison is told as it is",
    given: [known],
    when: login("10:30", { device: device(PHONE, { similarity: 0.58 }) }),
    finds: [{ evidence: { similarity: "0.58" } }],
  },
  {
    name: "a fingerprint that became too long to be kept in full is the same in what it was",
    given: [login("10:00", { device: device(BROWSER) })],
    when: login("10:30", { device: device(wordy(12)) }),
    finds: [],
  },
  {
    name: "and so is one that became short enough",
    given: [login("10:00", { device: device(wordy(12)) })],
    when: login("10:30", { device: device(BROWSER) }),
    finds: [],
  },
  {
    name: "what is kept as a hash can still be another one",
    given: [login("10:00", { device: device(wordy(12)) })],
    when: login("10:30", {
      device: device({
        ...BROWSER,
        gpu_vendor: "Google Inc. (AMD)",
        languages: "fr-FR,fr;q=0.9,yo;q=0.8",
      }),
    }),
    finds: [{ evidence: { similarity: "0.81", changed: "languages,gpu_vendor" } }],
  },
  {
    name: "fingerprints without a common signal cannot be compared",
    given: [login("10:00", { device: device({ os: "Android" }) })],
    when: login("10:30", { device: device({ screen: "1x1" }) }),
    finds: [],
  },
];
