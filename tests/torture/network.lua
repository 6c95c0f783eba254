-- What a bad network and tired services do to requests, while the faults last.

local json = require "json"

local M = {}

local function throttled(request)
  if request.target:find "^/api/" then
    return { status = 429, headers = { { "Retry-After", "1" }, { "Content-Type", "application/json" } },
      body = '{"code":8,"message":"rate limit exceeded","details":[]}' }
  end
  for _, header in ipairs(request.headers) do
    if header[1]:lower() == "x-amz-target" then
      return { status = 400, headers = {}, body = json.encode { __type = "ThrottlingException", message = "Rate exceeded" } }
    end
  end
  return { status = 400, headers = {}, body = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
    .. "<Message>Rate exceeded</Message></Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>" }
end

local function broken() return { status = 503, headers = { { "Content-Type", "text/html" } }, body = "<html>Service Unavailable</html>" } end

local function cut(_, response)
  return { status = response.status, headers = response.headers, body = response.body:sub(1, #response.body // 2) }
end

-- What Vault says when it is asked too often, is sealed at this moment, or asks a node that has not caught up.
local function vault(status, text)
  return function()
    return { status = status, headers = { { "Content-Type", "application/json" }, status == 429 and { "Retry-After", "1" } or nil },
      body = json.encode { errors = json.array { text } } }
  end
end

-- Kinds of bad luck with their weight; each describes one request's way.
local KINDS <const> = {
  { 4, function() return { lose_request = "connection reset by peer" } end },
  { 6, function() return { lose_answer = "connection reset by peer" } end },
  { 3, function() return { unsent = "connection refused" } end },
  { 4, function() return { instead = throttled } end },
  { 3, function() return { instead = broken } end },
  { 4, function() return { after = broken } end },
  { 2, function() return { after = cut } end },
  { 2, function(chance) return { give_up = 60, up = 60 + 40 * chance:uniform() } end },
}

-- A throttled Vault has words of its own; and there is more that may come between.
local VAULT_KINDS <const> = {
  { 4, function() return { instead = vault(429, 'request path "transit/": rate limit quota exceeded') } end },
  { 3, function() return { instead = vault(503, "Vault is sealed") } end },
  { 3, function() return { instead = vault(412, "required index state not present") } end },
  { 3, function() return { after = vault(500, "internal error") } end },
}
table.move(KINDS, 1, 3, #VAULT_KINDS + 1, VAULT_KINDS)   -- not the throttling of AWS and the Cloud
table.move(KINDS, 5, #KINDS, #VAULT_KINDS + 1, VAULT_KINDS)

local function pick(kinds, chance)
  local total = 0
  for _, kind in ipairs(kinds) do total = total + kind[1] end
  local at = chance:uniform() * total
  for _, kind in ipairs(kinds) do
    at = at - kind[1]
    if at < 0 then return kind[2](chance) end
  end
  return {}
end

--- A network for sim.world: `rate` of the requests have bad luck until the time that `until_time` gives.
---@param options { chance: table, rate: number, until_time: fun(): number }
function M.new(options)
  local chance = options.chance
  return function(world, request)
    local up, down = 0.005 + 0.2 * chance:uniform(), 0.005 + 0.2 * chance:uniform()
    if world.now >= options.until_time() or not chance:chance(options.rate) then return { up = up, down = down } end
    local way = pick(request.url:find("/v1/", 1, true) and not request.url:find("/api/", 1, true) and VAULT_KINDS or KINDS, chance)
    way.up, way.down = way.up or up, way.down or down
    return way
  end
end

return M
