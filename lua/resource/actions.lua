--- What each kind of thing may call, by service. The door is told of all of them before a recipe runs, so they stand together: no kind has
--- to be loaded for that, and who may what is read in one place.

-- Of a key, and what is a replica's alone.
local function of_key(...)
  return { kms = { "ListAliases", "ListKeys", "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus",
    "CreateKey", "CreateAlias", "PutKeyPolicy", "EnableKeyRotation", "TagResource", "UntagResource", "DisableKey", "ListGrants",
    "ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey", "DeleteAlias", "GetParametersForImport", "ImportKeyMaterial", ... },
    tagging = { "GetResources" }, iam = { "GetRole" }, cloud = { "GetCMEKClusterInfo" } }
end

-- Of a change to what the Cloud uses, before which role and keys are held against what it needs.
local function of_cloud(...)
  return { cloud = { "GetCMEKClusterInfo", "GetCluster", ... }, iam = { "GetRole" },
    kms = { "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus" } }
end

local CLUSTERS <const> = { "ListClusters", "GetCMEKClusterInfo" }   -- who else names a thing
local REVOCATION <const> = { kms = { "DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListGrants" }, iam = { "GetRole" }, cloud = CLUSTERS }

---@type table<string, table<string, string[]>>
return {
  role = { iam = { "GetRole", "ListRoleTags", "ListAttachedRolePolicies", "ListRolePolicies", "CreateRole", "UpdateAssumeRolePolicy",
    "TagRole", "PutRolePermissionsBoundary", "GetPolicy", "GetPolicyVersion", "SimulatePrincipalPolicy", "ListInstanceProfilesForRole",
    "DeleteRole" } },
  role_use = { iam = { "GetRolePolicy", "PutRolePolicy", "DeleteRolePolicy" } },
  adopted_role = { iam = { "GetRole", "ListRoleTags", "ListAttachedRolePolicies", "ListRolePolicies", "TagRole" }, cloud = CLUSTERS },

  key = of_key(), replica = of_key "ReplicateKey",
  adopted_key = { kms = { "ListAliases", "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus", "TagResource",
    "CreateAlias" }, cloud = CLUSTERS },
  material_rotation = { kms = { "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus", "ListKeyRotations",
    "RotateKeyOnDemand" }, cloud = { "GetCMEKClusterInfo" } },

  cluster_cmek = of_cloud "EnableCMEKSpec", cmek_rotation = of_cloud "UpdateCMEKSpec",
  cluster_regions = of_cloud("UpdateCluster", "UpdateCMEKSpec", "ListAvailableRegions"),

  revoked_key = REVOCATION, restored_key = REVOCATION,
  revoked_cluster = { cloud = { "GetCMEKClusterInfo", "UpdateCMEKStatus", "GetCluster", "ListClusters" }, kms = { "GetKeyPolicy" } },
  restored_cluster = { cloud = { "GetCMEKClusterInfo" } },

  vault_mount = { vault = { "InspectMount", "EnableMount", "DisableMount", "ReadCapabilities", "TransitListKeys", "KeymgmtListKeys",
    "KeymgmtListProviders" } },
  transit_key = { vault = { "TransitReadKey", "TransitCreateKey", "TransitConfigureKey", "TransitRotateKey", "TransitListKeys",
    "TransitDeleteKey", "TransitDeleteTemporaryKey" } },
  vault_provider = { vault = { "KeymgmtReadProvider", "KeymgmtWriteProvider", "KeymgmtListKeyProviders", "KeymgmtDeleteProvider",
    "KeymgmtListDistributions" }, iam = { "GetRole" }, kms = { "ListResourceTags" }, cloud = { "GetCMEKClusterInfo" } },
  vault_key = { vault = { "KeymgmtReadKey", "KeymgmtWriteKey", "KeymgmtRotateKey", "KeymgmtListKeyProviders", "KeymgmtDeleteKey" },
    kms = { "ListResourceTags" }, cloud = { "GetCMEKClusterInfo" } },
  vault_distribution = { vault = { "KeymgmtReadDistribution", "KeymgmtDistribute", "KeymgmtListKeyProviders", "KeymgmtDeleteDistribution" },
    kms = { "ListAliases", "ListKeys", "DescribeKey", "ListResourceTags" }, cloud = { "GetCMEKClusterInfo" } },
  rotation_lock = { vault = { "KvReadLock", "KvReadMetadata", "KvWrite", "InspectMount", "ReadCapabilities" } },
}
