#!/bin/sh
# What `make demo` and `make demo-vault` show: the main job on the three-region cluster `orders`, against the simulated services over
# loopback HTTP. usage: demo.sh CMEK [RECIPE …]; without a recipe console.
set -eu
cmek=${1:-build/cmek}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- console
CMEK_STATE_DIR=$(mktemp -d)
export CMEK_STATE_DIR
trap 'rm -rf "$CMEK_STATE_DIR"' EXIT

about() {
  case $1 in
    vault-transit) echo "# Key material that is made in any Vault or OpenBao (transit), imported into KMS keys, and kept in Vault." ;;
    vault) echo "# Option B of the vendor's page: Vault Enterprise or HCP (keymgmt) makes the keys in KMS and looks after them." ;;
  esac
}

for recipe in "$@"; do
  about "$recipe"
  echo "\$ $cmek sim -- $cmek run $recipe --cluster orders --enable --yes --confirm orders"
  "$cmek" sim --latency 50 -- "$cmek" run "$recipe" --cluster orders --enable --yes --confirm orders
  echo
done

cat <<MORE
Nothing of this left the machine: the services were simulated, in memory, and are gone. To go on:

  $cmek sim -- $cmek plan $1 --cluster orders
  $cmek sim -- $cmek run $1 --cluster orders --yes --json
  $cmek sim -- sh -c '$cmek run $1 --cluster orders --yes && $cmek plan $1 --cluster orders'
MORE
case $1 in
  console) cat <<MORE

With real services: export COCKROACH_API_KEY=… AWS_PROFILE=…; $cmek plan $1 --cluster NAME
MORE
    ;;
  *) cat <<MORE
  $cmek sim -- sh -c '$cmek run $1 --cluster orders --enable --yes --confirm orders && $cmek run rotate --cluster orders --yes --confirm orders'
  $cmek sim -- sh -c '$cmek run $1 --cluster orders --yes && $cmek destroy $1 --cluster orders --confirm orders'
  $cmek help material     # where key bytes are in clear, and for how long

With real services: export COCKROACH_API_KEY=… AWS_PROFILE=… VAULT_ADDR=https://… VAULT_TOKEN=…; $cmek whoami; $cmek plan $1 --cluster NAME
MORE
    ;;
esac
