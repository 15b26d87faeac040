// Every word of the page comes from one file, `texts.json`, which the server puts into the page: a translation is that
// file in another language, and needs no new bundle.
import {number} from "./numbers.js"

const place = document.getElementById("texts")
const texts = place ? JSON.parse(place.textContent) : {}

// The text of this name, with `{name}` filled in. One of two forms is chosen by `n`, which is written as a number.
export function t(name, values = {}) {
  let text = texts[name] ?? name
  if (Array.isArray(text)) text = text[values.n === 1 ? 0 : 1]
  return text.replace(/\{(\w+)\}/g, (whole, key) => {
    const value = values[key]
    return value === undefined ? whole : typeof value === "number" ? number(value) : value
  })
}

export const has = (name) => Object.hasOwn(texts, name)
