return [[
Functions
  What recipes, scripts (cmek exec) and the prompt call. cmek help NAME says what one takes, gives, does and raises, with an example:

    cmek help kms.create_key       a function; at the prompt: help(kms.create_key), or ?kms.create_key
    cmek help kms                  the functions of a table, each in a line; those of Vault: cmek help functions vault
    cmek help ensure key           what ensure takes for a kind of thing; cmek help ensure lists the kinds
    cmek help meta >cmek.lua       all of it for an editor with a language server for Lua, beside your recipes

  Functions of services are named after the API's operations, and take and give what the API has, by its names. Those of AWS that have a
  region are told it; lists are whole. What a service refuses is raised: no recipe handles it.

]]
