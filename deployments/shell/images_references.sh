# shellcheck shell=bash
# Names that the images of the project go by.

# What a release's record says its images are.
image_references() { sed -n "s/^[A-Z][A-Z0-9_]*='\([^' ]*@sha256:[0-9a-f]*\)'\$/\1/p" "$1/variables.env" 2>/dev/null | sort -u; }
