# shellcheck shell=bash
# What a machine has, before it becomes a host. Run as root, by the doctor as the deploy user; changes
# nothing.

# A fact a line: what a program answers, its first line alone.
say_fact() { say "$1=$("${@:2}" 2>/dev/null | head -n 1 || true)"; }
os_value() { sed -n "s/^$1=//p" /etc/os-release | tr -d '"' | head -n 1; }
is_container() { [ -f /.dockerenv ] || systemd-detect-virt -cq 2>/dev/null; }
yes_if() { if "$@" >/dev/null 2>&1; then say yes; else say no; fi; }
machine_facts() {
  say_fact distribution os_value ID
  say_fact version os_value VERSION_ID
  say_fact systemd yes_if test -d /run/systemd/system
  say_fact container yes_if is_container
  # shellcheck disable=SC2016  # awk's own $2
  say_fact memory_kb awk '/^MemTotal:/{print $2}' /proc/meminfo
  # shellcheck disable=SC2016  # awk's own $2
  say_fact swap_kb awk '/^SwapTotal:/{print $2}' /proc/meminfo
  say_fact disk_kb sh -c "df -Pk / | awk 'NR==2{print \$4}'"
  say_fact engine docker version -f '{{.Server.Version}}'
  say_fact processor docker version -f '{{.Server.Arch}}'
  say_fact client docker version -f '{{.Client.Version}}'
  say_fact compose docker compose version --short
  say_fact running sh -c 'docker ps -q | wc -l'
  say_fact swarm docker info -f '{{.Swarm.LocalNodeState}}'
  say_fact updates yes_if grep -qs 'Unattended-Upgrade "1"' /etc/apt/apt.conf.d/20auto-upgrades
  say_fact clock time_service
  say_fact firewall yes_if nft list table inet homeguru_host
  say_fact uplinks uplink_names
}
# The first of the services that keep the time.
time_service() {
  local name
  for name in systemd-timesyncd chrony chronyd ntpsec ntp openntpd; do
    if systemctl is-active -q "$name"; then say "$name"; return 0; fi
  done
}
# Interfaces that lead out; with neither `ip` nor IPv6 there are fewer files to read.
uplink_names() {
  { awk '$2=="00000000"{print $1}' /proc/net/route
    awk '$1=="00000000000000000000000000000000" && $2=="00" && $NF!="lo"{print $NF}' /proc/net/ipv6_route
  } 2>/dev/null | sort -u | tr '\n' ' '
}
account_facts() {
  local home
  home=$(getent passwd "$1" | cut -d: -f6) || return 0
  say "home=$home"
  say "groups=$(id -nG "$1")"
  # Not what sudo would allow with a password.
  say "sudo=$(yes_if runuser -u "$1" -- sudo -n true)"
  cat "$home/.ssh/authorized_keys" 2>/dev/null || true
}
# Only root reads the server's keys, and sshd shows its settings to nobody who has none.
sshd_settings() {
  local folder
  if [ "$(id -u)" = 0 ]; then sshd -T; return; fi
  folder=$(mktemp -d) || return 0
  ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
  PATH=$PATH:/usr/sbin sshd -T -h "$folder/key" || true
  rm -r "$folder"
}
installed_packages() {
  # shellcheck disable=SC2016  # dpkg's own ${...}
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | awk '$1=="installed"{print $2}' || true
}
# deploy user, administrator or empty, directory, packages
survey_machine() {
  local user=$1 administrator=$2 directory=$3
  shift 3
  machine_facts | emit facts
  account_facts root | emit root
  account_facts "$user" | emit user
  [ -z "$administrator" ] || account_facts "$administrator" | emit administrator
  { stat -c '%U' "$directory" 2>/dev/null || true; } | emit owner
  { sshd_settings 2>/dev/null || true; } | emit sshd
  listening_sockets | emit listening
  installed_packages "$@" | emit packages
  emit_file daemon /etc/docker/daemon.json
  emit_file sshd_file /etc/ssh/sshd_config.d/00-homeguru.conf
  emit_file firewall_file /etc/homeguru/firewall.nft
}
# Addresses and ports in hexadecimal, as the kernel has them: TCP that listens, UDP without a peer.
listening_sockets() {
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } | awk '$4=="0A"{print $2}' | sort -u
  { cat /proc/net/udp /proc/net/udp6 2>/dev/null || true; } | awk '$4=="07"{print $2 "/udp"}' | sort -u
}
