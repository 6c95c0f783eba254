-- Each planted fault is caught by an invariant that it breaks, in a history that ends well without it.
-- A fault says in which history it was seen to show (`seed`). Where changes have moved it, the first 2,000 are searched, and what
-- is to be written instead is printed.

local faults = dofile "tests/torture/fault.lua"

local SEEDS <const> = 2000
local FAULTS <const> = { "create_key_retried", "journaled_after_sending", "unlisted_is_free", "alias_not_read_back",
  "open_attempts_forgotten", "policy_replaced", "deny_ignored", "destroy_unasked", "enabled_keys_only", "role_before_keys", "alias_before_schedule",
  "key_state_unseen", "map_from_plan", "replica_alone",
  -- of keys whose material is from Vault
  "alias_before_material", "import_believed", "latest_exported", "material_expires", "data_key_kept", "copy_kept", "temporary_forgotten",
  "copy_deleted_early", "engine_not_empty", "leftovers_untold",
  -- of rotation
  "old_key_disabled", "rotated_again" }

-- Plays one history of a fault's kind: the invariant that it breaks and how, nil when it ends well.
local function play(scene, fault, seed, calm)
  return scene.new { seed = seed, calm = calm, recipe = fault.recipe, story = fault.story }:run()
end

-- The first history that breaks one of the fault's invariants; the one that the fault names goes before all others.
local function search(scene, fault)
  local wanted = {}
  for _, invariant in ipairs(fault.invariants) do wanted[invariant] = true end
  if fault.seed and wanted[play(scene, fault, fault.seed) or ""] then return fault.seed end
  for seed = 1, SEEDS do
    if wanted[play(scene, fault, seed) or ""] then return seed end
  end
end

-- What a fault does: without bad luck nothing that shows, unless it says that it does; with it one of its invariants breaks, and
-- without the fault none does in the same history.
local function caught(name)
  local file = ("tests/faults/%s.lua"):format(name)
  local fault, seed = faults.with(file, function(scene, fault)
    test.equal(not fault.shows and play(scene, fault, fault.seed or 1, true) or nil, nil)
    return fault, search(scene, fault)
  end)
  test.truthy(seed, ("not seen in %d histories: is it a fault still?"):format(SEEDS))
  if seed ~= fault.seed then print(("note     %s: write seed = %d; what was its history is another one now"):format(file, seed)) end
  test.equal(faults.with(nil, function(scene) return play(scene, fault, seed) end), nil)
end

for _, name in ipairs(FAULTS) do
  test["caught by its invariant: " .. name:gsub("_", " ")] = function() caught(name) end
end
