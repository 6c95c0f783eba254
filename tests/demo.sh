#!/bin/sh
# What `make demo` shows: the main job on the three-region cluster `orders`, against the simulated services over loopback HTTP.
set -eu
cmek=${1:-build/cmek}
CMEK_STATE_DIR=$(mktemp -d)
export CMEK_STATE_DIR
trap 'rm -rf "$CMEK_STATE_DIR"' EXIT

echo "\$ $cmek sim -- $cmek run console --cluster orders --enable --yes --confirm orders"
"$cmek" sim --latency 50 -- "$cmek" run console --cluster orders --enable --yes --confirm orders

cat <<MORE

Nothing of this left the machine: the services were simulated, in memory, and are gone. To go on:

  $cmek sim -- $cmek plan console --cluster orders
  $cmek sim -- $cmek run console --cluster orders --yes --json
  $cmek sim -- sh -c '$cmek run console --cluster orders --yes && $cmek plan console --cluster orders'

With real services: export COCKROACH_API_KEY=… AWS_PROFILE=…; $cmek plan console --cluster NAME
MORE
