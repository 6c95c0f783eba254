#!/bin/bash
# shellcheck disable=SC1091,SC2016,SC2317
# The Debian package against Debian's own tools: tests/peers/package.sh BUILD. It is built, judged by lintian, installed by apt in a
# root that holds nothing but what Debian must have, and used there by a plain user. The last line is the tally.
# The bare root is made once (mmdebstrap, some 60 s) and kept under BUILD/peers, with the packages that cmek wants downloaded.
set -u
build=$(cd "$1" && pwd)
bare=$build/peers/root root=$(mktemp -d)
trap 'rm -rf "$root" "$bare.bring"' EXIT
passed=0 failed=0

# check NAME COMMAND…: one sentence; what the command prints is shown when it is not so.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then passed=$((passed + 1)); else failed=$((failed + 1)); printf 'FAILED   %s: %s\n' "$name" "$output" | tail -n 20; fi
}

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}

# inside COMMAND…: as root in the new machine; as_user COMMAND…: as somebody.
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
as_user() { chroot --userspec=65534:65534 "$root" env -i PATH=/usr/bin:/bin HOME=/tmp/home LC_ALL=C.UTF-8 "$@"; }

field() { dpkg-deb -f "$package" "$1"; }
says() { "${@:2}" 2>&1 | grep -Fq -- "$1"; }
not() { ! "$@"; }

package=$(host/deb "$build") || { echo "FAILED   the package is built"; failed=1; finish; }
first=$(sha256sum < "$package")
host/deb "$build" > /dev/null
check "the same sources give the same package" test "$first" = "$(sha256sum < "$package")"
check "its version is cmek's" test "cmek $(field Version)" = "$("$build/cmek" version)"
check "its architecture is the machine's" test "$(field Architecture)" = "$(dpkg --print-architecture)"
for name in 'libcurl4(t64)?' 'libssl3(t64)?' libc6; do
  check "it depends on $name of some version" grep -Eq "(^|, )$name \(>= [0-9.]+\)" <(field Depends)
done
check "it depends on ca-certificates" grep -q "ca-certificates" <(field Depends)
lint() { local said; said=$(lintian --fail-on=error,warning -I "$package" 2>&1 | grep -v 'running with root'); [ -z "$said" ] || { echo "$said"; return 1; }; }
check "lintian finds nothing" lint

make_root() {
  local suite sources=()
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
    grep -Eqs '^(deb|Types)' "$file" && sources+=("$file")
  done
  rm -rf "$bare"
  mmdebstrap --quiet --variant=apt --mode=root --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' --skip=cleanup/apt \
    --customize-hook="cp '$package' \"\$1/cmek.deb\"" \
    --customize-hook='chroot "$1" apt-get install -y -q -d --no-install-recommends /cmek.deb > /dev/null' \
    "$suite" "$bare" "${sources[@]}" && touch "$bare/made"
}
if [ "$(id -u)" != 0 ] || ! command -v mmdebstrap > /dev/null; then
  echo "skipped  installing it in a clean root: root and mmdebstrap are wanted"
  echo "$passed passed, $failed failed, 1 skipped"
  [ "$failed" = 0 ]
  exit
fi
[ -e "$bare/made" ] || make_root || { echo "FAILED   a clean root is made"; failed=$((failed + 1)); finish; }

# new_root: $root anew, as bare as it was made, with the package where the README's Dockerfile copies it.
new_root() {
  rm -rf "$root"
  mkdir "$root"
  cp -a "$bare/." "$root"
  chmod 755 "$root"
  mkdir -m 700 "$root/tmp/home" && chown 65534:65534 "$root/tmp/home"
  cp "$package" "$root/tmp/"
}

# readme TEXT: the line of the README that holds it, without RUN and comment.
readme() { grep -F -- "$1" README.md | head -n 1 | sed -e 's/^RUN //' -e 's/  *# .*//'; }

new_root
check "the clean root has no cmek, curl library or certificates yet" not inside sh -c 'ls /usr/bin/cmek /usr/lib/*/libcurl.so.4 /etc/ssl/certs/ca-certificates.crt'
cp "$build/cmek" "$root/usr/bin/cmek-alone"
check "the program alone says which library it misses" says "libssl.so.3" inside cmek-alone version
mkdir "$root/bring" && cp "$package" "$root/bring/"
check "the README's command brings the package and what it depends on" inside sh -c "cd /bring && $(readme --download-only)"
cp -a "$root/bring" "$bare.bring"
check "the README's Dockerfile installs it with what it depends on" inside sh -c "$(readme 'apt-get update')"
check "its files are as they were packed" test -z "$(inside dpkg --verify cmek)"
check "all libraries are there" not grep -q "not found" <(inside ldd /usr/bin/cmek)
check "certificates are there" inside test -s /etc/ssl/certs/ca-certificates.crt
check "a plain user gets the version" test "$(as_user cmek version)" = "$("$build/cmek" version)"
check "the main job runs there" as_user cmek sim -- cmek run console --cluster orders --yes
check "and says what it made" says "Done: 4 created" as_user cmek sim -- cmek run console --cluster orders --yes
check "its journals are the user's" as_user sh -c 'test "$(stat -c %a ~/.local/state/cmek/simulated-runs)" = 700'
check "its licences are the package's" test "$(as_user cat /usr/share/doc/cmek/copyright)" = "$(as_user cmek version --licenses)"
check "bash completes it" says "orders-one" as_user bash -c '. /usr/share/bash-completion/completions/cmek
  COMP_WORDS=(cmek sim -- cmek plan console --cluster orders-o) COMP_CWORD=7; _cmek; echo "${COMPREPLY[@]}"'
check "its manual page is there" says "customer\-managed" as_user zcat /usr/share/man/man1/cmek.1.gz
check "it is removed" inside apt-get remove -y -q cmek
check "and leaves nothing of its own" not inside sh -c 'ls -d /usr/bin/cmek /usr/share/*/cmek /usr/share/*/*/*cmek*'

new_root
mv "$bare.bring" "$root/bring"
check "the README's command installs what was brought" inside sh -c "cd /bring && $(readme 'dpkg -i')"
check "the main job runs on a machine without any network" unshare --net sh -c 'ip link set lo up 2>/dev/null || ifconfig lo up
  exec chroot --userspec=65534:65534 "$0" env -i PATH=/usr/bin:/bin HOME=/tmp/home cmek sim -- cmek run console --cluster orders --yes' "$root"
mv "$root"/usr/lib/*/libcurl.so.4 "$root/tmp"
check "without libcurl it says what to install" says "next: install libcurl: apt-get install libcurl4" as_user cmek sim -- cmek plan console --cluster orders
finish
