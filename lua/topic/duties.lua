return [[
Separated duties
  Where nobody has both CockroachDB Cloud and AWS, two files are carried between those who have one. Neither holds a secret.

    cmek status --cluster orders --facts facts.json        with the Cloud's API key
    cmek run console --facts facts.json --out spec.json    with AWS credentials
    cmek run enable --spec spec.json                       with the Cloud's API key

  facts.json has the organization's ID, the cluster, its regions and the AWS account that CockroachDB uses for it. With
  --facts (plan, run, verify) the Cloud is not asked, so CMEK cannot be enabled, and which keys the cluster uses is not known.
  spec.json has the region_specs, for which organization and cluster they are, and from which run, recipe and arguments. With
  --spec (plan, run, verify) AWS is not asked. The file must be for the organization of the API key and for the cluster, and
  have a key for each of its regions as they are then; plain region_specs, which name neither, are taken with --cluster, and
  that is said. Files that are cut, edited into nonsense or of another version are refused, naming the field; how old a file
  is stands in the plan. Their shapes: cmek help json facts, cmek help json handover.
]]
