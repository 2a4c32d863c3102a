// node act.mjs ACT JSON: one act in a real browser. What it saw is the last line, as JSON.
// On failure the page's text goes to stderr, and a picture to JSON's `failed`.
import { chromium } from 'playwright-core'
import * as acts from './acts.mjs'
import { open } from './ui.mjs'

const [name, given] = process.argv.slice(2)
const wanted = JSON.parse(given)
const page = await open(chromium, wanted.chromium, wanted.policy)
const errors = []
const refused = []
page.on('pageerror', (error) => errors.push(error.message))
page.on('response', (answer) => {
  if (answer.status() >= 400) refused.push(`${answer.status()} ${new URL(answer.url()).pathname}`)
})
// What could not be loaded has its address in `refused`, and none in the console.
page.on('console', (message) => {
  const text = message.text()
  if (message.type() === 'error' && !text.startsWith('Failed to load resource')) errors.push(text)
})
try {
  const seen = await acts[name](page, wanted)
  console.log(JSON.stringify({ seen, errors, refused }))
} catch (error) {
  console.error(`${name}: ${error.message}\n${page.url()}`)
  console.error(await page.locator('body').ariaSnapshot().catch(() => 'the page does not answer'))
  await page.screenshot({ path: wanted.failed }).catch(() => {})
  process.exitCode = 1
} finally {
  await page.context().browser().close()
}
