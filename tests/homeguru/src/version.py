"""The version that the API reports: a one-line change makes a new release."""

VERSION = "v1"
