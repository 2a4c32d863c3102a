// Shown on the page: a one-line change makes a new release of the frontend.
export const VERSION = "v1";
