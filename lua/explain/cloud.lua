--- What CockroachDB Cloud refuses.
local KEYS <const> = "service accounts and their API keys are made in the Cloud Console under Access Management > Service accounts"

return {
  { id = "cloud.no-key", title = "no API key for CockroachDB Cloud",
    cause = "cmek asks CockroachDB Cloud about the cluster with the key of a service account, and none is set",
    evidence = "neither COCKROACH_API_KEY nor COCKROACH_API_JWT is in the environment",
    next = "export COCKROACH_API_KEY=… (" .. KEYS .. "); to try cmek without any",
    commands = { "cmek sim -- cmek plan console --cluster orders" } },

  { id = "cloud.key-refused", title = "the Cloud does not know the API key",
    fits = { service = "cloud", status = 401 }, exit = "credentials",
    cause = "the key is mistyped, cut, deleted, or of another organization",
    evidence = "the Cloud answers 401 to {source}",
    next = "the Cloud does not accept {source}: check it, or make another; " .. KEYS },

  { id = "cloud.no-operator", title = "the API key's service account lacks the role Cluster Operator",
    fits = { service = "cloud", status = 403 },
    cause = "CMEK is read and set by Cluster Operator or Cluster Admin alone, and the service account of this key is neither on this cluster",
    evidence = "{operation} answers 403 to {source}",
    next = "give the service account the role Cluster Operator (or Cluster Admin) on this cluster: "
      .. "Cloud Console > Access Management > Service accounts" },

  { id = "cloud.throttled", title = "the Cloud asks for fewer requests",
    fits = { service = "cloud", status = 429 },
    cause = "a user may ask the Cloud ten times a second, and others use the same service account now",
    evidence = "{operation} was refused {attempts} times, with waits between",
    next = "run this again, or give each tool a service account of its own" },

  { id = "cloud.version", title = "the Cloud does not speak this version of its API any more",
    fits = { service = "cloud", status = 400, message = "cc-version" },
    cause = "this cmek asks for version 2024-09-16 of the API, and the server does not have it",
    evidence = "{operation} answers '{message}'",
    next = "use a newer cmek; with COCKROACH_SERVER set, check that it names the Cloud itself" },

  { id = "cloud.trouble", title = "the Cloud has trouble of its own",
    fits = { service = "cloud", status_from = 500, not_html = true },
    cause = "the request was well-formed and the Cloud failed to do it",
    evidence = "{operation} answers {status} (requests: {attempts})",
    next = "run this again; https://status.cockroachlabs.cloud tells of outages, and support wants the cluster's ID and the organization's" },

  { id = "cloud.lost", title = "a change was asked for, and its answer was lost",
    cause = "the connection broke, or something between failed, after the request had left; whether the Cloud got it only the Cloud can show",
    evidence = "for five minutes the Cloud shows nothing of it",
    next = "look whether the cluster changes; what is taken up asks the Cloud once more only where it still shows nothing",
    commands = { "cmek status --cluster {name}" } },

  { id = "cloud.cluster-unknown", title = "there is no such cluster",
    fits = { service = "cloud", status = 404, operations = "GetCluster" },
    facts = function(refusal) return { seen = refusal.message } end,
    cause = "none of the clusters that this key sees has that name or ID; a key sees those that its roles reach",
    evidence = "{seen}",
    next = "name it by its name, its UUID or the URL of its page in the Cloud Console; cmek status lists the clusters that this key sees",
    commands = { "cmek status" } },

  { id = "cloud.cluster-none", title = "the API key sees no cluster at all",
    cause = "a key sees the clusters that the roles of its service account reach, and this one's reach none",
    evidence = "{seen}",
    next = "check the role of the service account, or take the key of another", commands = { "cmek status" } },

  { id = "cloud.cluster-last12", title = "the end of a cluster's ID in the place of the ID",
    cause = "the vendor's page calls the last 12 characters of the URL the cluster's ID; the API wants the whole UUID",
    evidence = "'{text}' is the end of {id}",
    next = "--cluster {name}", commands = { "cmek status --cluster {name}" } },

  { id = "cloud.cluster-is-organization", title = "the organization in the place of the cluster",
    cause = "the text is the organization's name, label or ID, and a cluster is wanted",
    evidence = "the organization is {organization}, with label {label} and ID {organization_id}",
    next = "name a cluster of it", commands = { "cmek status" } },

  { id = "cloud.cluster-ambiguous", title = "several clusters of one name",
    cause = "names of clusters are not unique in an organization",
    evidence = "{seen}",
    next = "name one by its ID", commands = { "cmek status --cluster {id}" } },
}
