import { device, type Example, failedLogin, heartbeat, login } from "./example.ts";

const PHONE = { os: "Android", browser: "Chrome", screen: "1080x2460" };
const on = (id: string | null, signals = PHONE) => ({
  device: device(signals, { id }),
  sessionId: "s-1",
});

export const examples: readonly Example[] = [
  {
    name: "a device that is none of the known ones fires",
    given: [login("10:00", on("phone-1"))],
    when: login("11:00", on("phone-2")),
    finds: [
      {
        sessionId: "s-1",
        evidence: { known_devices: "1", channel: "MOBILE" },
        says: "none of the 1 that the user is known with",
      },
    ],
  },
  {
    name: "a user's first device is none that is new",
    given: [],
    when: login("10:00", on("phone-1")),
    finds: [],
  },
  {
    name: "a known one is quiet",
    given: [login("10:00", on("phone-1")), login("11:00", on("phone-2"))],
    when: login("12:00", on("phone-1")),
    finds: [],
  },
  {
    name: "it is told of once",
    given: [login("10:00", on("phone-1")), login("11:00", on("phone-2"))],
    when: heartbeat("11:30", on("phone-2")),
    finds: [],
  },
  {
    name: "a session that goes on with another device is found by its heartbeat",
    given: [login("10:00", on("phone-1"))],
    when: heartbeat("10:30", on("phone-2")),
    finds: [{}],
  },
  {
    name: "a device that tells nothing but its id counts too",
    given: [login("10:00", on("phone-1", {} as typeof PHONE))],
    when: login("11:00", on("0193ff42-17aa-7bcd-9f00-ff00ff00ff00", {} as typeof PHONE)),
    finds: [{}],
  },
  {
    name: "without an id there is no device",
    given: [login("10:00", on("phone-1"))],
    when: login("11:00", on(null)),
    finds: [],
  },
  {
    name: "a failed login makes no device known",
    given: [failedLogin("9:00", on("phone-2")), login("10:00", on("phone-1"))],
    when: login("11:00", on("phone-2")),
    finds: [{}],
  },
  {
    name: "the ninth device pushes out the one not seen for longest",
    given: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => login(`10:0${n}`, on(`phone-${n}`))),
    when: login("11:00", on("phone-1")),
    finds: [{ evidence: { known_devices: "8" } }],
  },
];
