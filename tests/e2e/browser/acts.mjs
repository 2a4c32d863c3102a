// One function an act. Each returns what it saw; the test checks it.
import { choices, choose, field, openDeployment, openForm, picture, pressUntil, submit, tab } from './ui.mjs'

const ENDED = /^(Completed|Failed|Crashed|Cancelled)$/

/** The list of deployments with their tags; where room is short it shows the others' number. */
export async function deployments(page, { ui, image }) {
  await page.goto(`${ui}/deployments`)
  const rows = page.getByRole('row').filter({ has: page.getByRole('link') })
  await rows.nth(5).waitFor()
  await picture(page, image, 640)
  const seen = {}
  // The list has ten to a page.
  const place = page.locator('p').filter({ hasText: /Page\s+\d+\s+of/ })
  for (;;) {
    for (const row of await rows.all()) {
      const name = await row.getByRole('link').first().innerText()
      seen[name] = await row.getByRole('cell').nth(4).innerText()
    }
    const [at, last] = (await place.innerText()).match(/\d+/g).map(Number)
    if (at === last) return seen
    await place.locator('xpath=following::button[1]').click()
    await place.filter({ hasText: new RegExp(`Page\\s+${at + 1}\\s+of`) }).waitFor()
  }
}

/** Run a deployment from its form; returns the run, and what page and form say. */
export async function start(page, { ui, deployment, environment, values = {}, image }) {
  await openDeployment(page, ui, deployment)
  await tab(page, 'Description')
  await page.getByRole('article').first().waitFor()
  const described = await page.locator('body').innerText()
  await openForm(page)
  const fields = await parameters(page)
  const offered = await choices(page, 'environment')
  await choose(page, 'environment', environment)
  for (const [name, value] of Object.entries(values)) {
    await field(page, name).getByRole('textbox').fill(value)
  }
  await picture(page, image, 1000)
  return { described, fields, offered, run: await submit(page) }
}

/** Each parameter of the form from top to bottom: its description, and its value. */
async function parameters(page) {
  const seen = []
  for (const group of await page.locator('fieldset').filter({ hasNot: page.locator('fieldset') }).all()) {
    const box = group.getByRole('textbox')
    const label = group.locator('xpath=preceding::label[1]')
    const name = (await label.innerText()).replace('(Optional)', '').trim()
    const text = await group.locator('xpath=preceding::article[1]').innerText()
    seen.push({ name, text, value: (await box.count()) ? await box.inputValue() : null })
  }
  return seen
}

/** A run's page when the run has ended: its state and log. */
export async function run(page, { ui, run, contains, image }) {
  await page.goto(`${ui}/runs/flow-run/${run}`)
  const state = await reached(page, ENDED)
  await tab(page, 'Logs')
  await page.getByText(contains).first().waitFor()
  await picture(page, image)
  return { state: await state.innerText(), log: await page.getByRole('code').first().innerText() }
}

/** Wait for a state; the page stops looking once the server was too busy to answer. */
async function reached(page, wanted) {
  const state = page.getByText(wanted).first()
  for (let look = 0; look < 12; look++) {
    await state.waitFor({ timeout: 15_000 }).catch(() => page.reload())
    if (await state.isVisible()) return state
  }
  throw new Error(`the run never was ${wanted}`)
}

/** The link to an artifact; the page does not look again for what was stored after it was opened. */
async function stored(page, key) {
  const link = page.getByRole('link', { name: key }).first()
  for (let look = 0; look < 12; look++) {
    await tab(page, 'Artifacts')
    await link.waitFor({ timeout: 10_000 }).catch(() => page.reload())
    if (await link.isVisible()) return link
  }
  throw new Error(`the run's page never showed ${key}`)
}

/** An artifact of a run, opened from the run's page. */
export async function artifact(page, { ui, run, key, contains, image }) {
  await page.goto(`${ui}/runs/flow-run/${run}`)
  await stored(page, key).then((link) => link.click())
  await page.getByText(contains).first().waitFor()
  await picture(page, image)
  return { url: page.url(), text: await page.locator('body').innerText() }
}

/** A page as a phone shows it, by its address, as a notification links it. */
export async function onAPhone(page, { address, contains, width }) {
  await page.setViewportSize({ width, height: 800 })
  await page.goto(address)
  await page.getByText(contains).first().waitFor()
  return { text: await page.locator('body').innerText() }
}

/** Resume a run that waits, with an answer. */
export async function approve(page, { ui, run, approver, reason, image }) {
  await page.goto(`${ui}/runs/flow-run/${run}`)
  await reached(page, /^Paused$/)
  await page.getByRole('button', { name: 'Resume', exact: true }).click()
  const form = page.getByRole('dialog')
  const press = form.getByRole('button', { name: 'Submit', exact: true })
  await form.getByText('Approver', { exact: true }).waitFor()
  const said = await form.innerText()
  await field(form, 'Approver').getByRole('textbox').fill(approver)
  await field(form, 'Reason').getByRole('textbox').fill(reason)
  await picture(page, image)
  await pressUntil(press, form, 'hidden')
  return { said }
}

/** The status page, a file: its text, what it loaded, what overflows, and text that is hard to read. */
export async function statusPage(page, { page: url, width, scheme, image }) {
  const requests = []
  page.on('request', (request) => requests.push(request.url()))
  await page.emulateMedia({ colorScheme: scheme })
  await page.setViewportSize({ width, height: 800 })
  await page.goto(url)
  await picture(page, image)
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth)
  const text = await page.locator('body').innerText()
  return { requests, wide, text, faint: await page.evaluate(faintTexts) }
}

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3); runs in the page. */
function faintTexts() {
  const parts = (color) => color.match(/[\d.]+/g).map(Number)
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor)
      if (color.length === 3 || color[3] > 0) return color
    }
    return [255, 255, 255]
  }
  const faint = []
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement
    if (!texts.currentNode.textContent.trim() || element.closest('svg, style')) continue
    const both = [parts(getComputedStyle(element).color), behind(element)].map(luminance)
    const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05)
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)}: ${texts.currentNode.textContent.trim()}`)
  }
  return faint
}
