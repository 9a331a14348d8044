#!/usr/bin/env bash
# run_rootfs.sh [-e NAME=VALUE]... [-v FOLDER:PATH]... ROOT [ARGUMENT...]: for machines without a container engine, what
#   docker run --read-only --network none -e ... -v ... baton ARGUMENT...
# does with the root file system ROOT that make_rootfs.sh made: its own processes, mounts, loopback network and read-only root, the user,
# variables and entry point of deploy/docker/Dockerfile, and the server as process 1. Needs root. Leaves empty mount points in ROOT.
set -euo pipefail
dockerfile=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/deploy/docker/Dockerfile
variables=() volumes=()
while getopts e:v: option; do
  case $option in
    e) variables+=("$OPTARG") ;;
    v) volumes+=("$OPTARG") ;;
    *) exit 2 ;;
  esac
done
if [[ -z ${BATON_IN_ROOTFS:-} ]]; then
  BATON_IN_ROOTFS=1 exec unshare --mount --propagation private --net --pid --ipc --uts --fork --kill-child "$0" "$@"
fi
shift $((OPTIND - 1))
root=$1
shift

# from_dockerfile WORD: what is behind WORD in its last stage.
from_dockerfile() { sed -n "s/^$1 //p" "$dockerfile" | tail -n 1; }

loopback_up() {
  python3 - <<'PYTHON'
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
PYTHON
}

mount_all() {
  local device volume
  mount --bind "$root" "$root"
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  for volume in "${volumes[@]}"; do
    mkdir -p "$root/${volume#*:}"
    mount --bind "${volume%%:*}" "$root/${volume#*:}"
  done
  mount -o remount,bind,ro "$root"
}

loopback_up
mount_all
read -ra of_image <<<"$(from_dockerfile ENV)"
entry=$(from_dockerfile ENTRYPOINT | tr -d '[]"')
exec chroot --userspec="$(from_dockerfile USER)" --groups= "$root" /usr/bin/env -i "${of_image[@]}" "${variables[@]}" "$entry" "$@"
