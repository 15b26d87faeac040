// Text to the clipboard, and whether it got there for the next two seconds. Where the browser gives no clipboard (plain
// http on another host), the old way through a hidden field works.
import {useEffect, useState} from "preact/hooks"

const SHOWN_MS = 2000

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const field = document.createElement("textarea")
    field.value = text
    field.className = "sr-only"
    const home = document.querySelector("[role=dialog]") ?? document.body
    home.append(field)
    const before = document.activeElement
    field.select()
    document.execCommand("copy")
    field.remove()
    before?.focus?.({preventScroll: true})
  }
}

export function useCopy() {
  const [copied, setCopied] = useState(0)
  useEffect(() => {
    if (!copied) return undefined
    const timer = setTimeout(() => setCopied(0), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [copied])
  return [copied > 0, async (text) => { await copyText(text); setCopied((n) => n + 1) }]
}
