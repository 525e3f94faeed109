// Prints the model in an npm package @aws-sdk/client-* in the form of the
// published api-2.json, as far as awsgen reads that. Numbers have the type
// "number": JavaScript knows no others.
//
//   node --input-type=module --eval "$(cat schema.mjs)" - PACKAGE_FOLDER
import { existsSync, readFileSync } from "node:fs";

const read = (file) => readFileSync(`${process.argv.at(-1)}/dist-es/${file}`, "utf8");
const load = (text) => import("data:text/javascript," + encodeURIComponent(text));

// The schemas are plain data, but for the registry of their error classes.
const schemas = await load(
  read("schemas/schemas_0.js")
    .replace(/^import .*$/gm, "")
    .replace(/^.*_registry.*$/gm, "")
    .replace(/^export const errorTypeRegistries = \[[^\]]*\];/m, "")
    .replace(/^(var|const) /gm, "export $1 "),
);
const enums = existsSync(`${process.argv.at(-1)}/dist-es/models/enums.js`) ? await load(read("models/enums.js")) : {};

const simple = {
  0: { type: "string" },
  1: { type: "number" },
  2: { type: "boolean" },
  4: { type: "timestamp" },
  5: { type: "timestamp", timestampFormat: "iso8601" },
  6: { type: "timestamp", timestampFormat: "rfc822" },
  7: { type: "timestamp", timestampFormat: "unixTimestamp" },
  21: { type: "blob" },
  42: { type: "blob", streaming: true },
};
const bits = { label: 1, payload: 16, responseCode: 32, queryParams: 64 }; // traits written as a number

const shapes = {};
const operations = {};

// ref resolves a use of a schema: a number, a function, an array, or [schema, traits].
function ref(use) {
  let traits = 0;
  if (Array.isArray(use) && !(typeof use[1] === "string")) [use, traits] = use;
  if (typeof use === "function") use = use();
  const r = typeof traits === "number" ? { bits: traits } : { ...traits };
  const shape = define(use);
  const out = { shape };
  if (shapes[shape].streaming) out.streaming = true;
  if (r.xmlName) out.locationName = r.xmlName;
  if (r.ec2QueryName) out.queryName = r.ec2QueryName;
  if (r.jsonName) out.locationName = r.jsonName;
  if (r.xmlFlattened) out.flattened = true;
  if (r.xmlAttribute) out.xmlAttribute = true;
  if (r.xmlNamespace) out.xmlNamespace = Array.isArray(r.xmlNamespace) ? { prefix: r.xmlNamespace[0], uri: r.xmlNamespace[1] } : r.xmlNamespace;
  for (const [trait, location] of [["httpHeader", "header"], ["httpPrefixHeaders", "headers"], ["httpQuery", "querystring"]])
    if (r[trait] !== undefined) Object.assign(out, { location, locationName: r[trait] });
  if (r.bits & bits.label || r.httpLabel) out.location = "uri";
  if (r.bits & bits.responseCode || r.httpResponseCode) out.location = "statusCode";
  if (r.bits & bits.queryParams || r.httpQueryParams) out.location = "querystring";
  if (r.bits & bits.payload || r.httpPayload) out.payload = true;
  return out;
}

// define adds the shape of a schema, and returns its name.
function define(schema) {
  if (typeof schema === "number") {
    const inner = schema & 63;
    const name = (schema & 64 ? "list:" : schema & 128 ? "map:" : "") + inner;
    if (schema & 64) shapes[name] = { type: "list", member: { shape: define(inner) } };
    else if (schema & 128) shapes[name] = { type: "map", key: { shape: define(0) }, value: { shape: define(inner) } };
    else if (simple[schema]) shapes[name] = simple[schema];
    else throw new Error(`schema ${schema} is of an unknown kind`);
    return name;
  }
  const [kind, , name, traits, ...rest] = schema;
  if (kind === 0) return define(rest[0]);
  if (shapes[name]) return name;
  const shape = (shapes[name] = {});
  if (kind === 1) Object.assign(shape, { type: "list", member: ref(rest[0]) });
  if (kind === 2) Object.assign(shape, { type: "map", key: ref(rest[0]), value: ref(rest[1]) });
  if (kind === 3 || kind === 4 || kind === -3) {
    const [names, members, required = 0] = rest;
    shape.type = "structure";
    shape.members = Object.fromEntries(names.map((n, i) => [n, ref(members[i])]));
    shape.required = names.slice(0, required);
    shape.payload = names.find((n) => shape.members[n].payload);
    shape.xmlName = traits?.xmlName;
    if (traits?.xmlNamespace) shape.xmlNamespace = Array.isArray(traits.xmlNamespace) ? { prefix: traits.xmlNamespace[0], uri: traits.xmlNamespace[1] } : traits.xmlNamespace;
  }
  if (kind === -3) {
    shape.exception = true;
    const fault = traits.error === "server" ? 500 : 400;
    shape.error = { code: traits.awsQueryError?.[0], fault, httpStatusCode: traits.awsQueryError?.[1] ?? traits.httpError ?? fault };
  }
  return name;
}

for (const schema of Object.values(schemas)) {
  if (!Array.isArray(schema)) continue;
  const [kind, namespace, name, traits] = schema;
  if (kind === -3 && !namespace.startsWith("smithy.ts.sdk.synthetic")) define(schema);
  if (kind !== 9) continue;
  const side = (s) => (Array.isArray(s()) && s()[1] !== "unit" ? { shape: define(s()) } : undefined);
  const [method, requestUri, responseCode] = traits?.http ?? ["POST", "/", 200];
  operations[name] = { http: { method, requestUri, responseCode }, input: side(schema[4]), output: side(schema[5]) };
}
for (const [name, values] of Object.entries(enums)) shapes[name.replace(/^_/, "")] ??= { type: "string", enum: Object.values(values) };

// The settings of the protocol stand in code.
const config = read("runtimeConfig.shared.js");
const setting = (name) => config.match(new RegExp(`\\b${name}: "([^"]*)"`))?.[1];
const metadata = { apiVersion: setting("apiVersion"), xmlNamespace: setting("xmlNamespace"), targetPrefix: setting("serviceTarget") };
metadata.queryErrors = config.includes("awsQueryCompatible: true");
console.log(JSON.stringify({ metadata, operations, shapes }));
