/** Where users live, what they hold in their hands: the fixed facts of the generated traffic. */
export interface City {
  readonly country: "SN" | "CI" | "GH" | "NG" | "FR";
  readonly city: string;
  readonly lat: number;
  readonly lon: number;
  /** First three octets of networks that DB-IP Lite places in this city. Source: IP geolocation by DB-IP, CC BY 4.0. */
  readonly networks: readonly string[];
  /** The city a traveller is next seen in; more than 2,400 km away. */
  readonly far: number;
  /** How many of a hundred users live here. */
  readonly share: number;
}

export const cities: readonly City[] = [
  {
    country: "SN",
    city: "Dakar",
    lat: 14.72,
    lon: -17.47,
    networks: ["41.82.0", "41.82.1", "41.82.70"],
    far: 4,
    share: 40,
  },
  {
    country: "CI",
    city: "Abidjan",
    lat: 5.35,
    lon: -4.0,
    networks: ["41.66.35", "41.67.74", "41.67.75"],
    far: 4,
    share: 25,
  },
  {
    country: "GH",
    city: "Accra",
    lat: 5.56,
    lon: -0.2,
    networks: ["41.66.196", "41.66.206"],
    far: 4,
    share: 10,
  },
  {
    country: "NG",
    city: "Abuja",
    lat: 9.06,
    lon: 7.5,
    networks: ["41.73.1", "41.73.5"],
    far: 4,
    share: 10,
  },
  {
    country: "FR",
    city: "Paris",
    lat: 48.86,
    lon: 2.35,
    networks: ["2.8.251"],
    far: 0,
    share: 15,
  },
];

/** Source: ITU-T E.212 country codes; carriers that serve the country. */
export const sims: Readonly<
  Record<City["country"], { mcc: number; mnc: number; carrier: string }>
> = {
  SN: { mcc: 608, mnc: 1, carrier: "Orange" },
  CI: { mcc: 612, mnc: 3, carrier: "Orange" },
  GH: { mcc: 620, mnc: 1, carrier: "MTN" },
  NG: { mcc: 621, mnc: 30, carrier: "MTN" },
  FR: { mcc: 208, mnc: 1, carrier: "Orange" },
};

export const timezones: Readonly<Record<City["country"], string>> = {
  SN: "Africa/Dakar",
  CI: "Africa/Abidjan",
  GH: "Africa/Accra",
  NG: "Africa/Lagos",
  FR: "Europe/Paris",
};

export interface Profile {
  readonly channel: "MOBILE" | "WEB";
  readonly signals: Readonly<Record<string, string>>;
  /** The version before and after an upgrade. */
  readonly versions: readonly [string, string];
  userAgent(version: string): string;
}

const android = (model: string, os: string, screen: string, gpu: string): Profile => ({
  channel: "MOBILE",
  signals: {
    os: "Android",
    os_version: os,
    browser: "Chrome",
    device_model: model,
    screen,
    gpu_vendor: gpu,
    app_version: "4.12.0",
  },
  versions: ["141.0.7390.122", "142.0.7444.48"],
  userAgent: (version) =>
    `Mozilla/5.0 (Linux; Android ${os}; ${model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Mobile Safari/537.36`,
});

const iphone = (model: string, os: string, screen: string): Profile => ({
  channel: "MOBILE",
  signals: {
    os: "iOS",
    os_version: os,
    browser: "Safari",
    device_model: model,
    screen,
    gpu_vendor: "Apple GPU",
    app_version: "4.12.1",
  },
  versions: [os, `${os}.1`],
  userAgent: (version) =>
    `Mozilla/5.0 (iPhone; CPU iPhone OS ${os.replace(".", "_")} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${version} Mobile/15E148 Safari/604.1`,
});

const desktop = (os: string, version: string, model: string, screen: string): Profile => ({
  channel: "WEB",
  signals: {
    os,
    os_version: version,
    browser: "Firefox",
    device_model: model,
    screen,
    gpu_vendor: "Intel",
    app_version: "web-2026.10.3",
  },
  versions: ["143.0", "144.0"],
  userAgent: (v) =>
    `Mozilla/5.0 (${os === "Windows" ? "Windows NT 10.0; Win64; x64" : "Macintosh; Intel Mac OS X 14.6"}; rv:${v}) Gecko/20100101 Firefox/${v}`,
});

/** Pairs 2k and 2k+1 share a channel and differ in OS family: a changed fingerprint swaps within its pair. */
export const profiles: readonly Profile[] = [
  android("SM-A155F", "14", "1080x2340", "ARM Mali-G57"),
  iphone("iPhone14,5", "18.1", "1170x2532"),
  android("TECNO KJ5", "13", "720x1612", "ARM Mali-G57"),
  iphone("iPhone12,1", "17.7", "828x1792"),
  android("Infinix X6525", "13", "720x1612", "Imagination PowerVR"),
  iphone("iPhone15,4", "18.0", "1179x2556"),
  desktop("Windows", "10.0", "PC", "1920x1080"),
  desktop("macOS", "14.6", "Macintosh", "1440x900"),
];
