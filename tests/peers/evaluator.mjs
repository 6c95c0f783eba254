// Evaluates each request of a file (one JSON object a line) with iam-simulate and prints one verdict a line.
// node evaluator.mjs FOLDER-WITH-node_modules FILE
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const [folder, file] = process.argv.slice(2)
const { runSimulation } = createRequire(resolve(folder) + '/')('@cloud-copilot/iam-simulate')
const named = (list) => (list ?? []).map((policy, index) => ({ name: `policy${index + 1}`, policy }))

const lines = []
for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  const asked = JSON.parse(line)
  const result = await runSimulation({
    request: {
      principal: asked.principal, action: asked.action, contextVariables: asked.context,
      resource: { resource: asked.resource, accountId: asked.resource_account },
    },
    identityPolicies: named(asked.identity),
    resourcePolicy: asked.resource_policy,
    permissionBoundaryPolicies: asked.boundary ? named([asked.boundary]) : undefined,
    sessionPolicy: asked.session,
    serviceControlPolicies: (asked.service_control ?? []).map((level, index) => ({ orgIdentifier: `ou-${index + 1}`, policies: named(level) })),
    resourceControlPolicies: [],
  }, {})
  const verdict = result.resultType === 'error' ? 'error' : result.overallResult === 'Allowed' ? 'allowed' : 'denied'
  lines.push(JSON.stringify({
    verdict, said: result.overallResult ?? JSON.stringify(result.errors), ignored: result.result?.ignoredContextKeys ?? [],
  }))
}
process.stdout.write(lines.join('\n') + '\n')
