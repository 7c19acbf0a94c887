#!/bin/sh
# Makes a bare Debian the guest. mmdebstrap runs this with the folder of the guest's root.
set -eu
root=$1

# Writes a file of the guest's.
inside() {
    mkdir -p "$(dirname "$root/$1")"
    cat >"$root/$1"
}

# An ordinary user. Debian's useradd gives him 65,536 subordinate ids as well.
chroot "$root" useradd --uid 1000 --create-home --shell /bin/sh agent
grep -q '^agent:.*:65536$' "$root/etc/subuid" "$root/etc/subgid"

# A systemd of his own runs from the boot on, though nobody logs in ...
inside var/lib/systemd/linger/agent </dev/null
# ... and has the controllers whose limits are to hold in his containers: cpu is not among what it gets unasked.
inside etc/systemd/system/user@.service.d/delegate.conf <<'END'
[Service]
Delegate=cpu memory pids
END

# What the guest is started for. Then it goes off at once: there is nothing on its disks to be kept.
inside etc/systemd/system/job.service <<'END'
[Unit]
Description=The host's job
Requires=user@1000.service
After=user@1000.service multi-user.target
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/job
StandardOutput=file:/dev/ttyS1
StandardError=inherit

[Install]
WantedBy=default.target
END

# The second disk is a tar archive with the job; the third becomes one with the results.
inside usr/local/sbin/job <<'END'
#!/bin/sh
set -eu
install -d -o agent /job /result
tar -xf /dev/vdb -C /job
# Without swap, nobody could tell whether its limit holds.
fallocate -l 512M /swap
chmod 600 /swap
mkswap -q /swap
swapon /swap
runuser -u agent -- env XDG_RUNTIME_DIR=/run/user/1000 \
    systemd-run --user --quiet --wait --pipe --collect --unit=job /job/run ||
    echo "the job ended with $?"
tar -cf /dev/vdc -C /result .
sync /dev/vdc
END
chmod 755 "$root/usr/local/sbin/job"
chroot "$root" systemctl --quiet enable job.service

# What a machine that lives for minutes does without.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service
# Without an id each boot would be the first one, which takes long.
chroot "$root" systemd-machine-id-setup
# Updates of these run at a boot that finds /etc or /usr changed since.
touch "$root/etc/.updated" "$root/var/.updated"
echo clawbox-guest | inside etc/hostname

# Only what finds the first disk: emulated, all else takes its time to unpack.
echo MODULES=list | inside etc/initramfs-tools/conf.d/modules
printf '%s\n' virtio_pci virtio_blk ext4 | inside etc/initramfs-tools/modules
chroot "$root" update-initramfs -u
