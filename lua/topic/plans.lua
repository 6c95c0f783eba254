return [[
Plans
  cmek plan RECIPE reads only, and shows what run would do, step by step:
    +  create     ~  change     -  delete     =  as wanted     x  refused, with its reason     !  cannot be undone
  Below a change stands what goes (-) and what comes (+); of a policy by statement and field, beside what stays of it.
  The last line is the sum: Plan: 4 to create, 1 to change, 0 to delete.
  --requests     also the requests that run would send, in order, with policies in full. What only the run can tell
                 stands by its name: (ID of key … in us-east-1, known after apply). Reads are not listed.
  --exit-code    exit 3 when there is something to do
  --out FILE     saves the plan, with digests of all that was found and wanted.
  cmek run --plan FILE does exactly that: it plans anew, and refuses when anything differs, naming step and field; also
  when the file was changed, or is of another cmek, recipe, organization, cluster or account. It asks as run does, unless
  --yes and --confirm NAME answer beforehand.
]]
