# shellcheck shell=bash
# A file as a section of an answer.

emit_file() { if [ -f "$2" ]; then emit "$1" < "$2"; fi; }
