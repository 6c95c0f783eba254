--- IAM policy documents: build the two that the vendor's page asks for, compare by meaning, evaluate who may do what.
--- Documents are JSON text or tables, wherever a function takes one. Nothing here talks to a service.
local build = require("policy.build")
local compare = require("policy.compare")
local condition = require("policy.condition")
local document = require("policy.document")
local evaluate = require("policy.evaluate")

return {
  -- reading and writing: policy/document.lua
  parse = document.parse,
  json = document.json,
  validate = document.validate,
  -- the page's documents: policy/build.lua
  cross_account = build.cross_account,
  cmek = build.cmek,
  -- wanted and found: policy/compare.lua
  differences = compare.differences,
  foreign = compare.foreign,
  merge = compare.merge,
  equal = compare.equal,
  covers = compare.covers,
  orphans = compare.orphans,
  -- who may do what: policy/evaluate.lua
  evaluate = evaluate.evaluate,
  -- in a context: a key that the request will have or not, and nobody can say
  UNSEEN = condition.UNSEEN,
}
