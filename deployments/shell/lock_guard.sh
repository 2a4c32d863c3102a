# shellcheck shell=bash
# A command under the work lock, between its journal lines.

run_guarded() {
  local run=$1 token=$2 timeout=$3 begin=$4 end=$5 after=$6 body=$7 outcome=ok code=0
  exec 9>>lock/work
  flock -w 60 9 || fail "a command of an earlier run still works on this host"
  grep -qF "\"token\":\"$token\"" lock/owner || exit 76
  printf '%s\n' "${begin//@AT@/$(now)}" >> "journal/$run.jsonl"
  let_login_in
  HOMEGURU_RUN=$run timeout -k 15 "$timeout" bash -c "$body" &
  printf '%s\n' $! > lock/pid
  wait $! || code=$?
  rm -f lock/pid
  [ $code = 0 ] || { outcome="failed $code"; after=; }
  end=${end//@OUTCOME@/$outcome}
  printf '%s\n' "${end//@AT@/$(now)}" ${after:+"${after//@AT@/$(now)}"} >> "journal/$run.jsonl"
  exit $code
}
