#!/bin/sh
# What the guest is to do, as its ordinary user. A line `== NAME` begins a phase, for which the host has a time limit.
# What came of it is in the reports; a missing one is a failure as well.
set -u
image=$(cat /job/image)
filter=$(cat /job/filter)
clawbox=/job/clawbox
export CLAWBOX_BACKEND=podman

echo "== podman"
systemctl --user start podman.socket
while read -r change; do
    set -- "$@" --change "$change"
done </job/changes
podman import --quiet "$@" /job/fixture.tar "$image"
podman load --quiet --input /job/hostile.tar
cat "/sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service/cgroup.controllers" >/result/controllers
{
    echo "debian $(cat /etc/debian_version)"
    echo "linux $(uname -r)"
    echo "cases ${filter:-all}"
    dpkg-query --show --showformat='${Package} ${Version}\n' systemd podman crun conmon
} >/result/versions

echo "== suite"
# All takes some twenty times as long here: a case of several containers, more than its minute.
export CLAWBOX_CONFORMANCE_CASE_SECONDS=900
$clawbox conformance --json /result/report.json ${filter:+"$filter"}

echo "== memory"
$clawbox run --image "$image" --memory 64m --report /result/memory.json -- probe alloc 200
echo "exit $?"

echo "== processes"
$clawbox run --image "$image" --pids 16 --report /result/processes.json -- sh -c 'while :; do sleep 60 & done'
echo "exit $?"

echo "== results"
