# shellcheck shell=bash
# The files of the release before, put back.

restore_release() {
  if [ -f secrets.env.previous ]; then
    cp -p secrets.env.previous "$1/secrets.env"
  elif [ -s secrets.env ]; then
    cp -p secrets.env "$1/secrets.env"
  fi
  place_files "$1" "$2"
}
