// A form from a type's parameter schema, pure: which fields there are, what a typed text means, what is wrong with it.
// The server checks again; here the same rules are told while somebody types. Not its patterns: a browser would run them
// by backtracking, for days if their author wants it. What does not match is said by the server, at its field.
import {t} from "./texts.js"

// What stands in the place of a secret, wherever the API tells values (contract 17, row 8). It is never shown as one.
export const MASK = "**********"

export const holdsMask = (value) =>
  value === MASK || (typeof value === "object" && value !== null && Object.values(value).some(holdsMask))

// So many parts of a schema are looked at for one field: references may go round in circles, or branch at each step.
const MOST_PARTS = 300

// The schema that counts: `#/…` references followed, `X or null` read as X that may be left out.
export function resolve(schema, root, budget = {left: MOST_PARTS}) {
  let found = schema ?? {}
  if ((budget.left -= 1) < 0) return {mixed: true}
  for (let hops = 0; typeof found.$ref === "string" && hops < 20; hops++) {
    const target = found.$ref.replace(/^#\//, "").split("/").reduce((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root)
    const {$ref, ...beside} = found
    found = {...target, ...beside}
  }
  if (Array.isArray(found.allOf) && found.allOf.length === 1) {
    const {allOf, ...beside} = found
    return resolve({...resolve(allOf[0], root, budget), ...beside}, root, budget)
  }
  const choices = found.anyOf ?? found.oneOf
  if (Array.isArray(choices)) {
    const {anyOf, oneOf, ...beside} = found
    const real = choices.map((choice) => resolve(choice, root, budget)).filter((choice) => choice.type !== "null")
    const nullable = real.length < choices.length
    if (real.length === 1) return {...real[0], ...beside, nullable: nullable || real[0].nullable}
    // Enums side by side are one choice; anything else is written as JSON.
    if (real.length && real.every((choice) => Array.isArray(choice.enum) || "const" in choice)) {
      return {...beside, enum: real.flatMap((choice) => choice.enum ?? [choice.const]), nullable}
    }
    const dated = real.find((choice) => choice.format === "date-time") ?? real.find((choice) => choice.format === "date")
    if (real.some(isSecret)) return {...beside, type: "string", format: "password", nullable}
    return dated ? {...dated, ...beside, nullable} : {...beside, mixed: true, nullable}
  }
  if (Array.isArray(found.type)) {
    const real = found.type.filter((type) => type !== "null")
    return real.length === 1 ? {...found, type: real[0], nullable: real.length < found.type.length} : {...found, type: undefined, mixed: true}
  }
  return found
}

const isSecret = ({type, format, writeOnly}) => (type === "string" && format === "password") || (writeOnly === true && type !== "object" && type !== "array")

// Whether a secret stands somewhere in a value of this schema.
export function holdsSecret(schema, root, budget = {left: MOST_PARTS}) {
  if ((budget.left -= 1) < 0 || typeof schema !== "object" || schema === null) return false
  if (schema.writeOnly === true || schema.format === "password") return true
  if (typeof schema.$ref === "string") {
    const {$ref, ...target} = resolve({$ref: schema.$ref}, root, budget)
    if (!$ref && holdsSecret(target, root, budget)) return true
  }
  const lists = [schema.anyOf, schema.oneOf, schema.allOf, schema.prefixItems].filter(Array.isArray).flat()
  const named = [schema.properties, schema.patternProperties].flatMap((parts) => Object.values(parts ?? {}))
  return [...lists, ...named, schema.items, schema.additionalProperties].some((part) => holdsSecret(part, root, budget))
}

export const kindOf = (schema) => {
  if ("const" in schema) return "choice"
  if (Array.isArray(schema.enum)) return "choice"
  if (schema.type === "boolean") return "boolean"
  if (isSecret(schema)) return "secret"
  if (schema.type === "integer" || schema.type === "number") return schema.type
  if (schema.type === "string") return {"date-time": "time", date: "date"}[schema.format] ?? "text"
  if (schema.type === "array" && ["string", "integer", "number"].includes(schema.items?.type) && !schema.items.enum) return "list"
  return "json"
}

// The fields in the author's order. `value` is the text that the form begins with: of what was `given` before, else of
// what the deployment gives by itself, else of the schema's default. A value with a secret in it is not known here: its
// field begins empty and says so (`kept`), and untouched it is left out, for the server to take from where it knows it.
export function fieldsOf(schema, given = {}, ofDeployment = {}) {
  const properties = schema?.properties ?? {}
  const position = ([, property], index) => [property.position ?? index, index]
  return Object.entries(properties)
    .map((entry, index) => ({entry, at: position(entry, index)}))
    .sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
    .map(({entry: [name, property]}) => {
      const resolved = resolve(property, schema)
      const items = resolved.items && resolve(resolved.items, schema)
      const own = items ? {...resolved, items} : resolved
      const kind = kindOf(own)
      const required = (schema.required ?? []).includes(name)
      const standard = Object.hasOwn(ofDeployment, name) ? ofDeployment[name] : own.default
      const secret = kind === "secret" || holdsSecret(property, schema)
      const field = {name, schema: own, kind, required, secret, label: own.title ?? name, help: own.description ?? "", default: standard}
      const known = Object.hasOwn(given, name)
      if (holdsMask(known ? given[name] : standard)) return {...field, secret: true, value: "", kept: known ? "job" : "deployment"}
      if (!known) return {...field, value: toText(field, standard)}
      return {...field, value: toText(field, given[name]), given: given[name]}
    })
}

const pad = (n) => String(n).padStart(2, "0")

// A value as the form's control shows it. Times are shown in the viewer's zone.
export function toText({kind}, value) {
  if (value === undefined || value === null) return ""
  if (kind === "boolean") return value ? "true" : "false"
  if (kind === "choice" || kind === "json") return JSON.stringify(value, null, kind === "json" ? 2 : 0)
  if (typeof value === "object" && kind !== "list") return "" // a block or a template of Prefect's
  if (kind === "list") return Array.isArray(value) ? value.join("\n") : ""
  if (kind === "time") {
    const time = new Date(value)
    if (Number.isNaN(time.getTime())) return ""
    return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}T${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  }
  return String(value)
}

// What the text means: {value}, {unset: true}, or {error}.
export function fromText(field, text) {
  const found = read(field, text)
  return field.secret && holdsMask(found.value) ? {error: t("invalid.mask")} : found
}

function read(field, text) {
  const {kind, schema, required} = field
  const empty = kind === "text" || kind === "secret" ? text === "" : text.trim() === ""
  if (empty) {
    const standard = field.default ?? null
    if (!required && standard !== null && schema.nullable) return {value: null}
    if (standard !== null && kind === "text") return textOf(schema, text)
    if (standard !== null && kind === "list") return listOf(schema, [])
    if (!required || standard !== null) return {unset: true}
    return {error: t("invalid.required")}
  }
  if (kind === "boolean") return {value: text === "true"}
  if (kind === "choice") {
    const known = schema.enum ?? [schema.const]
    const value = known.find((item) => JSON.stringify(item) === text)
    return value === undefined ? {error: t("invalid.choice")} : {value}
  }
  if (kind === "integer" || kind === "number") return numberOf(schema, text, kind)
  if (kind === "secret" && (schema.type === "integer" || schema.type === "number")) return numberOf(schema, text, schema.type)
  if (kind === "time") {
    const time = new Date(text)
    return Number.isNaN(time.getTime()) ? {error: t("invalid.date")} : {value: time.toISOString()}
  }
  if (kind === "date") return /^\d{4}-\d{2}-\d{2}$/.test(text) ? {value: text} : {error: t("invalid.date")}
  if (kind === "list") {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean)
    const values = lines.map((line) => (schema.items.type === "string" ? textOf(schema.items, line) : numberOf(schema.items, line, schema.items.type)))
    return values.find(({error}) => error) ?? listOf(schema, values.map(({value}) => value))
  }
  if (kind === "json") {
    return jsonOf(schema, text)
  }
  return textOf(schema, text)
}

// Numbers that a browser would round are refused: what runs must be what was typed.
const isRounded = (value) => Number.isInteger(value) && !Number.isSafeInteger(value)

function jsonOf(schema, text) {
  let rounded = false
  const look = (_, value, context) => {
    rounded ||= typeof value === "number" && isRounded(value) && /^-?\d+$/.test(context?.source ?? "")
    return value
  }
  let value
  try { value = JSON.parse(text, look) } catch { return schema.mixed ? {value: text} : {error: t("invalid.json")} }
  return rounded ? {error: t("invalid.large")} : {value}
}

function numberOf(schema, text, kind) {
  const value = Number(text)
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text.trim()) || !Number.isFinite(value)) return {error: t("invalid.number")}
  if (kind === "integer" && !Number.isInteger(value)) return {error: t("invalid.integer")}
  if (kind === "integer" && isRounded(value)) return {error: t("invalid.large")}
  const {minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf} = schema
  if (minimum !== undefined && value < minimum) return {error: t("invalid.least", {least: minimum})}
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return {error: t("invalid.more", {least: exclusiveMinimum})}
  if (maximum !== undefined && value > maximum) return {error: t("invalid.most", {most: maximum})}
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return {error: t("invalid.less", {most: exclusiveMaximum})}
  if (multipleOf && !Number.isInteger(value / multipleOf)) return {error: t("invalid.multiple", {of: multipleOf})}
  return {value}
}

function listOf({minItems, maxItems, uniqueItems}, values) {
  if (minItems !== undefined && values.length < minItems) return {error: t("invalid.few", {n: minItems})}
  if (maxItems !== undefined && values.length > maxItems) return {error: t("invalid.many", {n: maxItems})}
  if (uniqueItems && new Set(values).size < values.length) return {error: t("invalid.twice")}
  return {value: values}
}

function textOf({minLength, maxLength}, text) {
  const length = [...text].length
  if (minLength !== undefined && length < minLength) return {error: t("invalid.short", {n: minLength})}
  if (maxLength !== undefined && length > maxLength) return {error: t("invalid.long", {n: maxLength})}
  return {value: text}
}

// All fields together: the parameters to send, and the errors by name. What nobody touched is sent as it was given, to
// the last digit, or left to the server where it was not. `like` tells that secrets are to come from the job before;
// then what is left out comes from there too, so what was emptied is said outright.
export function parametersOf(fields, texts) {
  const parameters = {}
  const errors = {}
  const like = fields.some(({name, kept, value}) => kept === "job" && (texts[name] ?? "") === value)
  for (const field of fields) {
    const text = texts[field.name] ?? ""
    if (text === field.value) {
      if (field.kept) continue
      if ("given" in field) parameters[field.name] = field.given
      else if (field.required && (field.default ?? null) === null) errors[field.name] = t("invalid.required")
      continue
    }
    const {value, unset, error} = fromText(field, text)
    if (error) errors[field.name] = error
    else if (!unset) parameters[field.name] = value
    else if (like && "given" in field) {
      if ((field.default ?? null) === null && !field.schema.nullable) errors[field.name] = t("invalid.emptied")
      else parameters[field.name] = holdsMask(field.default) ? null : field.default ?? null
    }
  }
  return {parameters, errors, ...(like ? {like} : {})}
}

// What is said beside a field of what it may be.
export function limitsOf({schema, kind}) {
  if (kind !== "integer" && kind !== "number") return ""
  const {minimum: least, maximum: most, exclusiveMinimum: above, exclusiveMaximum: below} = schema
  if (least !== undefined && most !== undefined) return t("start.limits", {least, most})
  const lower = least !== undefined ? t("start.least", {least}) : above !== undefined ? t("start.more", {least: above}) : ""
  const upper = most !== undefined ? t("start.most", {most}) : below !== undefined ? t("start.less", {most: below}) : ""
  return [lower, upper].filter(Boolean).join(", ")
}
