#!/bin/bash
# Keep the Docker engine and sshd running, and stop both cleanly: this server's service manager.
# /run is a fresh tmpfs at every start, so no pid file of an earlier life misleads anyone.
set -u

# With cgroup v2 a group that holds processes cannot hand out controllers to its children.
if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    mkdir -p /sys/fs/cgroup/init
    xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
    sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers \
        >/sys/fs/cgroup/cgroup.subtree_control || :
fi

stopping=
children=()

# Run a daemon, and run it again a second after it ended, as a service manager would.
keep() {
    local child
    trap 'stopping=1; kill -TERM "$child" 2>/dev/null' TERM
    while [[ -z $stopping ]]; do
        "$@" &
        child=$!
        # A trapped signal ends the first wait; the second one awaits the daemon itself.
        wait "$child"
        wait "$child" 2>/dev/null
        [[ -n $stopping ]] || sleep 1
    done
}

install -d -m 755 /run/sshd
keep dockerd &
children+=($!)
keep /usr/sbin/sshd -D -e &
children+=($!)
trap 'kill -TERM "${children[@]}" 2>/dev/null' TERM INT
wait
wait "${children[@]}"
