// node act.mjs ACT JSON: one act in a real browser. What it saw is the last line, as JSON.
// On failure the page's text goes to stderr, and a picture to JSON's `failed`.
import { chromium } from 'playwright-core'
import * as acts from './acts.mjs'
import { open } from './ui.mjs'

const [name, given] = process.argv.slice(2)
const wanted = JSON.parse(given)
const page = await open(chromium, wanted.chromium)
const errors = []
page.on('pageerror', (error) => errors.push(error.message))
page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
try {
  const seen = await acts[name](page, wanted)
  console.log(JSON.stringify({ seen, errors }))
} catch (error) {
  console.error(`${name}: ${error.message}\n${page.url()}`)
  console.error(await page.locator('body').ariaSnapshot().catch(() => 'the page does not answer'))
  await page.screenshot({ path: wanted.failed }).catch(() => {})
  process.exitCode = 1
} finally {
  await page.context().browser().close()
}
