# shellcheck shell=bash
# What makes a machine a host that a deploy accepts. Run as root; each may run twice.

has_systemd() { [ -d /run/systemd/system ]; }
# start, restart, reload or enable a service; what has no service manager starts it by its script
control_service() {
  if has_systemd; then systemctl "$1" "$2" >/dev/null
  elif [ "$1" != enable ]; then service "$2" "$1" >/dev/null; fi
}
note_step() {
  mkdir -p /var/lib/homeguru
  printf '{"at":"%s","step":"%s","event":"%s","who":"%s"}\n' "$(now)" "$1" "$2" "$3" >> /var/lib/homeguru/bootstrap.jsonl
}
write_file() {
  mkdir -p "$(dirname "$1")"
  printf %s "$3" > "$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
}
apt_quietly() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
# A fresh machine updates itself while we are there; apt's time-out is not about the lists' lock.
update_lists() {
  for _ in {1..30}; do
    ! apt_quietly update || return 0
    sleep 10
  done
  fail "apt-get update fails: see above"
}
install_packages() {
  update_lists
  apt_quietly install -y --no-install-recommends "$@"
}
make_account() {
  local name=$1 home
  id "$name" >/dev/null 2>&1 || useradd -m -s /bin/bash "$name"
  # No password at all; a locked account may be refused keys as well.
  case $(getent shadow "$name" | cut -d: -f2) in '' | '!'*) usermod -p '*' "$name" ;; esac
  home=$(getent passwd "$name" | cut -d: -f6)
  install -d -m 700 -o "$name" -g "$(id -gn "$name")" "$home/.ssh"
}
accept_keys() {
  local name=$1 file key
  shift
  file=$(getent passwd "$name" | cut -d: -f6)/.ssh/authorized_keys
  touch "$file"
  [ -z "$(tail -c 1 "$file")" ] || echo >> "$file"
  for key in "$@"; do
    grep -qxF -- "$key" "$file" || printf '%s\n' "$key" >> "$file"
  done
  chown "$name:$(id -gn "$name")" "$file"
  chmod 600 "$file"
}
# Who enters as root today enters as this account tomorrow.
share_root_keys() {
  local key
  while read -r key; do
    case $key in ssh-* | ecdsa-* | sk-*) accept_keys "$1" "$key" ;; esac
  done < <(cat /root/.ssh/authorized_keys 2>/dev/null || true)
  [ -s "$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys" ] ||
    fail "no key is known for $1: without one nobody could enter afterwards"
}
# sudo passes over files with a dot in their name.
allow_sudo() {
  local file=/etc/sudoers.d/homeguru-${1//./_}
  write_file "$file" 440 "$1 ALL=(ALL:ALL) NOPASSWD: ALL
"
  visudo -cq || { rm -f "$file"; fail "sudo does not accept $file: taken back"; }
}
newest_version() { apt-cache policy "$1" | awk '$1=="Candidate:" && $2!="(none)"{sub(/^[0-9]+:/,"",$2); print $2}'; }
version_from() { dpkg --compare-versions "$1" ge "$2"; }
# From the distribution, where that has one which is new enough; else from Docker.
install_engine() {
  local engine=$1 compose=$2 key=$3 name client
  update_lists
  for name in docker-compose-v2 docker-compose; do
    # What came from Docker stays from there.
    ! dpkg-query -W docker-ce >/dev/null 2>&1 || break
    if version_from "$(newest_version docker.io)" "$engine" && version_from "$(newest_version "$name")" "$compose"; then
      say "Docker $(newest_version docker.io) and Compose $(newest_version "$name") come from the distribution"
      # Debian 13 has the client in a package of its own.
      client=$(newest_version docker-cli)
      apt_quietly install -y --no-install-recommends docker.io "$name" iptables ca-certificates ${client:+docker-cli}
      return 0
    fi
  done
  say "Docker comes from download.docker.com"
  docker_repository "$key"
  apt_quietly install -y docker-ce docker-ce-cli containerd.io docker-compose-plugin
}
docker_repository() {
  local id code key=/etc/apt/keyrings/docker.asc
  # shellcheck disable=SC1091  # the machine's own
  id=$(. /etc/os-release && say "$ID") code=$(. /etc/os-release && say "$VERSION_CODENAME")
  apt_quietly install -y --no-install-recommends ca-certificates curl
  mkdir -p /etc/apt/keyrings
  curl -fsSL --retry 3 "https://download.docker.com/linux/$id/gpg" -o "$key"
  printf '%s  %s\n' "$1" "$key" | sha256sum -c --quiet || { rm -f "$key"; fail "the key of download.docker.com is not Docker's"; }
  chmod 644 "$key"
  write_file /etc/apt/sources.list.d/docker.list 644 "deb [arch=$(dpkg --print-architecture) signed-by=$key] https://download.docker.com/linux/$id $code stable
"
  update_lists
}
# What runs goes on: `live-restore` is read on a reload, before the restart that the rest needs.
configure_engine() {
  local running
  running=$(docker version -f '{{.Server.Version}}' 2>/dev/null || true)
  write_file /etc/docker/daemon.json.candidate 644 "$1"
  dockerd --validate --config-file /etc/docker/daemon.json.candidate >/dev/null ||
    { rm -f /etc/docker/daemon.json.candidate; fail "Docker does not accept the new daemon.json: the former one stays"; }
  mv -f /etc/docker/daemon.json.candidate /etc/docker/daemon.json
  if [ -n "$running" ]; then
    pkill -HUP -x dockerd || true
    sleep 1
    control_service restart docker
  fi
}
start_engine() {
  control_service enable docker
  docker version >/dev/null 2>&1 || control_service start docker
  for _ in {1..60}; do
    ! docker version >/dev/null 2>&1 || return 0
    sleep 1
  done
  fail "the Docker engine was started and does not answer: journalctl -u docker"
}
make_directory() {
  mkdir -p "$(dirname "$2")"
  install -d -m 750 -o "$1" -g "$(id -gn "$1")" "$2"
}
# megabytes, where there is no swap and less memory than the second number says: a /swapfile that is
# there is in no use, and may be what a full disk left of one.
add_swap() {
  awk -v small="$2" '/^MemTotal:/ {memory=$2/1024} /^SwapTotal:/ {swap=$2} END {exit !(memory<small && swap==0)}' /proc/meminfo || return 0
  rm -f /swapfile /swapfile.new
  fallocate -l "$1M" /swapfile.new || { rm -f /swapfile.new; fail "no room for $1 MB of swap in /swapfile: df -h / shows what is left"; }
  chmod 600 /swapfile.new
  mkswap -q /swapfile.new
  mv -f /swapfile.new /swapfile
  swapon /swapfile || { rm -f /swapfile; fail "the system does not take /swapfile as swap: taken back"; }
  grep -qs '^/swapfile ' /etc/fstab || say '/swapfile none swap sw 0 0' >> /etc/fstab
}
enable_updates() {
  write_file /etc/apt/apt.conf.d/20auto-upgrades 644 'APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
'
}
# Nothing to do where the clock is that of the machine around this one.
keep_time() { ! has_systemd || systemctl enable -q --now "$1"; }
# What could lock everybody out takes itself back, unless it is confirmed by who got in after it.
arm_return() {
  local name=$1 seconds=$2 folder=/run/homeguru-bootstrap
  mkdir -p "$folder"
  name=$name.$(date +%s%N)
  printf '%s\n' "$3" > "$folder/$name.armed"
  # shellcheck disable=SC2016  # words of the inner bash
  setsid nohup bash -c 'sleep "$1"; mv "$2.armed" "$2.returning" && bash "$2.returning"' - "$seconds" "$folder/$name" </dev/null >/dev/null 2>&1 &
}
keep_change() {
  mv "/run/homeguru-bootstrap/$1".*.armed "/run/homeguru-bootstrap/$1.kept" 2>/dev/null ||
    fail "the server has taken the change back already: nobody confirmed it in time"
  case $1 in firewall) keep_ports ;; sshd) keep_sshd ;; esac
}
# What an earlier run left unconfirmed, too: its own timer finds nothing then.
return_change() {
  local file
  for file in /run/homeguru-bootstrap/"$1".*.armed; do
    ! mv "$file" "$file.returning" 2>/dev/null || bash "$file.returning"
  done
}
# Where a socket starts it for each connection, it reads its files each time.
reload_sshd() {
  if has_systemd; then ! systemctl is-active -q ssh || systemctl reload ssh
  else pkill -HUP -o -x sshd; fi
}
# Settings of a file that sshd does not take, and what it has instead: an earlier line has said it.
overruled_settings() {
  sshd -T | awk '
    NR==FNR {if (!($1 in has)) has[$1]=$2; next}
    NF && !/^#/ {
      name=tolower($1); value=has[name]
      if (value=="without-password") value="prohibit-password"
      if (value!=$2 && !(name=="permitrootlogin" && value=="no")) print name, value
    }' - "$1"
}
# On trial until it is kept: after a restart of the server the settings of before are there.
restrict_sshd() {
  local file=/etc/ssh/sshd_config.d/00-homeguru.conf trial=/run/homeguru-bootstrap/sshd.conf
  local reload='pkill -HUP -o -x sshd' back="rm -f '$file'" former overruled
  ! has_systemd || reload='! systemctl is-active -q ssh || systemctl reload ssh'
  grep -qs '^Include /etc/ssh/sshd_config.d' /etc/ssh/sshd_config ||
    fail "/etc/ssh/sshd_config does not include sshd_config.d: add that line at its top"
  # The first line is that of a trial which a restart ended.
  former=$(grep -vsxF "Include $trial" "$file" || true)
  if [ -n "$former" ]; then
    write_file "$file.former" 644 "$former
"
    back="mv -f '$file.former' '$file'"
  fi
  arm_return sshd "$2" "rm -f '$trial'; $back; $reload"
  write_file "$trial" 644 "$1"
  write_file "$file" 644 "Include $trial
${former:+$former
}"
  if ! { sshd -t && overruled=$(overruled_settings "$trial"); }; then
    return_change sshd
    fail "sshd does not accept its configuration: taken back"
  fi
  if [ -n "$overruled" ]; then
    return_change sshd
    fail "sshd would still have: ${overruled//$'\n'/, }. It takes the first line that says so, and one comes before $file:" \
      "grep -rinE '$(say "$overruled" | cut -d' ' -f1 | paste -sd'|')' /etc/ssh/sshd_config /etc/ssh/sshd_config.d finds it; remove it. Taken back"
  fi
  reload_sshd
}
keep_sshd() {
  local file=/etc/ssh/sshd_config.d/00-homeguru.conf
  write_file "$file" 644 "$(cat /run/homeguru-bootstrap/sshd.conf)
"
  rm -f "$file.former"
}
firewall_unit() {
  say '[Unit]
Description=Ports that other machines reach (HomeGuru Deploy)
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Before=docker.service network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/homeguru/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/homeguru/firewall.nft
ExecStop=/usr/sbin/nft delete table inet homeguru_host

[Install]
WantedBy=multi-user.target'
}
# On trial until they are kept: after a restart of the server those of before are there.
close_ports() {
  local file=/etc/homeguru/firewall.nft trial=/run/homeguru-bootstrap/firewall.nft back='nft delete table inet homeguru_host'
  [ ! -f "$file" ] || back="nft -f $file"
  arm_return firewall "$2" "rm -f $trial; $back"
  write_file "$trial" 644 "$1"
  nft -c -f "$trial" || { return_change firewall; fail "nftables does not accept the rules: taken back"; }
  nft -f "$trial"
}
keep_ports() {
  write_file /etc/homeguru/firewall.nft 644 "$(cat /run/homeguru-bootstrap/firewall.nft)
"
  has_systemd || return 0
  write_file /etc/systemd/system/homeguru-firewall.service 644 "$(firewall_unit)
"
  systemctl daemon-reload
  systemctl enable -q --now homeguru-firewall
}
