return [[
Examples
  Without any account, against the simulated services:

    cmek sim -- cmek plan console --cluster orders
    cmek sim -- cmek run console --cluster orders --enable --yes --confirm orders
    cmek sim -- sh -c 'cmek run console --cluster orders --yes && cmek verify --cluster orders'

  A cluster of yours: see what would be made, make it, give it to the cluster, and look again later:

    export COCKROACH_API_KEY=… AWS_PROFILE=…
    cmek status
    cmek plan console --cluster orders-prod
    cmek run console --cluster orders-prod
    cmek run enable --cluster orders-prod
    cmek verify console --cluster orders-prod

  In a pipeline, where nobody is asked and a difference ends it:

    cmek plan console --cluster orders-prod --exit-code --json
    cmek run console --cluster orders-prod --enable --yes --confirm orders-prod --json
]]
