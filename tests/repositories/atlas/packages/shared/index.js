export const EDITION = "atlas, first edition";
