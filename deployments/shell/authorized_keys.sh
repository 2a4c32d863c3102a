# shellcheck shell=bash
# Which keys may log in as the user who runs this: one more, one less. A key is its two words,
# `ssh-ed25519 AAAA...`; what stands before and after them in its line stays a person's matter.

keys_file() { printf '%s' ~/.ssh/authorized_keys; }
# A new key may do what the former one may: its line is that one's, with another key in it.
accept_beside() {
  local new=$1 former=$2 file line
  file=$(keys_file)
  grep -qF -- "$former" "$file" 2>/dev/null ||
    fail "the key that this connection was made with is not in $file: add the new one where that one stands"
  ! grep -qF -- "$new" "$file" || return 0
  put_out "$file" with_beside "$file" "$new" "$former"
}
with_beside() {
  while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n' "$line"
    case $line in *"$3"*) printf '%s\n' "${line/"$3"/"$2"}" ;; esac
  done < "$1"
}
end_key() {
  local former=$1 new=$2 file
  file=$(keys_file)
  grep -qF -- "$new" "$file" || fail "$file does not have the new key: the former one stays"
  grep -qF -- "$former" "$file" || return 0
  put_out "$file" grep -vF -- "$former" "$file"
}
