--- The vendor page's "any mapping of keys to regions": a key and a role for every region, written out here. It is made to be changed:
--- cmek recipes eject multi-region my.lua, edit the table, cmek plan ./my.lua --cluster NAME. What an entry may say: cmek help layouts.
local console = require "console"

local MAP = {
  ["us-east-1"] = {},                               -- a key of its own; it has a replica, so it is a multi-Region key
  ["us-west-2"] = { replica_of = "us-east-1" },     -- the replica: the same material beside other nodes
  ["eu-west-1"] = {},                               -- a key that shares nothing with the others
  -- ["eu-west-2"] = { key = "eu-west-1" },                     the key of another region: allowed, slower, and lost with it
  -- ["eu-north-1"] = { key = "arn:aws:kms:…:key/…" },          a key that is there
  -- ["ap-south-1"] = { role = "crdb-cmek-asia" },              a role of its own
}

-- The arguments of the recipe `console`, but for those that the table stands for.
local args = {}
for _, argument in ipairs(console.args) do
  if argument[1] ~= "layout" and argument[1] ~= "key" then args[#args + 1] = argument end
end

return {
  api     = 1,
  summary = "Create keys and roles by a mapping of regions that stands in the recipe: eject it and edit it",
  args    = args,
  touches = { "cloud", "iam", "kms" },

  -- Every region of the cluster once, and no other: that is checked first. Then Step 1 and Step 2 as `console` has them.
  run = function(arg)
    arg.layout = MAP
    return console.run(arg)
  end,
}
