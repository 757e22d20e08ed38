# Boot systemd as the first process of namespaces of its own, on a copy of this machine that is gone with it, with
# nothing but Pinion's units: bash boot.sh UNITS WORK SERVE REPOSITORY ENVIRONMENTS, within `unshare --mount --pid …`.
# Nothing of the machine itself is changed: its files are the lower half of an overlay, /proc/sys and /sys are read-only.
set -eu
units=$1 work=$2 serve=$3 repository=$4 environments=$5

mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/scratch" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" "$work/root"
root=$work/root
mount -t tmpfs tmpfs "$root/run"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
if [ -d /sys/fs/cgroup/systemd ]; then
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
mount --rbind /dev "$root/dev"
chmod 755 "$root/root"

etc=$root/etc/systemd/system
rm -rf "$etc"
mkdir -p "$etc" "$root/etc/pinion" "$root/var/lib/private/pinion"
chmod 700 "$root/var/lib/private"
cp -r "$environments" "$root/var/lib/private/pinion/environments"
for unit in pinion.service pinion.socket pinion-control.socket; do
  cp "$units/$unit" "$etc/"
  mkdir "$etc/$unit.d"
  printf '[Unit]\nDefaultDependencies=no\n' > "$etc/$unit.d/alone.conf"
done
# Here the server lies where no service of its kind may look: below /root, or in a folder of tests.
cat > "$etc/pinion.service.d/here.conf" <<END
[Unit]
Wants=
[Service]
ExecStart=
ExecStart=$serve --repo $repository
ProtectHome=no
BindReadOnlyPaths=$(dirname "$(dirname "$(dirname "$serve")")") $repository
WatchdogSec=15
END
printf '[Unit]\nDefaultDependencies=no\nWants=pinion.socket pinion-control.socket pinion.service\n' > "$etc/try.target"

ip link set lo up
# Not chroot, in which nobody may make a user namespace.
cd "$root"
pivot_root . mnt
umount -l /mnt
exec /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=try.target --log-target=console --show-status=no
