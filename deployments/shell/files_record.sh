# shellcheck shell=bash
# How a run ended, recorded in ledger and report.
# Reads: project

record_run() {
  local line=$1 incoming=$2 tip=$3 current=$4 release=$5 settled=$6 environment=$7 found
  found=$(printf '0%.0s' {1..64})
  [ ! -s releases.jsonl ] || found=$(tail -n 1 releases.jsonl | tr -d '\n' | sha256sum | cut -c1-64)
  [ "$found" = "$tip" ] || fail "the ledger on this host changed meanwhile: its last line is not the one that was read"
  mkdir -p "releases/$release"
  [ ! -f "$incoming/report.md" ] || cp "$incoming/report.md" "releases/$release/report.md"
  # Whole or not at all: a line that a full disk cut off would break the chain.
  { [ ! -f releases.jsonl ] || cat releases.jsonl; say "$line"; } > releases.jsonl.new
  sync releases.jsonl.new 2>/dev/null || sync
  mv -f releases.jsonl.new releases.jsonl
  if [ -n "$environment" ]; then
    put_out .environment say "$environment"
    put_out .project say "$project"
  fi
  if [ -n "$current" ]; then
    put_out current say "$current"
  fi
  [ "$settled" = no ] || rm -rf secrets.env.previous deadman
}
close_journal() { say "${2//@AT@/$(now)}" >> "journal/$1.jsonl"; }
