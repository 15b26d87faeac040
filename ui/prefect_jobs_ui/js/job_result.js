// What came out of a job, and what it was started with.
import {html} from "htm/preact"
import {Icon} from "./drawing.js"
import {t} from "./texts.js"

// Only a path below the API's exports becomes a link: a result is data, and data may say `javascript:`.
export const downloadOf = (result) => {
  const path = result?.file_path
  return typeof path === "string" && /^\/api\/exports\/[^/?#\\]+$/.test(path) ? path : null
}

export function Result({result}) {
  const path = downloadOf(result)
  return html`<section class="panel result" aria-labelledby="result-title" data-testid="job-result">
    <div class="result-bar"><h3 id="result-title">${t("result")}</h3>
      ${path && html`<a class="button small" href=".${path}" download><${Icon} name="download" />${t("result.download")}</a>`}</div>
    <pre tabindex="0" aria-label=${t("result")}>${JSON.stringify(result, null, 2)}</pre>
  </section>`
}

export function Parameters({values}) {
  const given = Object.entries(values ?? {})
  if (!given.length) return null
  return html`<details class="panel parameters" data-testid="job-parameters"><summary><${Icon} name="chevron" />${t("parameters")}</summary>
    <dl>${given.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${typeof value === "string" ? value : JSON.stringify(value)}</dd></div>`)}</dl></details>`
}
