// A form from a type's parameter schema, pure: which fields there are, what a typed text means, what is wrong with it.
// The server checks again; here the same rules are told while somebody types.
import {t} from "./texts.js"

// The schema that counts: `#/…` references followed, `X or null` read as X that may be left out.
export function resolve(schema, root) {
  let found = schema ?? {}
  for (let hops = 0; typeof found.$ref === "string" && hops < 20; hops++) {
    const target = found.$ref.replace(/^#\//, "").split("/").reduce((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root)
    const {$ref, ...beside} = found
    found = {...target, ...beside}
  }
  if (Array.isArray(found.allOf) && found.allOf.length === 1) {
    const {allOf, ...beside} = found
    return resolve({...resolve(allOf[0], root), ...beside}, root)
  }
  const choices = found.anyOf ?? found.oneOf
  if (Array.isArray(choices)) {
    const {anyOf, oneOf, ...beside} = found
    const real = choices.map((choice) => resolve(choice, root)).filter((choice) => choice.type !== "null")
    const nullable = real.length < choices.length
    if (real.length === 1) return {...real[0], ...beside, nullable: nullable || real[0].nullable}
    // Enums side by side are one choice; anything else is written as JSON.
    if (real.length && real.every((choice) => Array.isArray(choice.enum) || "const" in choice)) {
      return {...beside, enum: real.flatMap((choice) => choice.enum ?? [choice.const]), nullable}
    }
    const dated = real.find((choice) => choice.format === "date-time") ?? real.find((choice) => choice.format === "date")
    return dated ? {...dated, ...beside, nullable} : {...beside, mixed: true, nullable}
  }
  if (Array.isArray(found.type)) {
    const real = found.type.filter((type) => type !== "null")
    return real.length === 1 ? {...found, type: real[0], nullable: real.length < found.type.length} : {...found, type: undefined, mixed: true}
  }
  return found
}

export const kindOf = (schema) => {
  if ("const" in schema) return "choice"
  if (Array.isArray(schema.enum)) return "choice"
  if (schema.type === "boolean") return "boolean"
  if (schema.type === "integer" || schema.type === "number") return schema.type
  if (schema.type === "string") return {"date-time": "time", date: "date"}[schema.format] ?? (schema.format === "password" || schema.writeOnly ? "secret" : "text")
  if (schema.type === "array" && ["string", "integer", "number"].includes(schema.items?.type) && !schema.items.enum) return "list"
  return "json"
}

// The fields in the author's order. `value` is the text that the form begins with: of what was `given` before, else of
// what the deployment gives by itself, else of the schema's default.
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
      const standard = name in ofDeployment ? ofDeployment[name] : own.default
      const field = {name, schema: own, kind, required, label: own.title ?? name, help: own.description ?? "", default: standard}
      if (!(name in given)) return {...field, value: toText(field, standard)}
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
  if (!/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) || !Number.isFinite(value)) return {error: t("invalid.number")}
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

function textOf({minLength, maxLength, pattern}, text) {
  const length = [...text].length
  if (minLength !== undefined && length < minLength) return {error: t("invalid.short", {n: minLength})}
  if (maxLength !== undefined && length > maxLength) return {error: t("invalid.long", {n: maxLength})}
  if (pattern !== undefined) {
    let fits = true
    try { fits = new RegExp(pattern, "u").test(text) } catch { /* a pattern of another language: the server knows */ }
    if (!fits) return {error: t("invalid.pattern", {pattern})}
  }
  return {value: text}
}

// All fields together: the parameters to send, and the errors by name. What nobody touched is sent as it was given, to
// the last digit, or left to the server where it was not.
export function parametersOf(fields, texts) {
  const parameters = {}
  const errors = {}
  for (const field of fields) {
    const text = texts[field.name] ?? ""
    if (text === field.value) {
      if ("given" in field) parameters[field.name] = field.given
      else if (field.required && (field.default ?? null) === null) errors[field.name] = t("invalid.required")
      continue
    }
    const {value, unset, error} = fromText(field, text)
    if (error) errors[field.name] = error
    else if (!unset) parameters[field.name] = value
  }
  return {parameters, errors}
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
