#!/usr/bin/env bash
# make_rootfs.sh BUILD FOLDER: makes the root file system of Baton's container image in FOLDER, from Debian packages as this machine's apt
# knows them and from what `cmake --install BUILD` gives. deploy/docker/Dockerfile and `./dev image` are its callers. Needs root, for files
# of root. Nothing of it is started or set up by maintainer scripts: a few libraries and a shell need none.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
(($# == 2)) || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
readonly root build=$1 out=$2
# What the server links to, and a shell for its entry point; apt adds what these need.
readonly packages='base-files bash coreutils libc6 libgcc-s1 libstdc++6 zlib1g'
# Who the server is. Files of a mounted model must be readable for this user.
readonly user=65532

[[ $(id -u) == 0 ]] || { echo "make_rootfs.sh: files of root need root to make them" >&2; exit 1; }
[[ $out == /* ]] || { echo "make_rootfs.sh: $out must be an absolute path" >&2; exit 1; }

# Downloads (or finds again) the packages and all they need, checked by apt's signatures; prints the files' paths.
fetch_packages() {
  local cache=$root/.deps/image-packages
  rm -rf "$cache/state" && mkdir -p "$cache/state" "$cache/archives/partial"
  : >"$cache/state/status"  # nothing is installed: so everything is wanted
  local apt=(apt-get -q -o "Dir::State::status=$cache/state/status" -o "Dir::State::extended_states=$cache/state/extended"
             -o "Dir::Cache::archives=$cache/archives" -o APT::Sandbox::User=root -o Debug::NoLocking=1 -y --no-install-recommends)
  # shellcheck disable=SC2086  # a list of words
  "${apt[@]}" --download-only install $packages >&2 || { apt-get -q update >&2; "${apt[@]}" --download-only install $packages >&2; }
  # The archive may hold older versions as well: what apt would install now is what counts.
  # shellcheck disable=SC2086
  "${apt[@]}" --simulate install $packages | sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([^]]+)\].*/\1_\2_\3.deb/p' | sed 's/:/%3a/g' |
    while read -r file; do echo "$cache/archives/$file"; done
}

# Unpacks package $1. Of its documentation the licences stay; image scanners find its name and version in status.d.
unpack() {
  local name
  name=$(dpkg-deb --field "$1" Package)
  dpkg-deb --fsys-tarfile "$1" | tar -C "$out" -x --keep-directory-symlink \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --exclude='./usr/share/bash-completion/*'
  dpkg-deb --field "$1" >"$out/var/lib/dpkg/status.d/$name"
}

make_base() {
  local files file
  rm -rf "$out"
  install -d "$out" "$out"/{dev,etc,proc,sys,run,models,var/lib/dpkg/status.d,usr/{bin,sbin,lib,lib64}}
  for file in bin sbin lib lib64; do ln -s "usr/$file" "$out/$file"; done
  install -d -m 1777 "$out/tmp"
  files=$(fetch_packages)
  for file in $files; do unpack "$file"; done
  find "$out/usr/share/doc" -mindepth 1 \( -type f -o -type l \) ! -name copyright -delete
  ln -sf bash "$out/usr/bin/sh"
  printf 'root:x:0:0:root:/root:/bin/bash\nserving:x:%s:%s:serving:/:/bin/bash\n' $user $user >"$out/etc/passwd"
  printf 'root:x:0:\nserving:x:%s:\n' $user >"$out/etc/group"
  printf 'hosts: files dns\n' >"$out/etc/nsswitch.conf"
}

install_baton() {
  DESTDIR=$out cmake --install "$build" --prefix /usr --strip >&2
  rm -f "$out/usr/lib/baton/engines/baton_engine_echo.so"  # for tests only
  install -m 755 "$root"/deploy/docker/tf_serving_entrypoint.sh "$root"/deploy/docker/baton_healthcheck.sh "$out/usr/bin/"
}

# Every library that our programs ask for must be inside.
check() {
  local file listed
  (cd "$out" && find usr/bin/baton usr/lib/baton -type f) | while read -r file; do
    if ! listed=$(chroot "$out" /lib64/ld-linux-x86-64.so.2 --list "/$file" 2>&1) || grep -q 'not found' <<<"$listed"; then
      printf 'make_rootfs.sh: %s does not find its libraries:\n%s\n' "$file" "$listed" >&2
      return 1
    fi
  done
}

make_base
install_baton
check
du -sh "$out" | sed 's/\t.*/ in the root file system/'
