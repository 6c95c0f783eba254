-- lua/names.lua: names carry the cluster.
local names = require "names"

local cluster = { id = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", name = "orders" }

test["role and alias carry the cluster's name and the last 12 of its UUID"] = function()
  test.equal(names.role(cluster), "crdb-cmek-orders-0f2c6e9d41b7")
  test.equal(names.alias(cluster), "alias/crdb-cmek-orders-0f2c6e9d41b7-g1")
  test.equal(names.alias(cluster, 12), "alias/crdb-cmek-orders-0f2c6e9d41b7-g12")
end

test["an alias tells its generation, and nobody else's alias does"] = function()
  test.equal(names.generation(cluster, "alias/crdb-cmek-orders-0f2c6e9d41b7-g12"), 12)
  for _, other in ipairs {
    "alias/crdb-cmek-orders-0f2c6e9d41b7-g", "alias/crdb-cmek-orders-0f2c6e9d41b7-g0", "alias/crdb-cmek-orders-0f2c6e9d41b7-g1x",
    "alias/crdb-cmek-order-0f2c6e9d41b7-g1", "alias/crdb-cmek-orders-0f2c6e9d41b8-g1", "alias/other" } do
    test.equal(names.generation(cluster, other), nil)
  end
end

test["a long or strange name stays within what IAM and KMS allow"] = function()
  local strange = { id = cluster.id, name = ("a.b/c "):rep(30) }
  test.equal(#names.role(strange), 64)
  test.matches(names.role(strange), "^[%w+=,.@-]+$")
  test.matches(names.role(strange), "%-0f2c6e9d41b7$")
  test.matches(names.alias(strange), "^alias/[%w/_-]+%-g1$")
end

test["an engine that cmek mounts in Vault says for which cluster; nobody else's description does"] = function()
  for _, name in ipairs { "orders", "a (b) c", "" } do
    test.equal(names.mounted_for(names.mount_description { id = cluster.id, name = name }), cluster.id)
  end
  for _, other in ipairs { "", "cmek", "key material for cmek: for CockroachDB cluster orders (8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7)",
    "cmek: for CockroachDB cluster orders (8b6d7a10)" } do
    test.equal(names.mounted_for(other), nil)
  end
  test.equal(names.mounted_for(nil), nil)
end
