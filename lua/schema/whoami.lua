local s = require "schema"

local text_or_null, time_or_null = s.or_null(s.text), s.or_null(s.time)

return s.document("cmek.whoami/1", "Which AWS account, as whom, by which credentials and until when; where its services are and why; "
  .. "which organization, by which key and what it may do.", {
  aws = s.object { account_id = text_or_null, arn = text_or_null, ["user_id?"] = text_or_null, kind = text_or_null, source = text_or_null,
    place = text_or_null, access_key_id = text_or_null, ["until"] = time_or_null, ends = time_or_null, expired_at = time_or_null,
    profile = text_or_null, profile_source = text_or_null, region = text_or_null, region_source = text_or_null, partition = text_or_null,
    notes = s.list(s.text), ["error?"] = s.failure },
  endpoints = s.list(s.object { service = s.text, url = s.text, source = s.text }),
  network = s.object { proxies = s.list(s.object { variable = s.text, value = s.text }), ca_bundle = text_or_null, ca_bundle_source = text_or_null },
  organization = s.or_null(s.object { id = s.text, ["name?"] = s.text, ["label?"] = s.text }),
  cloud = s.object { server = s.text, server_source = s.text, credential = text_or_null, clusters_seen = s.or_null(s.count),
    clusters = s.list(s.object { id = s.text, name = s.text, cmek = s.one_of { "allowed", "denied", "unknown" }, ["reason?"] = s.text }),
    ["error?"] = s.failure },
  vault = s.or_null(s.object { address = text_or_null, address_source = text_or_null, namespace = text_or_null, version = text_or_null,
    edition = text_or_null, sealed = s.or_null(s.boolean), node = text_or_null, source = text_or_null, display_name = text_or_null,
    policies = s.list(s.text), token_type = text_or_null, ["until"] = time_or_null, renewable = s.or_null(s.boolean), ["error?"] = s.failure }),
})
