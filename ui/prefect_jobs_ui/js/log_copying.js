// Lines as text for the clipboard, in the form of the downloaded file.
import {plain} from "./log_text.js"
import {t} from "./texts.js"

const MOST = 20_000_000 // characters: more belongs into a file

export const textOf = (lines, {times}) =>
  lines.map(({timestamp, level, message}) => `${times ? `${timestamp} ` : ""}${level.padEnd(7)} ${plain(message)}`).join("\n")

export class TooLong extends Error {}

// A whole file's text; throws TooLong before it is read to its end.
export async function read(address) {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(t("api.answered", {status: String(answer.status)}))
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value
    if (text.length > MOST) {
      await reader.cancel()
      throw new TooLong()
    }
  }
  return text
}

// A page that is served without TLS has no clipboard of its own: there the browser's old command helps.
export async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  const area = document.createElement("textarea")
  area.value = text
  area.className = "sr-only"
  document.body.append(area)
  area.select()
  const done = document.execCommand("copy")
  area.remove()
  if (!done) throw new Error("refused")
}
