# Becomes the first process of a host: with a file system that is this machine's as it was, whose changes are
# its own and last as long as it does. Runs in new namespaces; leaves nothing behind in the old ones.
# Arguments: a folder to work in, the host's name, how it begins (plain or systemd), and pairs of a file that the
# host gets to see and where.
set -eu
base=$1 name=$2 init=$3
shift 3

mount --make-rprivate /
mount -t tmpfs "$name" "$base"
mkdir "$base/upper" "$base/work" "$base/root" "$base/cgroup"

# A control group of its own: two systemd in one would take each other's processes for their own.
if [ "$init" = systemd ]; then
    mount -t cgroup2 cgroup2 "$base/cgroup"
    group=$base/cgroup/$(basename "$base")
    mkdir -p "$group"
    echo $$ > "$group/cgroup.procs"
    umount "$base/cgroup"
fi

root=$base/root
mount -t overlay "$name" -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
for folder in run tmp root; do
    mount -t tmpfs -o mode=755 "$folder" "$root/$folder"
done
chmod 1777 "$root/tmp"
while [ $# -gt 0 ]; do
    mkdir -p "$(dirname "$root$2")"
    touch "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done
hostname "$name"
printf '%s\n' "$name" > "$root/etc/hostname"
rm -f "$root/etc/machine-id"
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' > "$root/etc/machine-id"
ip link set lo up
cd "$root"
pivot_root . mnt

if [ "$init" = plain ]; then
    # Processes whose parent has ended become this one's children; waiting, it buries them.
    exec sh -c 'umount -l /mnt; touch /run/up; while :; do sleep 1; done'
fi
# What a container has no business with, or would reach this machine's kernel with.
for unit in systemd-sysctl.service systemd-binfmt.service systemd-modules-load.service systemd-udevd.service \
    systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
    systemd-remount-fs.service systemd-random-seed.service systemd-timesyncd.service kmod-static-nodes.service \
    systemd-update-utmp.service systemd-tmpfiles-setup-dev.service systemd-machine-id-commit.service \
    proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount \
    dev-mqueue.mount swap.target local-fs.target; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
exec unshare --cgroup sh -c '
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    umount -l /mnt
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=sysinit.target --log-target=journal --show-status=0'
