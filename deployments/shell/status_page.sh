# shellcheck shell=bash
# The status page at the edge: in a file for its next start, and at once in the edge that runs.

# The map's place in the edge's container, and the page in base64.
renew_page() {
  local place=$1 page=$2 problem
  put_out edge/status.map say "page $page"
  chmod 644 edge/status.map
  problem=$(edge_admin "set map $place page $page") || fail "the edge does not answer"
  # The first page of all.
  [[ $problem != *"not found"* ]] || problem=$(edge_admin "add map $place page $page")
  [ -z "$problem" ] || fail "the edge does not take the status page: $problem"
}
