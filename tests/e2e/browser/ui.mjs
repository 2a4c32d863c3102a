// What a person does in the Prefect UI, found by role and text.

const START = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
]

/** A browser with an empty profile of its own, and one page, which is under the gateway's policy. */
export async function open(chromium, executablePath, policy) {
  const browser = await chromium.launch({ executablePath, args: START, timeout: 120_000 })
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(90_000)
  await page.route((url) => url.protocol === 'http:' && !url.pathname.startsWith('/api/'), async (route) => {
    if (route.request().resourceType() !== 'document') return route.continue()
    const response = await route.fetch()
    const headers = { ...response.headers(), 'content-security-policy': policy }
    await route.fulfill({ response, headers })
  })
  return page
}

/** Save what the page shows, once the UI has faded in. */
export async function picture(page, file, height = 800) {
  if (!file) return
  await page.setViewportSize({ width: 1280, height })
  await page.mouse.move(0, 0)
  await page.waitForTimeout(1000)
  await page.screenshot({ path: file, animations: 'disabled' })
}

/** From the list to a deployment's page. */
export async function openDeployment(page, ui, name) {
  await page.goto(`${ui}/deployments`)
  // The list has ten to a page.
  await page.getByPlaceholder('Search deployments').fill(name)
  await page.getByRole('link', { name, exact: true }).first().click()
  await page.getByRole('button', { name: 'Run', exact: true }).waitFor()
}

/** From a deployment's page to its form. */
export async function openForm(page) {
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.getByRole('link', { name: 'Custom run' }).click()
  await page.getByRole('heading', { name: 'Parameters' }).waitFor()
  await page.getByText(/^environment/).waitFor()
}

/** The input of a parameter: the first group after its name. */
export function field(page, parameter) {
  const name = page.getByText(new RegExp(`^${parameter}( \\(Optional\\))?$`))
  return name.locator('xpath=following::fieldset[1]')
}

/** Open a choice with the keyboard, as its button does not answer the mouse until it has focus. */
export async function choices(page, parameter) {
  await field(page, parameter).getByRole('button').press('ArrowDown')
  await page.getByRole('option').first().waitFor()
  return page.getByRole('option').allInnerTexts()
}

/** Choose one of an open choice. */
export async function choose(page, parameter, value) {
  await page.getByRole('option', { name: value, exact: true }).click()
  await field(page, parameter).getByRole('button', { name: value, exact: true }).waitFor()
}

/** A tab of a page, by its title. */
export async function tab(page, title) {
  await page.getByRole('tablist').getByText(title, { exact: true }).first().click()
}

/** Press a button as a person does when a busy server did not answer: again, five times. */
export async function pressUntil(button, thing, state) {
  for (let press = 1; press <= 5; press++) {
    await button.click()
    const done = await thing.waitFor({ state, timeout: 20_000 }).then(() => true, () => false)
    if (done) return
  }
  throw new Error('the server did not take the form')
}

/** Submit the form; returns the run that it made. */
export async function submit(page) {
  for (let press = 1; press <= 5; press++) {
    const answered = page.waitForResponse((r) => r.url().endsWith('/create_flow_run'))
    await page.getByRole('button', { name: 'Submit', exact: true }).click()
    const answer = await answered
    if (answer.ok()) {
      await page.getByRole('button', { name: 'View run' }).first().waitFor()
      return (await answer.json()).id
    }
    // A database that is locked for a moment: the form says so and stays as it is.
    await page.waitForTimeout(3000)
  }
  throw new Error('the server took the form five times and created no run')
}
